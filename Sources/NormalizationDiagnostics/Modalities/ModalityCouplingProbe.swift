public import Normalization

/// How one LayerNorm over the features of several modalities ties them together, measured on your own activations.
///
/// ```
/// energies[m]       = the mean of xhat² over the features of m:  (variance_m + (mean_m - mean)²) / variance,
///                     averaged over rows; 1 for each modality where all are alike
/// couplings[a][b]   = the root over rows of the mean of |d xhat_a / d x_b|²  (Frobenius), for a != b per row
///                     [d_a d_b + 2 sum(xhat_a) sum(xhat_b) + |xhat_a|² |xhat_b|²] / (d s)²,   s = sqrt(variance +
/// epsilon)
/// ```
///
/// ```swift
/// let probe = ModalityCouplingProbe(segments: try SegmentOffsets(widths: [512, 256]))
/// let coupling = try probe(activations)           // [..., 768], before the norm
/// coupling.energies                               // [0.02, 2.96]: text is drowned
/// coupling.couplings[0][1]                        // how much the output of text moves with audio
/// ```
///
/// A norm for each segment (``SegmentedLayerNorm``) has energies of 1 and couplings of 0 between modalities.
/// All arithmetic is in double precision. Source: the derivative of Ba, Kiros, Hinton, "Layer Normalization", 2016.
public struct ModalityCouplingProbe: Sendable {
    public let segments: SegmentOffsets
    public let epsilon: Float

    public init(segments: SegmentOffsets, epsilon: Float = 1e-5) {
        self.segments = segments
        self.epsilon = epsilon
    }

    /// - Parameter x: What the norm is applied to, [..., segments.total].
    /// - Throws: `NormalizationError` for a tensor without rows or of another width, or a segment without columns.
    public func callAsFunction<Element: KernelElement>(
        _ x: Tensor<Element>
    ) throws(NormalizationError) -> ModalityCoupling {
        try Requirement.rows(x.shape, cutBy: segments, argument: "x")
        return measured(x.widened().array.map { Double($0) })
    }

    /// Rows of `segments.total` numbers, one after the other.
    package func measured(_ x: [Double]) -> ModalityCoupling {
        let (d, modalities) = (segments.total, segments.count)
        let widths = segments.widths.map { Double($0) }
        var energies = [Double](repeating: 0, count: modalities)
        var squares = [[Double]](repeating: energies, count: modalities)
        for first in stride(from: 0, to: x.count, by: d) {
            let row = x[first..<first + d]
            let mean = row.reduce(0, +) / Double(d)
            let s = (row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(d) + Double(epsilon)).squareRoot()
            let normalized = row.map { ($0 - mean) / s }
            let parts = (0..<modalities).map { normalized[segments.range($0)] }
            let sums = parts.map { $0.reduce(0, +) }
            let norms = parts.map { $0.reduce(0) { $0 + $1 * $1 } }
            for a in 0..<modalities {
                energies[a] += norms[a] / widths[a]
                for b in 0..<modalities {
                    let shared = widths[a] * widths[b] + 2 * sums[a] * sums[b] + norms[a] * norms[b]
                    // Within a modality the identity comes before what the statistics take away.
                    let own = a == b ? widths[a] - 2 * (widths[a] + norms[a]) / Double(d) : 0
                    squares[a][b] += (own + shared / Double(d * d)) / (s * s)
                }
            }
        }
        let rows = Double(x.count / d)
        return ModalityCoupling(
            energies: energies.map { $0 / rows },
            couplings: squares.map { $0.map { Swift.max($0 / rows, 0).squareRoot() } },
            widths: segments.widths)
    }
}

/// What ``ModalityCouplingProbe`` found.
public struct ModalityCoupling: Hashable, Sendable {
    /// For each modality the energy of a feature after the norm.
    public let energies: [Double]
    /// `couplings[a][b]`: the Frobenius norm of the derivative of a's output by b's input.
    public let couplings: [[Double]]
    let widths: [Int]

    /// For each modality its part of the row's energy; they add up to 1.
    public var energyShares: [Double] {
        let totals = zip(energies, widths).map { $0 * Double($1) }
        let sum = totals.reduce(0, +)
        return totals.map { $0 / sum }
    }
}
