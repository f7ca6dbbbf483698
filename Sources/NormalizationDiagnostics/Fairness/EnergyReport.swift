public import Normalization

/// The energy of each modality: the mean square of its features, and how evenly it is spread.
///
/// ```
/// energies[m] = the mean over rows and over the features of m of y²
/// disparity   = max(energies) / min(energies)
/// jainIndex   = (sum energies)² / (M sum energies²)     1: all alike, 1/M: one has everything
/// ```
///
/// ```swift
/// let report = try EnergyReport(of: norm(x), segments: segments, gradient: gradients.input)
/// report.disparity          // 97: text learns about a hundredth as fast
/// report.gradientShares     // [0.01, 0.99]
/// ```
///
/// Energy is a matter of conditioning, not of outcomes: a converged readout without penalty undoes any weight. Show an
/// ``OutcomeGap`` beside it. Source of the index: Jain, Chiu, Hawe, "A quantitative measure of fairness", 1984.
public struct EnergyReport: Hashable, Sendable {
    public let energies: [Double]
    /// For each modality its part of the sum of squares of the gradient; nil if no gradient was given.
    public let gradientShares: [Double]?
    public let widths: [Int]

    /// - Parameters:
    ///   - y: The output of a norm with its weight and bias, [..., segments.total].
    ///   - gradient: Of a loss, for anything that has a column for each feature: the norm's input or output, or the
    /// weights of a
    ///     readout.
    /// - Throws: `NormalizationError` for a tensor without rows or of another width, or a segment without columns.
    public init<Element: KernelElement>(
        of y: Tensor<Element>, segments: SegmentOffsets, gradient: Tensor<Element>? = nil
    ) throws(NormalizationError) {
        try Requirement.rows(y.shape, cutBy: segments, argument: "y")
        if let gradient { try Requirement.rows(gradient.shape, cutBy: segments, argument: "gradient") }
        widths = segments.widths
        let rows = Double(y.count / segments.total)
        energies = zip(Self.squares(y.widened(), segments), segments.widths).map { $0 / (rows * Double($1)) }
        gradientShares = gradient.map { gradient in
            let squares = Self.squares(gradient.widened(), segments)
            let sum = squares.reduce(0, +)
            return squares.map { $0 / sum }
        }
    }

    /// The expected report, from what is known of each feature before weight and bias:
    /// `E_i = weight_i² e_i + 2 weight_i bias_i m_i + bias_i²` with the mean square e_i and the mean m_i.
    ///
    /// The middle term is missing from the usual story; it vanishes only where the mean does.
    /// - Throws: `NormalizationError` if an array has not an element for each column, or a segment no columns.
    public init(
        weight: [Double], bias: [Double], meanSquares: [Double], means: [Double], segments: SegmentOffsets
    ) throws(NormalizationError) {
        for (name, array) in [("weight", weight), ("bias", bias), ("meanSquares", meanSquares), ("means", means)] {
            try Requirement.count(array.count, is: segments.total, argument: name)
        }
        try Requirement.rows([1, segments.total], cutBy: segments, argument: "segments")
        let features = weight.indices.map { i in
            weight[i] * weight[i] * meanSquares[i] + 2 * weight[i] * bias[i] * means[i] + bias[i] * bias[i]
        }
        energies = (0..<segments.count).map { segment in
            let part = features[segments.range(segment)]
            return part.reduce(0, +) / Double(part.count)
        }
        gradientShares = nil
        widths = segments.widths
    }

    /// The sum of the energies of a modality's features.
    public var totals: [Double] { zip(energies, widths).map { $0 * Double($1) } }

    public var disparity: Double { (energies.max() ?? 1) / (energies.min() ?? 1) }

    public var jainIndex: Double {
        let sum = energies.reduce(0, +)
        return sum * sum / (Double(energies.count) * energies.reduce(0) { $0 + $1 * $1 })
    }

    private static func squares(_ y: Tensor<Float>, _ segments: SegmentOffsets) -> [Double] {
        let columns = columnSums(y) { $0 * $0 }
        return (0..<segments.count).map { columns[segments.range($0)].reduce(0, +) }
    }
}

/// For each column of the last axis the sum over rows of a function of the elements.
func columnSums(_ y: Tensor<Float>, of value: (Double) -> Double) -> [Double] {
    let columns = y.shape[y.shape.rank - 1]
    var sums = [Double](repeating: 0, count: columns)
    y.withSpan { y in
        for first in stride(from: 0, to: y.count, by: columns) {
            for column in 0..<columns { sums[column] += value(Double(y[first + column])) }
        }
    }
    return sums
}
