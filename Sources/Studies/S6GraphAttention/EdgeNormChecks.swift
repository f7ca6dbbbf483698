// Norm of edges beside norm of scores: what each fixes, and what it leaves free.

internal import Normalization
internal import NormalizationDiagnostics
internal import ReferenceKernels
internal import TrainingKit
private import Foundation

struct EdgeNormChecks {
    private static let features = 32
    private static let neighbours = 16
    private static let nodes = 1500
    private let seed: UInt64
    private let backend: Backend
    private let graph: CSRGraph
    private let x: Tensor<Float>

    init(seed: UInt64, backend: Backend) throws {
        self.seed = seed
        self.backend = backend
        graph = try KarateClub.graph()
        var random = RandomStream(seed: seed, stream: 640)
        x = try random.normal([34, 8])
    }

    func run() throws -> (checks: [Check], tables: [Table]) {
        let aggregate = Aggregates(seed: seed)
        return (
            [length, bound, aggregate.energyCheck, aggregate.spreadCheck, try karate()] + (try layers()),
            [aggregate.table, try sharpness()]
        )
    }

    // MARK: - One message

    private static func normalized(_ message: [Double]) -> [Double] {
        PlainNorm<Double>.forward(
            .layerNorm, message, columns: message.count, weight: nil, bias: nil, epsilon: 0)
    }

    private static func squares(_ x: [Double]) -> Double { x.reduce(0) { $0 + $1 * $1 } }

    private var length: Check {
        var random = RandomStream(seed: seed, stream: 641)
        let messages = (0..<100).map { _ in
            let scale = exp(random.normal())
            return random.normals(Self.features).map { scale * $0 + 2 }
        }
        func error(_ transform: ([Double]) -> [Double]) -> Double {
            messages.map { abs(Self.squares(transform($0)) / Double(Self.features) - 1) }.max() ?? .nan
        }
        return Check(
            .exact, "Behind the norm of edges every message has ‖m‖² = d, whatever its scale was: within 1e-12 of d.",
            .atMost(1e-12), observed: error(Self.normalized), mutant: ("raw messages", error { $0 }))
    }

    /// The largest |a · m| as a share of its bound, over random messages and the worst one, a itself.
    private var bound: Check {
        var random = RandomStream(seed: seed, stream: 642)
        let a = random.normals(Self.features).map { $0 + 1 }
        let mean = a.reduce(0, +) / Double(a.count)
        let limit = (Self.squares(a.map { $0 - mean }) * Double(a.count)).squareRoot()
        let messages = [a] + (0..<200).map { _ in random.normals(Self.features).map { 10 * $0 } }
        func share(_ transform: ([Double]) -> [Double]) -> Double {
            messages.map { abs(zip(a, transform($0)).reduce(0) { $0 + $1.0 * $1.1 }) / limit }.max() ?? .nan
        }
        return Check(
            .exact,
            "A score that is linear in a normalized edge is bounded: |a · LN(m)| <= ‖a - mean(a)‖ √d, reached "
                + "by m = a: the largest quotient of 201 is 1 within 1e-12.",
            .within(expected: 1, tolerance: 1e-12), observed: share(Self.normalized),
            mutant: ("raw messages", share { $0 }))
    }

    /// Sums of independent messages whose scales are lognormal, under random attention.
    private struct Aggregates {
        private var raw: [Double] = []
        private var normalized: [Double] = []
        private var attention: [Double] = []

        init(seed: UInt64) {
            var random = RandomStream(seed: seed, stream: 643)
            for _ in 0..<nodes {
                let p = PlainNeighbourhood.attention(random.normals(neighbours).map { 0.5 * $0 })
                var (sum, normalizedSum) = (
                    [Double](repeating: 0, count: features), [Double](repeating: 0, count: features)
                )
                for weight in p {
                    let scale = exp(random.normal())
                    let message = random.normals(features).map { scale * $0 }
                    let unit = EdgeNormChecks.normalized(message)
                    for f in 0..<features {
                        sum[f] += weight * message[f]
                        normalizedSum[f] += weight * unit[f]
                    }
                }
                raw.append(EdgeNormChecks.squares(sum) / Double(features))
                normalized.append(EdgeNormChecks.squares(normalizedSum) / Double(features))
                attention.append(PlainNeighbourhood.sumOfSquares(p))
            }
        }

        private static func mean(_ x: [Double]) -> Double { x.reduce(0, +) / Double(x.count) }

        private static func variation(_ x: [Double]) -> Double {
            let mean = mean(x)
            return (x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(x.count)).squareRoot() / mean
        }

        private static func peak(_ x: [Double]) -> Double { (x.max() ?? .nan) / mean(x) }

        var energyCheck: Check {
            Check(
                .law,
                "The sum of independent normalized messages of \(neighbours) edges has energy Σα² in the mean: their "
                    + "quotient over \(nodes) nodes is 1 within 3%.",
                .within(expected: 1, tolerance: 0.03), observed: Self.mean(normalized) / Self.mean(attention),
                mutant: ("raw messages of lognormal scale", Self.mean(raw) / Self.mean(attention)))
        }

        var spreadCheck: Check {
            Check(
                .law, "and no node stands out: the largest energy is at most 4 times the mean.", .atMost(4),
                observed: Self.peak(normalized), mutant: ("raw messages of lognormal scale", Self.peak(raw)))
        }

        var table: Table {
            Table(
                "Energy of sums of messages of lognormal scale, \(neighbours) edges",
                columns: ["messages", "mean", "mean Σα²", "standard deviation / mean", "largest / mean"],
                rows: [("raw", raw), ("normalized per edge", normalized)].map { name, energies in
                    [name]
                        + [
                            Self.mean(energies), Self.mean(attention), Self.variation(energies), Self.peak(energies),
                        ].map { TableCell.significant($0) }
                })
        }
    }

    // MARK: - Layers on the karate club

    private func layer(
        attention: Float = 1, edgeNorm: Bool = false, scoreNorm: Bool = false
    ) throws -> GATLayer {
        var random = RandomStream(seed: seed, stream: 644)
        let weight = try random.normal([32, 8], deviation: 0.3)
        let (a, b) = (try random.normal([2, 16], deviation: 0.3), try random.normal([2, 16], deviation: 0.3))
        return try GATLayer(
            weight: weight, sourceAttention: a.map { attention * $0 }, targetAttention: b.map { attention * $0 },
            edgeNorm: edgeNorm ? EdgeLayerNorm() : nil,
            scoreNorm: scoreNorm ? NeighbourhoodScoreNorm(headCount: 2) : nil,
            backend: backend)
    }

    private func report(_ layer: GATLayer) throws -> AttentionSharpnessReport {
        let attention = try layer.valueWithPullback(at: x, graph: graph).attention
        return try AttentionSharpnessReport(
            attention, offsets: graph.offsets, scoreWeight: Tensor([Float](repeating: 1, count: 2)))
    }

    private func layers() throws -> [Check] {
        /// Entropy of the largest neighbourhoods with ten times the attention vectors, as a share of that with one.
        func entropyShare(scoreNorm: Bool) throws -> Double {
            let (one, ten) = (
                try report(layer(attention: 1, edgeNorm: true, scoreNorm: scoreNorm)),
                try report(layer(attention: 10, edgeNorm: true, scoreNorm: scoreNorm))
            )
            return (ten.bins.last?.entropy ?? .nan) / (one.bins.last?.entropy ?? .nan)
        }
        /// Energy of the output for ten times the features, as a share of that for one.
        func energyShare(edgeNorm: Bool) throws -> Double {
            let layer = try layer(edgeNorm: edgeNorm, scoreNorm: true)
            return try layer(x.map { 10 * $0 }, graph: graph).energy / layer(x, graph: graph).energy
        }
        return [
            Check(
                .exact,
                "Norm of edges leaves sharpness to the attention vectors: ten times longer ones leave less than 0.8 "
                    + "of the entropy of the club's hubs.",
                .atMost(0.8), observed: try entropyShare(scoreNorm: false),
                mutant: ("scores are normalized, too", try entropyShare(scoreNorm: true))),
            Check(
                .exact,
                "Norm of scores leaves energy to the features: ten times larger ones give 100 times the energy, "
                    + "within 1% (epsilon beside the variance of scores that nearly agree; 0.3% here).",
                .relative(100, 0.01), observed: try energyShare(edgeNorm: false),
                mutant: ("edges are normalized, too", try energyShare(edgeNorm: true))),
        ]
    }

    private func karate() throws -> Check {
        func share(attention: Float, scoreNorm: Bool) throws -> Double {
            try report(layer(attention: attention, scoreNorm: scoreNorm)).bins.compactMap(\.shareOfCap).max() ?? .nan
        }
        let counts = [graph.nodeCount, graph.edgeCount / 2, graph.degrees[11]]
        precondition(counts == [34, 78, 1], "the club has 34 members, 78 pairs, and member 12 met one")
        return Check(
            .exact,
            "On Zachary's karate club (34 members, 78 pairs) no attention over normalized scores exceeds the cap of "
                + "its degree: the largest quotient is at most 1 + 1e-6.",
            .atMost(1 + 1e-6), observed: try share(attention: 10, scoreNorm: true),
            mutant: ("raw scores", try share(attention: 10, scoreNorm: false)))
    }

    private func sharpness() throws -> Table {
        let layers = [("raw", try layer(attention: 3)), ("normalized", try layer(attention: 3, scoreNorm: true))]
        let rows = try layers.flatMap { name, layer in
            try report(layer).bins.map { bin in
                [
                    name, "\(bin.degrees.lowerBound) to \(bin.degrees.upperBound)", "\(bin.nodeCount)",
                    TableCell.fixed(bin.entropy),
                    bin.normalizedEntropy.isNaN ? "" : TableCell.fixed(bin.normalizedEntropy),
                    TableCell.fixed(bin.effectiveNeighbours), TableCell.fixed(bin.maximumWeight, 3),
                    name == "raw" ? "" : TableCell.fixed(bin.cap ?? .nan, 3),
                ]
            }
        }
        return Table(
            "Attention of a random GAT layer on the karate club, by degree (two heads)",
            columns: ["scores", "degree", "members", "entropy", "H / ln n", "1/Σp²", "largest", "mean cap"], rows: rows)
    }
}
