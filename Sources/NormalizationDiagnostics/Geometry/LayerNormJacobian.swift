public import Normalization

/// The Jacobian of LayerNorm at one vector: what the norm lets through, and in which directions.
///
/// With s = sqrt(variance + epsilon) and xhat = (x - mean) / s,
/// ```
/// J = diag(weight) (I - 1 1ᵀ / d - xhat xhatᵀ / d) / s
/// ```
/// A direction along 1 is lost, one along x - mean almost (``Spectrum/alongInput``); all others pass with gain 1 / s. A
/// row with a small s therefore has large gradients:
/// ```swift
/// let jacobian = try LayerNormJacobian(at: row, epsilon: 1e-5)
/// print(jacobian.spectrum.across)          // the gain of gradients through this row
/// let change = try jacobian.product(with: direction)
/// ```
///
/// Precision: ``matrix`` and ``spectrum`` in double precision for the given floats; ``product(with:)`` runs the float32
/// kernel of `layerNormTangent`. Source: Xu, Sun, Zhang, Zhao, Lin, "Understanding and Improving Layer Normalization",
/// 2019.
public struct LayerNormJacobian: Sendable {
    /// The eigenvalues of the Jacobian without its weight, which is a symmetric matrix.
    public struct Spectrum: Hashable, Sendable {
        /// The number of features, d.
        public let width: Int
        /// Along 1: always 0.
        public let alongConstant: Double
        /// Along x - mean: epsilon / s³. 0 for one feature, where there is no such direction.
        public let alongInput: Double
        /// Across both, `width` - 2 times: 1 / s.
        public let across: Double

        /// All eigenvalues, in ascending order.
        public var eigenvalues: [Double] {
            if width == 1 { return [alongConstant] }
            return [alongConstant, alongInput] + Array(repeating: across, count: width - 2)
        }
        /// The largest gain of any direction.
        public var operatorNorm: Double { eigenvalues.last ?? 0 }
        /// sqrt((d - 2) + (epsilon / s²)²) / s for at least two features.
        public var frobeniusNorm: Double { eigenvalues.reduce(0) { $0 + $1 * $1 }.squareRoot() }
        /// How many directions are not lost. At epsilon = 0 it is `width` - 2.
        public var rank: Int { eigenvalues.count { $0 > 0 } }
    }

    public let spectrum: Spectrum
    /// (x - mean) / s.
    public let normalized: [Double]

    private let x: Tensor<Float>
    private let weight: Tensor<Float>?
    private let statistics: RowStatistics
    private let backend: Backend

    /// - Parameters:
    ///   - x: One vector of at least one feature.
    ///   - weight: One factor a feature, or nil for ones.
    ///   - epsilon: Added to the (biased) variance.
    /// - Throws: `NormalizationError` for other shapes, an epsilon that is negative, infinite or NaN, a vector that is
    ///   not finite, one without spread at epsilon = 0 (where LayerNorm has no Jacobian), or a backend that is not
    ///   here.
    public init(
        at x: Tensor<Float>, weight: Tensor<Float>? = nil, epsilon: Float = 1e-5, backend: Backend = .automatic
    ) throws(NormalizationError) {
        guard x.shape.rank == 1 else {
            throw NormalizationError(.invalidShape, argument: "x", expected: "one axis", given: "shape \(x.shape)")
        }
        statistics = try layerNormWithStatistics(x, weight: weight, epsilon: epsilon, backend: backend).statistics
        let elements = x.array.map { Double($0) }
        let width = Double(elements.count)
        let mean = elements.reduce(0, +) / width
        let variance = elements.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / width
        let deviation = (variance + Double(epsilon)).squareRoot()
        guard deviation.isFinite, deviation > 0 else {
            throw NormalizationError(
                .invalidParameter, argument: "x", expected: "a finite vector with spread, or a positive epsilon",
                given: "variance \(variance), epsilon \(epsilon)")
        }
        normalized = elements.map { ($0 - mean) / deviation }
        spectrum = Spectrum(
            width: elements.count, alongConstant: 0,
            alongInput: elements.count == 1 ? 0 : Double(epsilon) / (deviation * deviation * deviation),
            across: 1 / deviation)
        self.x = x
        self.weight = weight
        self.backend = backend
    }

    /// The derivative of output i by input j, as `matrix[i][j]`.
    public var matrix: [[Double]] {
        let width = Double(normalized.count)
        let factors = weight?.array.map { Double($0) } ?? Array(repeating: 1, count: normalized.count)
        return normalized.indices.map { i in
            normalized.indices.map { j in
                let identity: Double = i == j ? 1 : 0
                return factors[i] * (identity - (1 + normalized[i] * normalized[j]) / width) * spectrum.across
            }
        }
    }

    /// J v: how the output changes when the input moves along `direction`.
    ///
    /// - Throws: `NormalizationError` for another shape than that of the vector.
    public func product(with direction: Tensor<Float>) throws(NormalizationError) -> Tensor<Float> {
        try layerNormTangent(direction, x: x, weight: weight, statistics: statistics, backend: backend)
    }
}
