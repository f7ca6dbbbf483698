// Conversion: tensors from one storage type to another, by the kernels.

internal import KernelBridge
public import Tensors

extension Tensor where Element: KernelElement {
    /// The same numbers in another storage type, each rounded once.
    ///
    /// ```
    /// let half = try x.converted(to: BFloat16.self)
    /// ```
    ///
    /// A number is widened to `Float`, which is exact, and rounded to the nearest one of `type`, of two equally near
    /// ones to that with an even last bit. Too large ones become infinity, subnormal ones are kept, a NaN stays a NaN.
    /// ``Tensor/init(rounding:)`` and ``Tensor/widened()`` give the same bits without kernels and threads.
    ///
    /// - Parameters:
    ///   - type: What the result holds. It may be the tensor's own type.
    ///   - backend: Who computes; the result has the same bits for all of them.
    /// - Returns: A contiguous tensor of the same shape.
    /// - Throws: `NormalizationError` for a backend that is not here.
    ///
    /// Source: IEEE 754-2019, section 5.4.2; a `BFloat16` is a `Float` whose last 16 bits are left away.
    public func converted<Other: KernelElement>(
        to type: Other.Type, backend: Backend = .automatic
    ) throws(NormalizationError) -> Tensor<Other> {
        var result = Tensor<Other>(uninitializedLike: shape)
        try convert(into: &result, backend: backend)
        return result
    }

    /// As ``converted(to:backend:)``, into an existing tensor of the same shape. Allocates nothing if it is not shared and
    /// this one has contiguous rows.
    ///
    /// - Throws: `NormalizationError`, before `result` is touched; also if `result` is not contiguous.
    public func convert<Other: KernelElement>(
        into result: inout Tensor<Other>, backend: Backend = .automatic
    ) throws(NormalizationError) {
        try validate(output: result, like: self, argument: "result")
        guard let run = try backend.kernelRun() else {
            result.assign(rounding: widenedArray)
            return
        }
        if count > 0 { try ConvertKernels.convert(hasContiguousRows ? self : contiguous(), into: &result, run: run) }
    }
}
