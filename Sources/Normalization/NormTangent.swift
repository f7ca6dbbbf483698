internal import KernelBridge
internal import ReferenceKernels
public import Tensors

// Forward mode: how the output of a norm changes with its arguments.

/// The tangent of ``layerNormWithStatistics(_:weight:bias:epsilon:backend:)``: the product of its Jacobian and a vector,
/// in forward mode. With `xhat = (x - mean) * rstd`,
/// ```
/// J(v)   = rstd * (v - mean(v) - xhat * mean(v * xhat))
/// output = J(inputTangent) * weight + xhat * weightTangent + biasTangent
/// ```
///
/// - Parameters:
///   - inputTangent: The direction in which `x` moves, of its shape. A view that is not contiguous costs one copy, `x`
///     likewise.
///   - x: The input of the forward pass.
///   - weight: The weight of the forward pass.
///   - weightTangent: The direction in which `weight` moves, or nil if it does not.
///   - biasTangent: The direction in which `bias` moves, or nil if it does not.
///   - statistics: What the forward pass saved.
/// - Returns: The derivative of the output in that direction, of the shape of `x`.
/// - Throws: `NormalizationError` for shapes that do not fit, or a backend that is not here.
///
/// Precision: float32, rows centred before they are summed, as in the backward pass; 16-bit results are rounded once.
public func layerNormTangent<Element: KernelElement, Parameter: KernelElement>(
    _ inputTangent: Tensor<Element>, x: Tensor<Element>, weight: Tensor<Parameter>?,
    weightTangent: Tensor<Float>? = nil, biasTangent: Tensor<Float>? = nil, statistics: RowStatistics,
    backend: Backend = .automatic
) throws(NormalizationError) -> Tensor<Element> {
    try RowNorm.layerNorm.tangent(
        inputTangent, x: x, weight: weight, weightOffset: 0, weightTangent: weightTangent, biasTangent: biasTangent,
        statistics: statistics, backend: backend)
}

/// As ``layerNormTangent(_:x:weight:weightTangent:biasTangent:statistics:backend:)``, into an existing tensor of the shape
/// of `x`.
///
/// - Throws: `NormalizationError`, before `tangent` is touched; also if `tangent` is not contiguous.
public func layerNormTangent<Element: KernelElement, Parameter: KernelElement>(
    _ inputTangent: Tensor<Element>, x: Tensor<Element>, weight: Tensor<Parameter>?,
    weightTangent: Tensor<Float>? = nil, biasTangent: Tensor<Float>? = nil, statistics: RowStatistics,
    into tangent: inout Tensor<Element>, backend: Backend = .automatic
) throws(NormalizationError) {
    try RowNorm.layerNorm.tangent(
        inputTangent, x: x, weight: weight, weightOffset: 0, weightTangent: weightTangent, biasTangent: biasTangent,
        statistics: statistics, into: &tangent, backend: backend)
}

/// ``layerNormTangent(_:x:weight:weightTangent:biasTangent:statistics:backend:)`` with weight 1.
public func layerNormTangent<Element: KernelElement>(
    _ inputTangent: Tensor<Element>, x: Tensor<Element>, statistics: RowStatistics, backend: Backend = .automatic
) throws(NormalizationError) -> Tensor<Element> {
    try layerNormTangent(inputTangent, x: x, weight: Tensor<Float>?.none, statistics: statistics, backend: backend)
}

/// The tangent of ``rmsNormWithStatistics(_:weight:bias:weightOffset:epsilon:backend:)``: as that of LayerNorm with means
/// 0 and weight + weightOffset for the weight.
///
/// - Throws: `NormalizationError` for shapes that do not fit, an offset that is not finite, or a backend that is not here.
public func rmsNormTangent<Element: KernelElement, Parameter: KernelElement>(
    _ inputTangent: Tensor<Element>, x: Tensor<Element>, weight: Tensor<Parameter>?, weightOffset: Float = 0,
    weightTangent: Tensor<Float>? = nil, biasTangent: Tensor<Float>? = nil, statistics: RowStatistics,
    backend: Backend = .automatic
) throws(NormalizationError) -> Tensor<Element> {
    try RowNorm.rmsNorm.tangent(
        inputTangent, x: x, weight: weight, weightOffset: weightOffset, weightTangent: weightTangent,
        biasTangent: biasTangent, statistics: statistics, backend: backend)
}

/// As ``rmsNormTangent(_:x:weight:weightOffset:weightTangent:biasTangent:statistics:backend:)``, into an existing tensor of
/// the shape of `x`.
///
/// - Throws: `NormalizationError`, before `tangent` is touched; also if `tangent` is not contiguous.
public func rmsNormTangent<Element: KernelElement, Parameter: KernelElement>(
    _ inputTangent: Tensor<Element>, x: Tensor<Element>, weight: Tensor<Parameter>?, weightOffset: Float = 0,
    weightTangent: Tensor<Float>? = nil, biasTangent: Tensor<Float>? = nil, statistics: RowStatistics,
    into tangent: inout Tensor<Element>, backend: Backend = .automatic
) throws(NormalizationError) {
    try RowNorm.rmsNorm.tangent(
        inputTangent, x: x, weight: weight, weightOffset: weightOffset, weightTangent: weightTangent,
        biasTangent: biasTangent, statistics: statistics, into: &tangent, backend: backend)
}

extension RowNorm {
    fileprivate func tangent<Element: KernelElement, Parameter: KernelElement>(
        _ inputTangent: Tensor<Element>, x: Tensor<Element>, weight: Tensor<Parameter>?, weightOffset: Float,
        weightTangent: Tensor<Float>?, biasTangent: Tensor<Float>?, statistics: RowStatistics, backend: Backend
    ) throws(NormalizationError) -> Tensor<Element> {
        var output = Tensor<Element>(uninitializedLike: x.shape)
        try tangent(
            inputTangent, x: x, weight: weight, weightOffset: weightOffset, weightTangent: weightTangent,
            biasTangent: biasTangent, statistics: statistics, into: &output, backend: backend)
        return output
    }

    fileprivate func tangent<Element: KernelElement, Parameter: KernelElement>(
        _ inputTangent: Tensor<Element>, x: Tensor<Element>, weight: Tensor<Parameter>?, weightOffset: Float,
        weightTangent: Tensor<Float>?, biasTangent: Tensor<Float>?, statistics: RowStatistics,
        into output: inout Tensor<Element>, backend: Backend
    ) throws(NormalizationError) {
        let columns = try validatedColumns(of: x.shape, argument: "x")
        try validate(shape: inputTangent.shape, is: x.shape, argument: "inputTangent")
        try validate(parameter: weight, columns: columns, argument: "weight")
        try validate(parameter: weightTangent, columns: columns, argument: "weightTangent")
        try validate(parameter: biasTangent, columns: columns, argument: "biasTangent")
        try validate(count: statistics.mean.count, is: x.count / columns, argument: "statistics")
        try validate(finite: weightOffset, argument: "weightOffset")
        try validate(output: output, like: x, argument: "tangent")
        if let run = try backend.kernelRun() {
            output.makeUniqueForOverwriting()
            try NormSecondOrderKernels.tangent(
                self, inputTangent.contiguous(), x: x.contiguous(), weight: weight?.contiguous(),
                weightOffset: weightOffset, weightTangent: weightTangent?.contiguous(),
                biasTangent: biasTangent?.contiguous(), statistics: statistics, output: output, run: run)
        } else {
            let terms = NormTerms(self, weight: weight, bias: nil, weightOffset: weightOffset, epsilon: 0)
            output.assign(
                rounding: NormReference.tangent(
                    self, inputTangent.widenedArray, weightTangent: weightTangent?.array,
                    biasTangent: biasTangent?.array,
                    passes: terms.passes(x, columns: columns, statistics: statistics)))
        }
    }
}

extension NormTerms {
    /// What the reference of second order needs of the passes before it.
    func passes<Element: KernelElement>(
        _ x: Tensor<Element>, columns: Int, statistics: RowStatistics
    ) -> NormReference<Float>.Passes {
        NormReference.Passes(
            x: x.widenedArray, columns: columns, weight: offsetWeight, mean: statistics.mean.array,
            meanLow: statistics.meanLow.array, rstd: statistics.reciprocalDeviation.array)
    }
}
