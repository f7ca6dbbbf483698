internal import KernelBridge
internal import ReferenceKernels
public import Tensors

// Normalization and quantization to eight-bit integers in one pass, for linear layers that multiply them.

/// ``layerNorm(_:weight:bias:epsilon:backend:)`` rounded to eight-bit integers with one scale a row.
///
/// ```
/// y = layerNorm(x),   scale = max|y| / 127 over a row,   value = round(y / scale)
/// ```
///
/// y is in float32 when it is rounded, whatever the storage of `x`. See ``QuantizedRows`` for rows of zeros and NaN.
///
/// - Throws: `NormalizationError` as ``layerNorm(_:weight:bias:epsilon:backend:)`` does.
public func quantizedLayerNorm<Element: KernelElement, Parameter: KernelElement>(
    _ x: Tensor<Element>, weight: Tensor<Parameter>?, bias: Tensor<Parameter>? = nil, epsilon: Float = 1e-5,
    backend: Backend = .automatic
) throws(NormalizationError) -> QuantizedRows {
    try NormTerms(.layerNorm, weight: weight, bias: bias, weightOffset: 0, epsilon: epsilon)
        .quantized(x, residual: nil, backend: backend).quantized
}

/// ``rmsNorm(_:weight:bias:weightOffset:epsilon:backend:)`` rounded to eight-bit integers with one scale a row, as
/// ``quantizedLayerNorm(_:weight:bias:epsilon:backend:)`` does.
public func quantizedRMSNorm<Element: KernelElement, Parameter: KernelElement>(
    _ x: Tensor<Element>, weight: Tensor<Parameter>?, bias: Tensor<Parameter>? = nil, weightOffset: Float = 0,
    epsilon: Float = 1e-5, backend: Backend = .automatic
) throws(NormalizationError) -> QuantizedRows {
    try NormTerms(.rmsNorm, weight: weight, bias: bias, weightOffset: weightOffset, epsilon: epsilon)
        .quantized(x, residual: nil, backend: backend).quantized
}

/// `sum = x + branch` (rounded to its storage) and the LayerNorm of the sum before that, rounded to eight-bit integers.
///
/// - Throws: `NormalizationError` for shapes that do not fit, an epsilon that is negative, infinite or NaN, or a backend
///   that is not here.
public func quantizedResidualLayerNorm<Element: KernelElement, Parameter: KernelElement>(
    _ x: Tensor<Element>, adding branch: Tensor<Element>, weight: Tensor<Parameter>?, bias: Tensor<Parameter>? = nil,
    epsilon: Float = 1e-5, backend: Backend = .automatic
) throws(NormalizationError) -> (sum: Tensor<Element>, quantized: QuantizedRows) {
    try NormTerms(.layerNorm, weight: weight, bias: bias, weightOffset: 0, epsilon: epsilon)
        .quantized(x, adding: branch, backend: backend)
}

/// As ``quantizedResidualLayerNorm(_:adding:weight:bias:epsilon:backend:)``, with RMSNorm.
public func quantizedResidualRMSNorm<Element: KernelElement, Parameter: KernelElement>(
    _ x: Tensor<Element>, adding branch: Tensor<Element>, weight: Tensor<Parameter>?, bias: Tensor<Parameter>? = nil,
    weightOffset: Float = 0, epsilon: Float = 1e-5, backend: Backend = .automatic
) throws(NormalizationError) -> (sum: Tensor<Element>, quantized: QuantizedRows) {
    try NormTerms(.rmsNorm, weight: weight, bias: bias, weightOffset: weightOffset, epsilon: epsilon)
        .quantized(x, adding: branch, backend: backend)
}

extension NormTerms {
    fileprivate func quantized<Element: KernelElement>(
        _ x: Tensor<Element>, adding branch: Tensor<Element>, backend: Backend
    ) throws(NormalizationError) -> (sum: Tensor<Element>, quantized: QuantizedRows) {
        let residual = ResidualTerms<Element, Parameter>(
            branch: branch, branchBias: nil, branchScale: nil, residualScale: 1, dropout: nil)
        let (sum, quantized) = try quantized(x, residual: residual, backend: backend)
        return (sum ?? x, quantized)
    }

    fileprivate func quantized<Element: KernelElement>(
        _ x: Tensor<Element>, residual: ResidualTerms<Element, Parameter>?, backend: Backend
    ) throws(NormalizationError) -> (sum: Tensor<Element>?, quantized: QuantizedRows) {
        let columns = try validatedColumns(x, residual)
        var sum = residual == nil ? nil : Tensor<Element>(uninitializedLike: x.shape)
        var quantized = QuantizedRows(uninitializedFor: x.shape)
        if let run = try backend.kernelRun() {
            try NormKernels.forward(
                contiguous, x.contiguous(), residual: residual?.contiguous,
                outputs: .init(sum: sum, quantized: quantized), run: run)
        } else {
            let h = residual?.reference(columns: columns).sum(x.widenedArray) ?? x.widenedArray
            sum?.assign(rounding: h)
            let result = RowQuantization.quantize(reference(h, columns: columns).y, columns: columns)
            quantized.values.assign(result.values)
            quantized.scales.assign(result.scales)
        }
        return (sum, quantized)
    }
}
