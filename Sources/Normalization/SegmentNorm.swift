internal import KernelBridge
internal import ReferenceKernels
public import Tensors

/// What weight and bias belong to where rows are cut into segments.
public enum SegmentParameters: Hashable, Sendable {
    /// One element for every column of the row.
    case perColumn
    /// One element for every column of a segment, the same for all segments, which then are equally wide: as where the
    /// heads of an attention share their norm.
    case shared
}

/// Normalizes each segment of every row (the last axis) of `x` on its own: ``layerNorm(_:weight:bias:epsilon:backend:)``
/// of each range of columns, in one call that passes over memory once.
///
/// - Parameters:
///   - x: Any rank of at least 1. A view that is not contiguous costs one copy.
///   - segments: The ranges of columns, which cover the row; empty ones are fine.
///   - parameters: What `weight` and `bias` belong to.
///   - weight: One factor a column of the row or of a segment, or nil for ones.
///   - bias: Likewise, or nil for zeros.
///   - epsilon: Added to the (biased) variance.
/// - Returns: A tensor of the shape of `x`.
/// - Throws: `NormalizationError` for shapes or segments that do not fit, an epsilon that is negative, infinite or NaN, or
///   a backend that is not here.
///
/// Precision and special rows: for each segment those of layerNorm. A segment of one column becomes exactly its bias.
/// Source: Ba, Kiros, Hinton, "Layer Normalization", 2016.
public func segmentedLayerNorm<Element: KernelElement, Parameter: KernelElement>(
    _ x: Tensor<Element>, segments: SegmentOffsets, parameters: SegmentParameters = .perColumn,
    weight: Tensor<Parameter>?, bias: Tensor<Parameter>? = nil, epsilon: Float = 1e-5, backend: Backend = .automatic
) throws(NormalizationError) -> Tensor<Element> {
    try segmentedLayerNormWithStatistics(
        x, segments: segments, parameters: parameters, weight: weight, bias: bias, epsilon: epsilon, backend: backend
    ).output
}

/// As ``segmentedLayerNorm(_:segments:parameters:weight:bias:epsilon:backend:)``, into an existing tensor of the shape of `x`.
///
/// - Returns: The statistics that the backward pass needs.
/// - Throws: `NormalizationError`, before `y` is touched; also if `y` is not contiguous.
@discardableResult
public func segmentedLayerNorm<Element: KernelElement, Parameter: KernelElement>(
    _ x: Tensor<Element>, segments: SegmentOffsets, parameters: SegmentParameters = .perColumn,
    weight: Tensor<Parameter>?, bias: Tensor<Parameter>? = nil, epsilon: Float = 1e-5, into y: inout Tensor<Element>,
    backend: Backend = .automatic
) throws(NormalizationError) -> RowStatistics {
    try NormTerms(.layerNorm, weight: weight, bias: bias, weightOffset: 0, epsilon: epsilon)
        .normalize(x, segments: segments, parameters: parameters, into: &y, backend: backend)
}

/// ``segmentedLayerNorm(_:segments:parameters:weight:bias:epsilon:backend:)`` with weight 1 and bias 0.
public func segmentedLayerNorm<Element: KernelElement>(
    _ x: Tensor<Element>, segments: SegmentOffsets, epsilon: Float = 1e-5, backend: Backend = .automatic
) throws(NormalizationError) -> Tensor<Element> {
    try segmentedLayerNorm(
        x, segments: segments, weight: Tensor<Float>?.none, epsilon: epsilon, backend: backend)
}

/// The same with the statistics that the backward pass needs: [segments, ...rows], 0 for an empty segment.
public func segmentedLayerNormWithStatistics<Element: KernelElement, Parameter: KernelElement>(
    _ x: Tensor<Element>, segments: SegmentOffsets, parameters: SegmentParameters = .perColumn,
    weight: Tensor<Parameter>?, bias: Tensor<Parameter>? = nil, epsilon: Float = 1e-5, backend: Backend = .automatic
) throws(NormalizationError) -> (output: Tensor<Element>, statistics: RowStatistics) {
    try NormTerms(.layerNorm, weight: weight, bias: bias, weightOffset: 0, epsilon: epsilon)
        .normalize(x, segments: segments, parameters: parameters, backend: backend)
}

/// ``rmsNorm(_:weight:bias:weightOffset:epsilon:backend:)`` of each range of columns, as
/// ``segmentedLayerNorm(_:segments:parameters:weight:bias:epsilon:backend:)`` is layerNorm of them.
///
/// - Throws: `NormalizationError` as there; also for an offset that is not finite.
public func segmentedRMSNorm<Element: KernelElement, Parameter: KernelElement>(
    _ x: Tensor<Element>, segments: SegmentOffsets, parameters: SegmentParameters = .perColumn,
    weight: Tensor<Parameter>?, bias: Tensor<Parameter>? = nil, weightOffset: Float = 0, epsilon: Float = 1e-5,
    backend: Backend = .automatic
) throws(NormalizationError) -> Tensor<Element> {
    try segmentedRMSNormWithStatistics(
        x, segments: segments, parameters: parameters, weight: weight, bias: bias, weightOffset: weightOffset,
        epsilon: epsilon, backend: backend
    ).output
}

/// The same into an existing tensor of the shape of `x`.
///
/// - Returns: The statistics that the backward pass needs.
/// - Throws: `NormalizationError`, before `y` is touched; also if `y` is not contiguous.
@discardableResult
public func segmentedRMSNorm<Element: KernelElement, Parameter: KernelElement>(
    _ x: Tensor<Element>, segments: SegmentOffsets, parameters: SegmentParameters = .perColumn,
    weight: Tensor<Parameter>?, bias: Tensor<Parameter>? = nil, weightOffset: Float = 0, epsilon: Float = 1e-5,
    into y: inout Tensor<Element>, backend: Backend = .automatic
) throws(NormalizationError) -> RowStatistics {
    try NormTerms(.rmsNorm, weight: weight, bias: bias, weightOffset: weightOffset, epsilon: epsilon)
        .normalize(x, segments: segments, parameters: parameters, into: &y, backend: backend)
}

/// The same with the statistics that the backward pass needs: [segments, ...rows], 0 for an empty segment.
public func segmentedRMSNormWithStatistics<Element: KernelElement, Parameter: KernelElement>(
    _ x: Tensor<Element>, segments: SegmentOffsets, parameters: SegmentParameters = .perColumn,
    weight: Tensor<Parameter>?, bias: Tensor<Parameter>? = nil, weightOffset: Float = 0, epsilon: Float = 1e-5,
    backend: Backend = .automatic
) throws(NormalizationError) -> (output: Tensor<Element>, statistics: RowStatistics) {
    try NormTerms(.rmsNorm, weight: weight, bias: bias, weightOffset: weightOffset, epsilon: epsilon)
        .normalize(x, segments: segments, parameters: parameters, backend: backend)
}

/// Gradients of a norm of parts of rows, or of neighbourhoods.
public struct SegmentNormGradients<Element: KernelElement>: Sendable {
    /// For the input: the shape of `x`.
    public internal(set) var input: Tensor<Element>
    /// For `weight`, in float32 whatever the storage; of the shape that a weight has, also if there was none.
    public internal(set) var weight: Tensor<Float>
    /// For `bias`.
    public internal(set) var bias: Tensor<Float>

    init(input: Tensor<Element>, weight: Tensor<Float>, bias: Tensor<Float>) {
        self.input = input
        self.weight = weight
        self.bias = bias
    }

    /// Zero gradients for an input of `shape`, to be filled or accumulated into.
    ///
    /// - Throws: `NormalizationError` for segments that do not cut the last axis of `shape`, or cannot share their parameters.
    public init(
        shape: Shape, segments: SegmentOffsets, parameters: SegmentParameters = .perColumn
    ) throws(NormalizationError) {
        let count = try parameters.count(shape, segments: segments)
        input = try Tensor(repeating: .zero, shape: shape)
        weight = try Tensor(repeating: 0, shape: [count])
        bias = weight
    }
}

/// The pullback of ``segmentedLayerNormWithStatistics(_:segments:parameters:weight:bias:epsilon:backend:)``: in each
/// segment that of ``layerNormBackward(_:x:weight:statistics:backend:)``. Shared parameters have the sums over all segments.
///
/// - Throws: `NormalizationError` for shapes or segments that do not fit, or a backend that is not here.
public func segmentedLayerNormBackward<Element: KernelElement, Parameter: KernelElement>(
    _ outputGradient: Tensor<Element>, x: Tensor<Element>, segments: SegmentOffsets,
    parameters: SegmentParameters = .perColumn, weight: Tensor<Parameter>?, statistics: RowStatistics,
    backend: Backend = .automatic
) throws(NormalizationError) -> SegmentNormGradients<Element> {
    try NormTerms(.layerNorm, weight: weight, bias: nil, weightOffset: 0, epsilon: 0)
        .backward(
            outputGradient, x: x, segments: segments, parameters: parameters, statistics: statistics, backend: backend)
}

/// As ``segmentedLayerNormBackward(_:x:segments:parameters:weight:statistics:backend:)``, into existing gradients.
///
/// - Parameter accumulating: Whether to add to the gradients of weight and bias (that of the input is always overwritten).
/// - Throws: `NormalizationError`, before `gradients` is touched.
public func segmentedLayerNormBackward<Element: KernelElement, Parameter: KernelElement>(
    _ outputGradient: Tensor<Element>, x: Tensor<Element>, segments: SegmentOffsets,
    parameters: SegmentParameters = .perColumn, weight: Tensor<Parameter>?, statistics: RowStatistics,
    into gradients: inout SegmentNormGradients<Element>, accumulating: Bool = false, backend: Backend = .automatic
) throws(NormalizationError) {
    try NormTerms(.layerNorm, weight: weight, bias: nil, weightOffset: 0, epsilon: 0)
        .backward(
            outputGradient, x: x, segments: segments, parameters: parameters, statistics: statistics, into: &gradients,
            accumulating: accumulating, backend: backend)
}

/// The pullback of ``segmentedRMSNormWithStatistics(_:segments:parameters:weight:bias:weightOffset:epsilon:backend:)``.
///
/// - Throws: `NormalizationError` for shapes or segments that do not fit, an offset that is not finite, or a backend that
///   is not here.
public func segmentedRMSNormBackward<Element: KernelElement, Parameter: KernelElement>(
    _ outputGradient: Tensor<Element>, x: Tensor<Element>, segments: SegmentOffsets,
    parameters: SegmentParameters = .perColumn, weight: Tensor<Parameter>?, weightOffset: Float = 0,
    statistics: RowStatistics, backend: Backend = .automatic
) throws(NormalizationError) -> SegmentNormGradients<Element> {
    try NormTerms(.rmsNorm, weight: weight, bias: nil, weightOffset: weightOffset, epsilon: 0)
        .backward(
            outputGradient, x: x, segments: segments, parameters: parameters, statistics: statistics, backend: backend)
}

/// As ``segmentedRMSNormBackward(_:x:segments:parameters:weight:weightOffset:statistics:backend:)``, into existing gradients.
///
/// - Parameter accumulating: Whether to add to the gradients of weight and bias.
/// - Throws: `NormalizationError`, before `gradients` is touched.
public func segmentedRMSNormBackward<Element: KernelElement, Parameter: KernelElement>(
    _ outputGradient: Tensor<Element>, x: Tensor<Element>, segments: SegmentOffsets,
    parameters: SegmentParameters = .perColumn, weight: Tensor<Parameter>?, weightOffset: Float = 0,
    statistics: RowStatistics, into gradients: inout SegmentNormGradients<Element>, accumulating: Bool = false,
    backend: Backend = .automatic
) throws(NormalizationError) {
    try NormTerms(.rmsNorm, weight: weight, bias: nil, weightOffset: weightOffset, epsilon: 0)
        .backward(
            outputGradient, x: x, segments: segments, parameters: parameters, statistics: statistics, into: &gradients,
            accumulating: accumulating, backend: backend)
}

extension SegmentParameters {
    /// The elements of weight and bias.
    fileprivate func count(_ shape: Shape, segments: SegmentOffsets) throws(NormalizationError) -> Int {
        let columns = try validatedColumns(of: shape, argument: "x")
        guard segments.total == columns else {
            throw NormalizationError(
                .invalidOffsets, argument: "segments", expected: "\(columns) columns", given: "\(segments.total)")
        }
        guard self == .shared else { return columns }
        guard let width = segments.commonWidth else {
            throw NormalizationError(
                .invalidOffsets, argument: "segments", expected: "equally wide segments, which share their parameters",
                given: "offsets \(segments.offsets)")
        }
        return width
    }
}

extension NormTerms {
    fileprivate func normalize<Element: KernelElement>(
        _ x: Tensor<Element>, segments: SegmentOffsets, parameters: SegmentParameters, backend: Backend
    ) throws(NormalizationError) -> (output: Tensor<Element>, statistics: RowStatistics) {
        var output = Tensor<Element>(uninitializedLike: x.shape)
        let statistics = try normalize(x, segments: segments, parameters: parameters, into: &output, backend: backend)
        return (output, statistics)
    }

    fileprivate func normalize<Element: KernelElement>(
        _ x: Tensor<Element>, segments: SegmentOffsets, parameters: SegmentParameters, into y: inout Tensor<Element>,
        backend: Backend
    ) throws(NormalizationError) -> RowStatistics {
        let count = try parameters.count(x.shape, segments: segments)
        try validate(parameter: weight, columns: count, argument: "weight")
        try validate(parameter: bias, columns: count, argument: "bias")
        try validate(epsilon: epsilon)
        try validate(finite: weightOffset, argument: "weightOffset")
        try validate(output: y, like: x, argument: "y")
        var statistics = try RowStatistics(zerosOf: [segments.count] + x.shape.extents.dropLast())
        if let run = try backend.kernelRun() {
            y.makeUniqueForOverwriting()
            try SegmentNormKernels.forward(
                contiguous, x.contiguous(), segments: segments, shared: parameters == .shared, output: y,
                statistics: statistics, run: run)
        } else {
            let result = NormReference.forward(
                norm, x.widenedArray, segments: segments, weight: offsetWeight, bias: bias?.widenedArray,
                shared: parameters == .shared, epsilon: epsilon)
            y.assign(rounding: result.y)
            statistics.assign(result)
        }
        return statistics
    }

    fileprivate func backward<Element: KernelElement>(
        _ outputGradient: Tensor<Element>, x: Tensor<Element>, segments: SegmentOffsets, parameters: SegmentParameters,
        statistics: RowStatistics, backend: Backend
    ) throws(NormalizationError) -> SegmentNormGradients<Element> {
        let count = try parameters.count(x.shape, segments: segments)
        var gradients = SegmentNormGradients<Element>(
            input: Tensor(uninitializedLike: x.shape), weight: Tensor(uninitializedLike: [count]),
            bias: Tensor(uninitializedLike: [count]))
        try backward(
            outputGradient, x: x, segments: segments, parameters: parameters, statistics: statistics, into: &gradients,
            accumulating: false, backend: backend)
        return gradients
    }

    fileprivate func backward<Element: KernelElement>(
        _ outputGradient: Tensor<Element>, x: Tensor<Element>, segments: SegmentOffsets, parameters: SegmentParameters,
        statistics: RowStatistics, into gradients: inout SegmentNormGradients<Element>, accumulating: Bool,
        backend: Backend
    ) throws(NormalizationError) {
        let count = try parameters.count(x.shape, segments: segments)
        let rows = x.count / segments.total
        try validate(shape: outputGradient.shape, is: x.shape, argument: "outputGradient")
        try validate(shape: gradients.input.shape, is: x.shape, argument: "gradients")
        try validate(parameter: gradients.weight, columns: count, argument: "gradients")
        try validate(parameter: gradients.bias, columns: count, argument: "gradients")
        try validate(parameter: weight, columns: count, argument: "weight")
        try validate(count: statistics.mean.count, is: rows * segments.count, argument: "statistics")
        try validate(finite: weightOffset, argument: "weightOffset")
        guard let run = try backend.kernelRun() else {
            let result = NormReference.backward(
                norm, outputGradient.widenedArray, x: x.widenedArray, segments: segments, weight: offsetWeight,
                shared: parameters == .shared, mean: statistics.mean.array, meanLow: statistics.meanLow.array,
                rstd: statistics.reciprocalDeviation.array)
            gradients.input.assign(rounding: result.dx)
            gradients.weight.put(result.dweight, accumulating: accumulating)
            gradients.bias.put(result.dbias, accumulating: accumulating)
            return
        }
        gradients.input.makeUniqueForOverwriting()
        gradients.weight.makeUnique()
        gradients.bias.makeUnique()
        let workspace = Tensor<Float>(uninitializedLike: [
            SegmentNormKernels.workspaceCount(rows: rows, segments: segments)
        ])
        try SegmentNormKernels.backward(
            norm, outputGradient.contiguous(), x: x.contiguous(), segments: segments, shared: parameters == .shared,
            weight: weight?.contiguous(), weightOffset: weightOffset, statistics: statistics,
            inputGradient: gradients.input, weightGradient: gradients.weight, biasGradient: gradients.bias,
            accumulating: accumulating, workspace: workspace, run: run)
    }
}

extension RowStatistics {
    /// Zeros of `extents`.
    init(zerosOf extents: [Int]) throws(NormalizationError) {
        self.init(uninitializedFor: Shape(extents + [1]))
        mean = try Tensor(repeating: 0, shape: Shape(extents))
        meanLow = try Tensor(repeating: 0, shape: Shape(extents))
        reciprocalDeviation = try Tensor(repeating: 0, shape: Shape(extents))
    }
}
