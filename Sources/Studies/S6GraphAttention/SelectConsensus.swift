// Two tasks that want opposite attention: find one neighbour, or average all. What decides is the weight, not the
// scale.

internal import Normalization
internal import NormalizationDiagnostics
internal import Plots
internal import TrainingKit

struct SelectConsensus {
    private static let neighbours = 16
    private static let size = 16
    private static let nodes = 2000
    static let factors: [Double] = [0.1, 1, 10, 100]

    enum Scores: String, CaseIterable {
        case raw = "raw"
        case weightOne = "normalized, weight 1"
        case weightFour = "normalized, weight 4"

        var weight: Float? {
            switch self {
            case .raw: nil
            case .weightOne: 1
            case .weightFour: 4
            }
        }
    }

    /// For each factor: the expected squared error of the selected value, and the variance of the mean.
    private let results: [Scores: [(select: Double, consensus: Double)]]

    init(seed: UInt64, backend: Backend) throws {
        let (select, targets) = try Self.selectScores(seed: seed)
        let consensus = try Self.consensusScores(seed: seed)
        let offsets = try SegmentOffsets(widths: Array(repeating: Self.neighbours, count: Self.nodes))
        var results: [Scores: [(select: Double, consensus: Double)]] = [:]
        for kind in Scores.allCases {
            func attention(_ scores: Tensor<Float>, _ factor: Double) throws -> [Float] {
                let scaled = scores.map { Float(factor) * $0 }
                let logits =
                    try kind.weight.map {
                        try NeighbourhoodScoreNorm(weight: $0)(scaled, offsets: offsets, backend: backend)
                    } ?? scaled
                return try neighbourhoodSoftmax(logits, offsets: offsets, backend: backend).array
            }
            results[kind] = try Self.factors.map { factor in
                (
                    Self.selectError(try attention(select, factor), targets: targets),
                    Self.sumOfSquares(try attention(consensus, factor)) / Double(Self.nodes)
                )
            }
        }
        self.results = results
    }

    /// Keys of length 1; the query is one of them. Its score is 1, the others' deviation is 1/4.
    private static func selectScores(seed: UInt64) throws -> (Tensor<Float>, targets: [Int]) {
        var random = RandomStream(seed: seed, stream: 660)
        var (scores, targets): ([Float], [Int]) = ([], [])
        for _ in 0..<nodes {
            let keys = (0..<neighbours).map { _ in
                let key = random.normals(size)
                let length = key.reduce(0) { $0 + $1 * $1 }.squareRoot()
                return key.map { $0 / length }
            }
            let target = random.index(below: neighbours)
            targets.append(target)
            for key in keys { scores.append(Float(zip(key, keys[target]).reduce(0) { $0 + $1.0 * $1.1 })) }
        }
        return (Tensor(scores), targets)
    }

    /// Keys that say nothing about their values: normal scores.
    private static func consensusScores(seed: UInt64) throws -> Tensor<Float> {
        var random = RandomStream(seed: seed, stream: 661)
        return try random.normal([nodes * neighbours])
    }

    /// Values are independent with variance 1: E(v[target] - Σ p v)² = (1 - p[target])² + Σ p² of the others.
    private static func selectError(_ p: [Float], targets: [Int]) -> Double {
        let hits = targets.enumerated().reduce(0.0) { $0 + Double(p[$1.offset * neighbours + $1.element]) }
        return 1 + (sumOfSquares(p) - 2 * hits) / Double(targets.count)
    }

    private static func sumOfSquares(_ p: [Float]) -> Double { p.reduce(0) { $0 + Double($1) * Double($1) } }

    private func spread(_ values: [Double]) -> Double { (values.max() ?? .nan) / (values.min() ?? .nan) }

    private func select(_ kind: Scores) -> [Double] { (results[kind] ?? []).map(\.select) }
    private func consensus(_ kind: Scores) -> [Double] { (results[kind] ?? []).map(\.consensus) }

    var checks: [Check] {
        let flat = [select(.weightOne), consensus(.weightOne), consensus(.weightFour)].map { spread($0) - 1 }
        return [
            Check(
                .law,
                "With normalized scores neither task depends on the scale of the features: factors of 0.1 to 100 "
                    + "change error and variance by at most 2% (epsilon at 0.1).",
                .atMost(0.02), observed: flat.max() ?? .nan, mutant: ("raw scores", spread(consensus(.raw)) - 1)),
            Check(
                .law,
                "With raw scores they do: the variance of a consensus grows at least tenfold from a factor of "
                    + "0.1 to 100.",
                .atLeast(10), observed: spread(consensus(.raw)),
                mutant: ("normalized scores", spread(consensus(.weightOne)))),
            Check(
                .law,
                "The weight decides: 4 in place of 1 takes the error of selecting from over 0.2 to below 0.01, and "
                    + "pays with at least 4 times the variance of a consensus.",
                .atLeast(4), observed: trade(.weightFour), mutant: ("a weight of 1", trade(.weightOne))),
        ]
    }

    /// How much more variance than weight 1, if it selects; 0 if it does not.
    private func trade(_ kind: Scores) -> Double {
        (select(kind).max() ?? .nan) < 0.01 && (select(.weightOne).min() ?? .nan) > 0.2
            ? (consensus(kind).min() ?? .nan) / (consensus(.weightOne).max() ?? .nan) : 0
    }

    var table: Table {
        Table(
            "Error of selecting one of 16 values / variance of their mean, against the factor c on the scores",
            columns: ["c"] + Scores.allCases.map(\.rawValue),
            rows: Self.factors.enumerated().map { index, factor in
                [TableCell.significant(factor)]
                    + Scores.allCases.map { kind in
                        TableCell.fixed(select(kind)[index], 3) + " / " + TableCell.fixed(consensus(kind)[index], 3)
                    }
            })
    }

    var panels: [Panel] {
        [("Select one neighbour", select, "expected squared error"), ("Consensus of all", consensus, "variance Σp²")]
            .map {
                title, values, label in
                Panel(
                    title,
                    .curves(
                        x: Axis("factor c on the scores", log: true), y: Axis(label, range: 0...1),
                        series: Scores.allCases.map { kind in
                            Series(kind.rawValue, zip(Self.factors, values(kind)).map { ($0, $1) }, .linesAndPoints)
                        }))
            }
    }
}
