internal import CKernels
package import Tensors

/// The machine's limits, in the kernels' own vocabulary. For the bench target.
package enum MachineLimits {
    /// Copies `source` (or its sum with `second`) to `destination`, all dense and of equal count;
    /// streaming stores bypass the caches.
    package static func copy(
        _ source: Tensor<Float>, plus second: Tensor<Float>? = nil, to destination: inout Tensor<Float>,
        streaming: Bool, run: KernelRun
    ) throws(NormalizationError) {
        destination.makeUniqueForOverwriting()
        try check(
            unsafe ck_limit_copy(
                source.pointer, second.map { unsafe UnsafePointer($0.pointer) }, destination.mutablePointer, Int64(source.count),
                streaming ? 1 : 0, run.run))
    }

    /// Reads `source`, which is dense; `largest` has one element for each 1024 of it.
    package static func read(
        _ source: Tensor<Float>, largest: inout Tensor<Float>, run: KernelRun
    ) throws(NormalizationError) {
        largest.makeUniqueForOverwriting()
        try check(unsafe ck_limit_read(source.pointer, Int64(source.count), largest.mutablePointer, run.run))
    }

    /// Runs `steps` steps of fused multiply-adds on every thread; returns the operations of one thread.
    package static func fusedMultiplyAdds(steps: Int, run: KernelRun) throws(NormalizationError) -> Int {
        var sink: Float = 0
        try check(unsafe ck_limit_fma(Int64(steps), &sink, run.run))
        return steps * 2 * multiplyAddsPerStep
    }

    /// Half of CK_LIMIT_FMA_FLOPS_PER_STEP: twelve chains of sixteen lanes.
    package static let multiplyAddsPerStep = 12 * 16
}
