public import Normalization

/// Which changes of its weights and its data a linear layer with a norm does not notice.
///
/// The layer is any function of a weight matrix [outputs, inputs] and data [samples, inputs]: the product, the norm,
/// what you like. It is called once as it is, and once for every ``Transformation``.
/// ```swift
/// let report = try InvarianceReport(weights: weights, data: batch) { weights, data in
///     try layerNorm(matmul(data, weights.transposed(0, 1)), epsilon: 0)
/// }
/// for entry in report.entries { print(entry.transformation, entry.isInvariant, entry.residual) }
/// ```
/// A norm's epsilon breaks invariances to scale by about epsilon / variance, which the residual shows.
/// Source: Ba, Kiros, Hinton, "Layer Normalization", 2016, section 5.1.
public struct InvarianceReport: Sendable {
    public enum Transformation: String, CaseIterable, Codable, Sendable {
        /// All weights times one positive number.
        case weightMatrixRescaling = "weight matrix re-scaled"
        /// One vector added to the weights of every output.
        case weightMatrixRecentring = "weight matrix re-centred"
        /// The weights of one output times a positive number.
        case weightVectorRescaling = "weight vector re-scaled"
        /// All data times one positive number.
        case dataRescaling = "data re-scaled"
        /// One vector added to every sample.
        case dataRecentring = "data re-centred"
        /// One sample times a positive number.
        case singleCaseRescaling = "single case re-scaled"
    }

    public struct Entry: Hashable, Codable, Sendable {
        public let transformation: Transformation
        /// The largest change of an output, relative to the root mean square of the outputs.
        public let residual: Double
        /// Whether the residual is at most the tolerance.
        public let isInvariant: Bool
    }

    /// One for each transformation, in their order.
    public let entries: [Entry]
    /// The largest residual that counts as rounding.
    public let tolerance: Double

    /// - Parameters:
    ///   - weights: [outputs, inputs], both at least 1.
    ///   - data: [samples, inputs], at least one sample.
    ///   - factor: What re-scalings multiply by: positive, finite and not 1.
    ///   - tolerance: The largest residual that counts as rounding; nil: 10,000 units of rounding, 1e-3 in float32
    ///     and 2e-12 in float64.
    ///   - layer: The layer. It must give the same number of outputs each time.
    /// - Throws: `NormalizationError` for shapes or numbers that do not fit, outputs that are all 0 or not finite, and
    ///   what `layer` throws.
    public init<Element: BinaryFloatingPoint & TensorElement>(
        weights: Tensor<Element>, data: Tensor<Element>, factor: Double = 3, tolerance: Double? = nil,
        layer: (_ weights: Tensor<Element>, _ data: Tensor<Element>) throws -> Tensor<Element>
    ) throws {
        guard weights.shape.rank == 2, weights.count > 0 else {
            throw NormalizationError(
                .invalidShape, argument: "weights", expected: "shape [outputs, inputs]", given: "\(weights.shape)")
        }
        guard data.shape.rank == 2, data.count > 0, data.shape[1] == weights.shape[1] else {
            throw NormalizationError(
                .shapeMismatch, argument: "data", expected: "shape [samples, \(weights.shape[1])]",
                given: "\(data.shape)")
        }
        guard factor > 0, factor.isFinite, factor != 1 else {
            throw NormalizationError(
                .invalidParameter, argument: "factor", expected: "a positive number that is not 1", given: "\(factor)")
        }
        let limit = tolerance ?? 10_000 * Double(Element.ulpOfOne)
        let original = try layer(weights, data).array.map { Double($0) }
        let scale = (original.reduce(0) { $0 + $1 * $1 } / Double(max(original.count, 1))).squareRoot()
        guard scale > 0, scale.isFinite else {
            throw NormalizationError(
                .invalidParameter, argument: "layer", expected: "finite outputs that are not all 0",
                given: "a root mean square of \(scale)")
        }
        self.tolerance = limit
        entries = try Transformation.allCases.map { transformation in
            let (changedWeights, changedData) = try transformation.applied(weights, data, factor: Element(factor))
            let changed = try layer(changedWeights, changedData).array
            guard changed.count == original.count else {
                throw NormalizationError(
                    .shapeMismatch, argument: "layer", expected: "\(original.count) outputs", given: "\(changed.count)")
            }
            let residual = zip(original, changed).reduce(0) { max($0, abs($1.0 - Double($1.1))) } / scale
            return Entry(transformation: transformation, residual: residual, isInvariant: residual <= limit)
        }
    }

    public subscript(transformation: Transformation) -> Entry {
        entries[Transformation.allCases.firstIndex(of: transformation)!]
    }
}

extension InvarianceReport.Transformation {
    fileprivate func applied<Element: BinaryFloatingPoint & TensorElement>(
        _ weights: Tensor<Element>, _ data: Tensor<Element>, factor: Element
    ) throws(NormalizationError) -> (weights: Tensor<Element>, data: Tensor<Element>) {
        func changed(_ tensor: Tensor<Element>, _ change: (_ element: Element, _ row: Int, _ column: Int) -> Element)
            throws(NormalizationError) -> Tensor<Element>
        {
            let columns = tensor.shape[1]
            let elements = tensor.array.enumerated().map { change($1, $0 / columns, $0 % columns) }
            return try Tensor(elements, shape: tensor.shape)
        }
        switch self {
        case .weightMatrixRescaling: return (try changed(weights) { element, _, _ in factor * element }, data)
        case .weightMatrixRecentring:
            let shift = Self.shift(for: weights)
            return (try changed(weights) { element, _, column in element + shift[column] }, data)
        case .weightVectorRescaling:
            return (try changed(weights) { element, row, _ in row == 0 ? factor * element : element }, data)
        case .dataRescaling: return (weights, try changed(data) { element, _, _ in factor * element })
        case .dataRecentring:
            let shift = Self.shift(for: data)
            return (weights, try changed(data) { element, _, column in element + shift[column] })
        case .singleCaseRescaling:
            return (weights, try changed(data) { element, row, _ in row == 0 ? factor * element : element })
        }
    }

    /// A vector as large as the rows of the matrix that looks like none of them: multiples of the golden ratio,
    /// modulo 1.
    private static func shift<Element: BinaryFloatingPoint & TensorElement>(for matrix: Tensor<Element>) -> [Element] {
        let largest = matrix.array.reduce(0) { max($0, abs($1)) }
        return (0..<matrix.shape[1]).map { column in
            let turn = Double(column + 1) * 0.618_033_988_749_894_9
            return largest * Element(2 * (turn - turn.rounded(.down)) - 1)
        }
    }
}
