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

    /// Runs `steps` steps of fused multiply-adds on every thread; returns the operations of one thread.
    package static func fusedMultiplyAdds(steps: Int, run: KernelRun) throws(NormalizationError) -> Int {
        var sink: Float = 0
        try check(unsafe ck_limit_fma(Int64(steps), &sink, run.run))
        return steps * operationsPerStep
    }

    /// CK_LIMIT_FMA_FLOPS_PER_STEP: twelve chains of sixteen lanes, two operations each.
    private static let operationsPerStep = 12 * 16 * 2
}
