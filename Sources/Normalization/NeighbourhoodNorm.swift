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
    try scores.check(weight: weight, bias: bias)
    try validate(epsilon: epsilon)
    var output = Tensor<Element>(uninitializedLike: scores.byHead.shape)
    var statistics = try RowStatistics(zerosOf: [scores.heads, offsets.count])
    let run = try backend.kernelRun()
    if scores.byHead.count == 0 { return (try scores.restored(output), statistics) }
    if let run {
        try CSRNormKernels.forward(
            scores.byHead, segments: offsets, weight: weight?.contiguous(), bias: bias?.contiguous(), epsilon: epsilon,
            output: output, statistics: statistics, run: run)
    } else {
        let result = NormReference.forwardOverEdges(
            scores.byHead.widenedArray, heads: scores.heads, segments: offsets, weight: weight?.array,
            bias: bias?.array,
            epsilon: epsilon)
        output.assign(rounding: result.y)
        statistics.assign(result)
    }
    return (try scores.restored(output), statistics)
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
    try validate(shape: outputGradient.shape, is: x.shape, argument: "outputGradient")
    try scores.check(weight: weight, bias: nil)
    try validate(count: statistics.mean.count, is: scores.heads * offsets.count, argument: "statistics")
    let dy = try EdgeScores(outputGradient, offsets: offsets)
    var gradients = SegmentNormGradients<Element>(
        input: Tensor(uninitializedLike: scores.byHead.shape), weight: try Tensor(repeating: 0, shape: [scores.heads]),
        bias: try Tensor(repeating: 0, shape: [scores.heads]))
    let run = try backend.kernelRun()
    if scores.byHead.count > 0, let run {
        let workspace = Tensor<Float>(uninitializedLike: [
            CSRNormKernels.workspaceCount(heads: scores.heads, nodes: offsets.count)
        ])
        try CSRNormKernels.backward(
            dy.byHead, x: scores.byHead, segments: offsets, weight: weight?.contiguous(), statistics: statistics,
            inputGradient: gradients.input, weightGradient: gradients.weight, biasGradient: gradients.bias,
            workspace: workspace, run: run)
    } else if scores.byHead.count > 0 {
        let result = NormReference.backwardOverEdges(
            dy.byHead.widenedArray, x: scores.byHead.widenedArray, heads: scores.heads, segments: offsets,
            weight: weight?.array, mean: statistics.mean.array, meanLow: statistics.meanLow.array,
            rstd: statistics.reciprocalDeviation.array)
        gradients = SegmentNormGradients(
            input: Tensor(rounding: try Tensor(result.dx, shape: scores.byHead.shape)), weight: Tensor(result.dweight),
            bias: Tensor(result.dbias))
    }
    return SegmentNormGradients(
        input: try scores.restored(gradients.input), weight: gradients.weight, bias: gradients.bias)
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
