// Overflow: where a residual stream without a norm leaves the range of float32.

internal import Foundation
internal import Normalization
internal import NormalizationDiagnostics
internal import TrainingKit

/// A residual-only net so deep that its stream overflows, and LayerNorm of the stream where only its squares do.
struct Overflow {
    static let width = 64
    static let depth = 480
    /// (1 + κ)^l is the largest float here; (1 + κ)^(l/2) is at twice that depth.
    static let squaresOverflow = Int((log(Double(Float.greatestFiniteMagnitude)) / log(1.5)).rounded())

    private let residual, post: GradientFlowProbe
    private let normalizedEnergy, naiveEnergy: Double

    init(backend: Backend) throws {
        let net = try MeanFieldNet(
            width: Self.width, hiddenWidth: Self.width, depth: Self.depth, seed: 0, backend: backend)
        let blocks = try net.blocks(.residual(nil))
        residual = try MeanFieldNet.probe(blocks, width: Self.width, samples: 2, seed: 0)
        post = try MeanFieldNet.probe(try net.blocks(.residual(.postNorm)), width: Self.width, samples: 2, seed: 0)
        var random = RandomStream(seed: 0, stream: 22)
        var stream = try random.normal([2, Self.width])
        for block in blocks.prefix(300) { stream = try block(stream).value }
        normalizedEnergy = try layerNorm(stream, epsilon: 0, backend: backend).energy
        naiveEnergy = Self.naiveLayerNorm(stream).energy
    }

    /// The formula as it stands, for a row, in float32.
    private static func naiveLayerNorm(_ x: Tensor<Float>) -> Tensor<Float> {
        let elements = x.array
        let rows = stride(from: 0, to: elements.count, by: width).map { Array(elements[$0..<$0 + width]) }
        return Tensor(
            rows.flatMap { row in
                let mean = row.reduce(0) { $0 + $1 / Float(width) }
                let variance = row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Float(width)
                return row.map { ($0 - mean) / variance.squareRoot() }
            })
    }

    func checks() -> [Check] {
        func finite(_ probe: GradientFlowProbe) -> Double {
            Double(probe.layers.lazy.prefix { $0.activationEnergy?.isFinite ?? false }.count)
        }
        return [
            Check(
                .law,
                "Without norms float32 overflows where 1.5^(l/2) is its largest number: after "
                    + "\(2 * Self.squaresOverflow) layers up to 8 %; the probe says where.",
                .relative(Double(2 * Self.squaresOverflow), 0.08), observed: finite(residual),
                mutant: ("post-norm, whose \(Self.depth + 1) layers are all finite", finite(post))),
            Check(
                .exact,
                "After 300 such blocks, where squares overflow since block \(Self.squaresOverflow), the package's "
                    + "LayerNorm still gives rows of energy 1 up to 1e-5.", .atMost(1e-5),
                observed: abs(normalizedEnergy - 1),
                mutant: ("the formula as it stands, in float32", abs(naiveEnergy - 1))),
        ]
    }
}
