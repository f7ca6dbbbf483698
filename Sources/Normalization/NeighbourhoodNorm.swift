internal import KernelBridge
internal import ReferenceKernels
public import Tensors

/// LayerNorm over the neighbourhoods of a graph: the scores of each node's edges are normalized among themselves.
///
/// ```
/// y[e, h] = (x[e, h] - mean[v, h]) / sqrt(variance[v, h] + epsilon) * weight[h] + bias[h]     e an edge of node v
/// ```
/// A node without edges gives nothing, a node with one edge exactly `bias`, one with two edges `bias ± weight` (but for
/// epsilon) unless its scores are equal.
///
/// - Parameters:
///   - x: Scores [edges] or [edges, heads], the edges sorted by node. Several heads cost one copy of `x`, with the edges of
///     a head side by side; the result is a view of such memory.
///   - offsets: Where each node's edges begin: the row offsets of the CSR format.
///   - weight: One factor a head ([1] for scores without heads), or nil for ones.
///   - bias: One summand a head, or nil for zeros.
///   - epsilon: Added to the (biased) variance.
/// - Returns: A tensor of the shape of `x`.
/// - Throws: `NormalizationError` for shapes or offsets that do not fit, an epsilon that is negative, infinite or NaN, or a
///   backend that is not here.
///
/// Precision and special rows: for each neighbourhood those of ``layerNorm(_:weight:bias:epsilon:backend:)``.
public func neighbourhoodLayerNorm<Element: KernelElement>(
    _ x: Tensor<Element>, offsets: SegmentOffsets, weight: Tensor<Float>? = nil, bias: Tensor<Float>? = nil,
    epsilon: Float = 1e-5, backend: Backend = .automatic
) throws(NormalizationError) -> Tensor<Element> {
    try neighbourhoodLayerNormWithStatistics(
        x, offsets: offsets, weight: weight, bias: bias, epsilon: epsilon, backend: backend
    ).output
}

/// The same with the statistics that the backward pass needs: [heads, nodes] (one head if `x` has no axis for them), 0
/// for a node without edges.
public func neighbourhoodLayerNormWithStatistics<Element: KernelElement>(
    _ x: Tensor<Element>, offsets: SegmentOffsets, weight: Tensor<Float>? = nil, bias: Tensor<Float>? = nil,
    epsilon: Float = 1e-5, backend: Backend = .automatic
) throws(NormalizationError) -> (output: Tensor<Element>, statistics: RowStatistics) {
    let scores = try EdgeScores(x, offsets: offsets)
    var output = try scores.uninitialized()
    let statistics = try neighbourhoodLayerNorm(
        x, offsets: offsets, weight: weight, bias: bias, epsilon: epsilon, into: &output, backend: backend)
    return (output, statistics)
}

/// As ``neighbourhoodLayerNorm(_:offsets:weight:bias:epsilon:backend:)``, into an existing tensor of the shape of `x`, of any
/// layout. Several heads cost a copy unless the edges of a head lie side by side in it.
///
/// - Returns: The statistics that the backward pass needs.
/// - Throws: `NormalizationError`, before `y` is touched.
@discardableResult
public func neighbourhoodLayerNorm<Element: KernelElement>(
    _ x: Tensor<Element>, offsets: SegmentOffsets, weight: Tensor<Float>? = nil, bias: Tensor<Float>? = nil,
    epsilon: Float = 1e-5, into y: inout Tensor<Element>, backend: Backend = .automatic
) throws(NormalizationError) -> RowStatistics {
    let scores = try EdgeScores(x, offsets: offsets)
    try scores.check(weight: weight, bias: bias)
    try validate(epsilon: epsilon)
    try validate(shape: y.shape, is: x.shape, argument: "y")
    var statistics = try RowStatistics(zerosOf: [scores.heads, offsets.count])
    let run = try backend.kernelRun()
    if scores.byHead.count == 0 { return statistics }
    if let run {
        y.makeUniqueForOverwriting()
        let output = try EdgeScores(y, offsets: offsets).byHead
        try CSRNormKernels.forward(
            scores.byHead, segments: offsets, weight: weight?.contiguous(), bias: bias?.contiguous(), epsilon: epsilon,
            output: output, statistics: statistics, run: run)
        y.take(try scores.restored(output))
    } else {
        let result = NormReference.forwardOverEdges(
            scores.byHead.widenedArray, heads: scores.heads, segments: offsets, weight: weight?.array,
            bias: bias?.array, epsilon: epsilon)
        y.take(try scores.restored(result.y))
        statistics.assign(result)
    }
    return statistics
}

/// The pullback of ``neighbourhoodLayerNormWithStatistics(_:offsets:weight:bias:epsilon:backend:)``: over each node's
/// edges that of ``layerNormBackward(_:x:weight:statistics:backend:)``; the gradients of a head's weight and bias are sums
/// over all edges. An edge that is alone at its node has gradient 0.
///
/// - Throws: `NormalizationError` for shapes or offsets that do not fit, or a backend that is not here.
public func neighbourhoodLayerNormBackward<Element: KernelElement>(
    _ outputGradient: Tensor<Element>, x: Tensor<Element>, offsets: SegmentOffsets, weight: Tensor<Float>? = nil,
    statistics: RowStatistics, backend: Backend = .automatic
) throws(NormalizationError) -> SegmentNormGradients<Element> {
    let scores = try EdgeScores(x, offsets: offsets)
    var gradients = SegmentNormGradients<Element>(
        input: try scores.uninitialized(), weight: try Tensor(repeating: 0, shape: [scores.heads]),
        bias: try Tensor(repeating: 0, shape: [scores.heads]))
    try neighbourhoodLayerNormBackward(
        outputGradient, x: x, offsets: offsets, weight: weight, statistics: statistics, into: &gradients,
        backend: backend)
    return gradients
}

/// As ``neighbourhoodLayerNormBackward(_:x:offsets:weight:statistics:backend:)``, into existing gradients, that of the input
/// of any layout. Several heads cost a copy unless the edges of a head lie side by side in it.
///
/// - Parameter accumulating: Whether to add to the gradients of weight and bias (that of the input is always overwritten).
/// - Throws: `NormalizationError`, before `gradients` is touched.
public func neighbourhoodLayerNormBackward<Element: KernelElement>(
    _ outputGradient: Tensor<Element>, x: Tensor<Element>, offsets: SegmentOffsets, weight: Tensor<Float>? = nil,
    statistics: RowStatistics, into gradients: inout SegmentNormGradients<Element>, accumulating: Bool = false,
    backend: Backend = .automatic
) throws(NormalizationError) {
    let scores = try EdgeScores(x, offsets: offsets)
    try validate(shape: outputGradient.shape, is: x.shape, argument: "outputGradient")
    try scores.check(weight: weight, bias: nil)
    try validate(count: statistics.mean.count, is: scores.heads * offsets.count, argument: "statistics")
    try validate(shape: gradients.input.shape, is: x.shape, argument: "gradients")
    try validate(parameter: gradients.weight, columns: scores.heads, argument: "gradients")
    let dy = try EdgeScores(outputGradient, offsets: offsets)
    let run = try backend.kernelRun()
    if scores.byHead.count > 0, let run {
        gradients.input.makeUniqueForOverwriting()
        gradients.weight.makeUnique()
        gradients.bias.makeUnique()
        let input = try EdgeScores(gradients.input, offsets: offsets).byHead
        let workspace = Tensor<Float>(uninitializedLike: [
            CSRNormKernels.workspaceCount(heads: scores.heads, nodes: offsets.count)
        ])
        try CSRNormKernels.backward(
            dy.byHead, x: scores.byHead, segments: offsets, weight: weight?.contiguous(), statistics: statistics,
            inputGradient: input, weightGradient: gradients.weight, biasGradient: gradients.bias,
            accumulating: accumulating, workspace: workspace, run: run)
        gradients.input.take(try scores.restored(input))
    } else {
        let result = NormReference.backwardOverEdges(
            dy.byHead.widenedArray, x: scores.byHead.widenedArray, heads: scores.heads, segments: offsets,
            weight: weight?.array, mean: statistics.mean.array, meanLow: statistics.meanLow.array,
            rstd: statistics.reciprocalDeviation.array)
        gradients.input.take(try scores.restored(result.dx))
        gradients.weight.put(result.dweight, accumulating: accumulating)
        gradients.bias.put(result.dbias, accumulating: accumulating)
    }
}

extension SegmentNormGradients {
    /// Zero gradients for scores of edges, [edges] or [edges, heads], to be filled or accumulated into.
    ///
    /// - Throws: `NormalizationError` for a shape of another rank, or offsets that do not cover the edges.
    public init(shape: Shape, offsets: SegmentOffsets) throws(NormalizationError) {
        let heads = try validatedHeads(of: shape, offsets: offsets, argument: "shape")
        self.init(
            input: try Tensor(repeating: .zero, shape: shape), weight: try Tensor(repeating: 0, shape: [heads]),
            bias: try Tensor(repeating: 0, shape: [heads]))
    }
}

/// Scores of edges as the kernels take them: [heads, edges], contiguous.
private struct EdgeScores<Element: KernelElement> {
    let byHead: Tensor<Element>
    let heads: Int
    let hasHeads: Bool

    init(_ x: Tensor<Element>, offsets: SegmentOffsets) throws(NormalizationError) {
        heads = try validatedHeads(of: x.shape, offsets: offsets, argument: "x")
        hasHeads = x.shape.rank == 2
        byHead = hasHeads ? try x.transposed(0, 1).contiguous() : try x.reshaped(to: [1, x.shape[0]])
    }

    func check(weight: Tensor<Float>?, bias: Tensor<Float>?) throws(NormalizationError) {
        try validate(parameter: weight, columns: heads, argument: "weight")
        try validate(parameter: bias, columns: heads, argument: "bias")
    }

    /// An output of the scores' shape whose memory is [heads, edges].
    func uninitialized() throws(NormalizationError) -> Tensor<Element> {
        try restored(Tensor(uninitializedLike: byHead.shape))
    }

    func restored(_ byHead: [Float]) throws(NormalizationError) -> Tensor<Element> {
        try restored(Tensor(rounding: Tensor(byHead, shape: self.byHead.shape)))
    }

    /// [heads, edges] in the shape of the scores.
    func restored(_ byHead: Tensor<Element>) throws(NormalizationError) -> Tensor<Element> {
        hasHeads ? try byHead.transposed(0, 1) : try byHead.reshaped(to: [byHead.shape[1]])
    }
}

/// The number of heads in scores of edges: [edges] or [edges, heads], which `offsets` cover.
func validatedHeads(of shape: Shape, offsets: SegmentOffsets, argument: String) throws(NormalizationError) -> Int {
    guard shape.rank == 1 || shape.rank == 2 else {
        throw NormalizationError(
            .invalidShape, argument: argument, expected: "[edges] or [edges, heads]", given: "shape \(shape)")
    }
    guard offsets.total == shape[0] else {
        throw NormalizationError(
            .invalidOffsets, argument: "offsets", expected: "\(shape[0]) edges", given: "\(offsets.total)")
    }
    return shape.rank == 2 ? shape[1] : 1
}
