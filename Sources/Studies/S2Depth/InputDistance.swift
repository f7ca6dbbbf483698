// InputDistance: how deep nets forget which of two inputs they were given.

internal import Foundation
internal import Normalization
internal import NormalizationDiagnostics
internal import Plots

/// δ = 1 - cosine of two inputs that were orthogonal, behind l blocks: by the recursion of infinite width, by its
/// closed forms for large l, and in nets.
struct InputDistance {
    static let recursionDepth = 100_000
    static let networks: [(network: MeanFieldPrediction.Network, name: String)] = [
        (.normOfPreActivations, "LN only"), (.residual(.postNorm), "post-norm"), (.residual(.preNorm), "pre-norm"),
    ]

    private let gain: Double
    private let laws: DepthLaws
    /// δ after 0, 1, ... blocks.
    private let recursions: [MeanFieldPrediction.Network: [Double]]

    init(laws: DepthLaws) throws {
        self.laws = laws
        gain = laws.gain
        var recursions: [MeanFieldPrediction.Network: [Double]] = [:]
        for (network, _) in Self.networks {
            let theory = try MeanFieldPrediction(branchGain: laws.gain, network: network)
            recursions[network] = theory.pairDistances(depth: Self.recursionDepth)
        }
        self.recursions = recursions
    }

    /// What the recursion comes to for large l.
    private func closedForm(_ network: MeanFieldPrediction.Network, _ l: Double) -> Double {
        let single = 4.5 * Double.pi * Double.pi / (l * l)
        switch network {
        case .residual(.preNorm):
            let logarithm = 1 + 2.0.squareRoot() / (3 * Double.pi) * log(1 + gain * l)
            return 1 / (logarithm * logarithm)
        case .residual: return single * pow((1 + gain) / gain, 2)
        default: return single
        }
    }

    private func delta(_ network: MeanFieldPrediction.Network, _ l: Int) -> Double { recursions[network]?[l] ?? .nan }

    private func ratio(_ network: MeanFieldPrediction.Network, to law: MeanFieldPrediction.Network, _ l: Int) -> Double
    {
        delta(network, l) / closedForm(law, Double(l))
    }

    func checks() -> [Check] {
        let deep = Self.recursionDepth
        let (single, post, pre) = (
            MeanFieldPrediction.Network.normOfPreActivations, MeanFieldPrediction.Network.residual(.postNorm),
            MeanFieldPrediction.Network.residual(.preNorm)
        )
        let depth = laws.depth
        func measured(_ network: MeanFieldPrediction.Network) -> Double { laws.curves(network).pairDistances()[depth] }
        return [
            Check(
                .law,
                "LayerNorm alone forgets its input: two orthogonal inputs are at δ = (9π²/2) / l² after l = 100 000 "
                    + "blocks, up to 1 %.", .relative(1, 0.01), observed: ratio(single, to: single, deep),
                mutant: ("with a residual path (post-norm)", ratio(post, to: single, deep))),
            Check(
                .law, "Post-norm forgets it (1 + 1/κ)² = 9 times as slowly, with the same power of l: up to 1 %.",
                .relative(1, 0.01), observed: ratio(post, to: post, deep),
                mutant: ("without the residual path", ratio(single, to: post, deep))),
            Check(
                .law,
                "Pre-norm forgets it only logarithmically, δ = (1 + √2/(3π) ln(1 + κ l))^-2, up to 2 % at l = 10 000.",
                .relative(1, 0.02), observed: ratio(pre, to: pre, 10_000),
                mutant: ("without the residual path", ratio(single, to: pre, 10_000))),
            Check(
                .law,
                "In nets of 256 features and \(depth) blocks too, pre-norm keeps inputs at least 3 times as far "
                    + "apart as post-norm.", .atLeast(3), observed: measured(pre) / measured(post),
                mutant: ("post-norm without its residual path", measured(single) / measured(post))),
            Check(
                .law, "And post-norm at least 1.5 times as far as LayerNorm alone.", .atLeast(1.5),
                observed: measured(post) / measured(single),
                mutant: (
                    "branches 8 times as strong, beside which the residual path hardly counts",
                    laws.drownedPost.pairDistances()[depth] / measured(single)
                )),
        ]
    }

    func table() -> Table {
        let depths = [laws.depth, 100, 1000, 10_000, Self.recursionDepth]
        var rows: [[String]] = []
        for (network, name) in Self.networks {
            let measured = TableCell.significant(laws.curves(network).pairDistances()[laws.depth])
            let beyond = [String](repeating: "-", count: depths.count - 1)
            rows.append([name + ", recursion"] + depths.map { TableCell.significant(delta(network, $0)) })
            rows.append(
                [name + ", closed form"] + depths.map { TableCell.significant(closedForm(network, Double($0))) })
            rows.append([name + ", nets", measured] + beyond)
        }
        return Table(
            "Distance 1 - cosine of two inputs that were orthogonal", columns: ["network"] + depths.map { "l = \($0)" },
            rows: rows)
    }

    func panel() -> Panel {
        let layers = (0...50).map { Int(pow(10, Double($0) / 10).rounded()) }.filter { $0 <= Self.recursionDepth }
        var series: [Series] = []
        for (network, name) in Self.networks {
            let distances = laws.curves(network).pairDistances()
            series.append(Series(name, distances.enumerated().dropFirst().map { (Double($0), $1) }, .points))
            series.append(Series("recursion, " + name, layers.map { (Double($0), delta(network, $0)) }, .theory))
        }
        return Panel(
            "What is left of the difference of two inputs",
            .curves(x: Axis("block", log: true), y: Axis("1 - cosine", log: true), series: series))
    }
}
