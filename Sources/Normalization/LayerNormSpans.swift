internal import KernelBridge
internal import ReferenceKernels
public import Tensors

// LayerNorm on memory that the caller owns: spans and arrays of dense rows. No copy, no allocation.

/// As ``layerNorm(_:weight:bias:epsilon:backend:)``, on dense rows of `columns` elements.
///
/// - Throws: `NormalizationError`, before `y` is touched.
public func layerNorm(
    _ x: Span<Float>, columns: Int, weight: Span<Float>? = nil, bias: Span<Float>? = nil, epsilon: Float = 1e-5,
    into y: inout MutableSpan<Float>, backend: Backend = .automatic
) throws(NormalizationError) {
    _ = try validatedRows(count: x.count, columns: columns, argument: "x")
    try validate(count: weight?.count, is: columns, argument: "weight")
    try validate(count: bias?.count, is: columns, argument: "bias")
    try validate(count: y.count, is: x.count, argument: "y")
    try validate(epsilon: epsilon)
    if let run = try backend.kernelRun() {
        try NormKernels.forward(
            .layerNorm, x, columns: columns, weight: weight, bias: bias, weightOffset: 0, epsilon: epsilon, into: &y, run: run)
    } else {
        let result = NormReference.forward(
            .layerNorm, [Float](copying: x), columns: columns, weight: [Float](copying: weight), bias: [Float](copying: bias),
            epsilon: epsilon)
        for index in result.y.indices { y[index] = result.y[index] }
    }
}

/// As ``layerNorm(_:weight:bias:epsilon:backend:)``, on arrays of dense rows of `columns` elements.
///
/// - Throws: `NormalizationError`, before `y` is touched.
public func layerNorm(
    _ x: [Float], columns: Int, weight: [Float]? = nil, bias: [Float]? = nil, epsilon: Float = 1e-5,
    into y: inout [Float], backend: Backend = .automatic
) throws(NormalizationError) {
    var output = y.mutableSpan
    try layerNorm(
        x.span, columns: columns, weight: weight?.span, bias: bias?.span, epsilon: epsilon, into: &output,
        backend: backend)
}

extension Array where Element == Float {
    init(copying span: Span<Float>) {
        self = span.indices.map { span[$0] }
    }

    init?(copying span: Span<Float>?) {
        guard let span else { return nil }
        self.init(copying: span)
    }
}
