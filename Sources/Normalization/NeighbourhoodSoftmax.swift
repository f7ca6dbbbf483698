internal import KernelBridge
internal import ReferenceKernels
public import Tensors

/// Softmax over the neighbourhoods of a graph: the scores of each node's edges become probabilities among themselves.
///
/// ```
/// y[e, h] = exp(x[e, h]) / sum(exp(x[f, h]))     e and f edges of the same node
/// ```
/// A node without edges gives nothing; an edge that is alone at its node, or the only one above -∞, exactly 1.
///
/// - Parameters:
///   - x: Scores [edges] or [edges, heads], the edges sorted by node. A view that is not contiguous costs one copy.
///   - offsets: Where each node's edges begin: the row offsets of the CSR format.
/// - Returns: A tensor of the shape of `x`.
/// - Throws: `NormalizationError` for shapes or offsets that do not fit, or a backend that is not here.
///
/// The order of a node's edges does not matter: permuted scores give permuted probabilities, bit for bit. Precision and
/// special rows: for each neighbourhood those of ``softmax(_:backend:)``; each probability is within 4 · 2⁻²³ of
/// itself. Source: Veličković et al., "Graph Attention Networks", 2018.
public func neighbourhoodSoftmax<Element: KernelElement>(
    _ x: Tensor<Element>, offsets: SegmentOffsets, backend: Backend = .automatic
) throws(NormalizationError) -> Tensor<Element> {
    var y = Tensor<Element>(uninitializedLike: x.shape)
    try neighbourhoodSoftmax(x, offsets: offsets, into: &y, backend: backend)
    return y
}

/// As ``neighbourhoodSoftmax(_:offsets:backend:)``, into an existing tensor of the shape of `x`.
///
/// - Throws: `NormalizationError`, before `y` is touched; also if `y` is not contiguous.
public func neighbourhoodSoftmax<Element: KernelElement>(
    _ x: Tensor<Element>, offsets: SegmentOffsets, into y: inout Tensor<Element>, backend: Backend = .automatic
) throws(NormalizationError) {
    let heads = try validatedHeads(of: x.shape, offsets: offsets, argument: "x")
    try validate(output: y, like: x, argument: "y")
    let run = try backend.kernelRun()
    if x.count == 0 { return }
    if let run {
        y.makeUniqueForOverwriting()
        try CSRSoftmaxKernels.forward(x.contiguous(), segments: offsets, heads: heads, output: y, run: run)
    } else {
        y.assign(rounding: SoftmaxReference.forwardOverEdges(x.widenedArray, heads: heads, segments: offsets))
    }
}

/// The pullback of ``neighbourhoodSoftmax(_:offsets:backend:)``, from its output y: over each node's edges
///
/// ```
/// y * (outputGradient - sum(y * outputGradient))
/// ```
///
/// - Parameters:
///   - outputGradient: The shape of `output`. A view that is not contiguous costs one copy, `output` likewise.
///   - output: What the forward pass returned, probabilities from 0 to 1.
/// - Throws: `NormalizationError` for shapes or offsets that do not fit, or a backend that is not here.
///
/// An edge that is alone at its node has gradient 0. An edge whose probability is 0 has gradient 0 and adds nothing,
/// whatever its outputGradient is. A common offset of outputGradient over a node costs nothing, and the order of its
/// edges does not matter.
public func neighbourhoodSoftmaxBackward<Element: KernelElement>(
    _ outputGradient: Tensor<Element>, output: Tensor<Element>, offsets: SegmentOffsets, backend: Backend = .automatic
) throws(NormalizationError) -> Tensor<Element> {
    var dx = Tensor<Element>(uninitializedLike: output.shape)
    try neighbourhoodSoftmaxBackward(outputGradient, output: output, offsets: offsets, into: &dx, backend: backend)
    return dx
}

/// As ``neighbourhoodSoftmaxBackward(_:output:offsets:backend:)``, into an existing tensor of the shape of `output`.
///
/// - Throws: `NormalizationError`, before `inputGradient` is touched; also if it is not contiguous.
public func neighbourhoodSoftmaxBackward<Element: KernelElement>(
    _ outputGradient: Tensor<Element>, output: Tensor<Element>, offsets: SegmentOffsets,
    into inputGradient: inout Tensor<Element>, backend: Backend = .automatic
) throws(NormalizationError) {
    let heads = try validatedHeads(of: output.shape, offsets: offsets, argument: "output")
    try validate(shape: outputGradient.shape, is: output.shape, argument: "outputGradient")
    try validate(output: inputGradient, like: output, argument: "inputGradient")
    let run = try backend.kernelRun()
    if output.count == 0 { return }
    if let run {
        inputGradient.makeUniqueForOverwriting()
        try CSRSoftmaxKernels.backward(
            outputGradient.contiguous(), output: output.contiguous(), segments: offsets, heads: heads,
            inputGradient: inputGradient, run: run)
    } else {
        inputGradient.assign(
            rounding: SoftmaxReference.backwardOverEdges(
                outputGradient.widenedArray, y: output.widenedArray, heads: heads, segments: offsets))
    }
}
