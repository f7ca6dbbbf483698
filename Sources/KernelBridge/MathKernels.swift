internal import CKernels
package import Tensors

/// The door to `ck_exp_1ulp` and `ck_tanh_2ulp`.
package enum MathKernels {
    package enum Function: Sendable {
        case exp1ULP, tanh2ULP
    }

    /// `function` of every element of `x`, which is contiguous, into `y`, of the same count and contiguous.
    package static func map(
        _ function: Function, _ x: Tensor<Float>, into y: inout Tensor<Float>, run: KernelRun
    ) throws(NormalizationError) {
        y.makeUniqueForOverwriting()
        try check(unsafe call(function, x.pointer, y.mutablePointer, x.count, run))
    }

    package static func map(
        _ function: Function, inPlace x: inout Tensor<Float>, run: KernelRun
    ) throws(NormalizationError) {
        x.makeUnique()
        try check(unsafe call(function, x.pointer, x.mutablePointer, x.count, run))
    }

    package static func map(
        _ function: Function, _ x: Span<Float>, into y: inout MutableSpan<Float>, run: KernelRun
    ) throws(NormalizationError) {
        let status = unsafe x.withUnsafeBufferPointer { x in
            unsafe y.withUnsafeMutableBufferPointer { y in
                unsafe call(function, x.baseAddress, y.baseAddress, x.count, run)
            }
        }
        try check(status)
    }

    private static func call(
        _ function: Function, _ x: UnsafePointer<Float>?, _ y: UnsafeMutablePointer<Float>?, _ count: Int,
        _ run: KernelRun
    ) -> ck_status {
        switch function {
        case .exp1ULP: unsafe ck_exp_1ulp(x, y, Int64(count), run.run)
        case .tanh2ULP: unsafe ck_tanh_2ulp(x, y, Int64(count), run.run)
        }
    }
}
