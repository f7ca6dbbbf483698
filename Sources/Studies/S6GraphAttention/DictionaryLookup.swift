// Brody's DictionaryLookup: each of 8 queries must find the key that is its own, and say that key's value. Static
// attention cannot, since it ranks the keys alike for all queries; dynamic attention can.

internal import Normalization
internal import NormalizationDiagnostics
internal import TrainingKit

struct DictionaryLookup {
    static let seeds: [UInt64] = [0, 1]
    private static let keys = 8
    private static let size = 32
    private static let batch = 32
    private static let steps = 800

    let context: StudyContext

    enum Attention: String, CaseIterable {
        case gat = "GAT"
        case gatNormalized = "GAT, normalized scores"
        case gatv2 = "GATv2"
        case gatv2Normalized = "GATv2, normalized scores"

        var isDynamic: Bool { self == .gatv2 || self == .gatv2Normalized }
        var isNormalized: Bool { self == .gatNormalized || self == .gatv2Normalized }
    }

    /// What is behind the layer.
    enum ReadOut: String, CaseIterable {
        case linear = "linear"
        case hidden = "hidden layer of 64"
        /// Each query hears itself too, as GAT's authors have it.
        case hiddenWithSelfLoops = "hidden layer of 64, self-loops"
    }

    private struct Setting: Hashable {
        let attention: Attention
        let readOut: ReadOut

        /// Only GAT's accuracy depends on the read-out.
        static let all = Attention.allCases.flatMap { attention in
            (attention.isDynamic ? [.linear] : ReadOut.allCases).map { Setting(attention: attention, readOut: $0) }
        }
    }

    func run() throws -> (checks: [Check], table: Table) {
        let items = Setting.all.flatMap { setting in Self.seeds.map { (setting: setting, seed: $0) } }
        context.progress("dictionary lookup, \(items.count) nets")
        let results = try context.independentRuns(of: items) { item, backend in
            try Self.accuracy(item.setting, seed: item.seed, backend: backend)
        }
        let accuracies = Dictionary(grouping: zip(items, results)) { $0.0.setting }.mapValues { $0.map(\.1) }
        func linear(_ attention: Attention) -> [Double] {
            accuracies[Setting(attention: attention, readOut: .linear)] ?? []
        }
        func highest(_ attention: Attention) -> Double { linear(attention).max() ?? .nan }
        func lowest(_ attention: Attention) -> Double { linear(attention).min() ?? .nan }
        let checks = [
            Check(
                .effect,
                "GAT with a linear read-out cannot look up 8 keys: accuracy below 0.7 after 800 steps, for both seeds.",
                .atMost(0.7), observed: highest(.gat), mutant: ("GATv2", lowest(.gatv2))),
            Check(
                .effect, "GATv2 can: accuracy above 0.97 for both seeds.", .atLeast(0.97), observed: lowest(.gatv2),
                mutant: ("GAT", highest(.gat))),
            Check(
                .effect, "Norm of scores does not cure static attention: GAT with it stays below 0.7.", .atMost(0.7),
                observed: highest(.gatNormalized), mutant: ("GATv2 with it", lowest(.gatv2Normalized))),
            Check(
                .effect, "Norm of scores does not hurt dynamic attention: GATv2 with it is above 0.97.", .atLeast(0.97),
                observed: lowest(.gatv2Normalized), mutant: ("GAT with it", highest(.gatNormalized))),
        ]
        return (
            checks,
            Table(
                "DictionaryLookup, 8 keys, one head of 32: accuracy on 1024 new dictionaries (chance is 0.125)",
                columns: ["layer", "read-out"] + Self.seeds.map { "seed \($0)" },
                rows: Setting.all.map { setting in
                    [setting.attention.rawValue, setting.readOut.rawValue]
                        + (accuracies[setting] ?? []).map { TableCell.fixed($0, 3) }
                })
        )
    }

    private static func accuracy(_ setting: Setting, seed: UInt64, backend: Backend) throws -> Double {
        var random = RandomStream(seed: seed, stream: 680)
        let layer = try LookupLayer(
            setting.attention, inputs: 2 * keys, size: size, random: &random, backend: backend)
        let output =
            switch setting.readOut {
            case .linear: Sequential(try Linear(inputs: size, outputs: keys, random: &random, backend: backend))
            case .hidden, .hiddenWithSelfLoops:
                Sequential(
                    try Linear(inputs: size, outputs: 64, random: &random, backend: backend), Activation.relu,
                    try Linear(inputs: 64, outputs: keys, random: &random, backend: backend))
            }
        let graph = try setting.readOut == .hiddenWithSelfLoops ? graph().addingSelfLoops() : graph()
        var adam = Adam()
        for _ in 0..<steps {
            let (x, labels) = try dictionaries(&random)
            let found = try layer(x, graph: graph)
            let logits = try output(found.value)
            let loss = try Loss.crossEntropy(logits.value, labels: labels, backend: backend)
            _ = try found.pullback(logits.pullback(loss.gradient))
            adam.step(layer.parameters + output.parameters, rate: 3e-3)
        }
        var test = RandomStream(seed: seed, stream: 681)
        var (right, asked) = (0, 0)
        for _ in 0..<32 {
            let (x, labels) = try dictionaries(&test)
            let logits = try output(layer(x, graph: graph).value).value.array
            for (row, label) in labels.enumerated() {
                guard let label else { continue }
                asked += 1
                let best = (0..<keys).allSatisfy { logits[row * keys + $0] <= logits[row * keys + label] }
                if best { right += 1 }
            }
        }
        return Double(right) / Double(asked)
    }

    /// In each of the graphs of a batch: nodes 0..<8 ask, each of them hears nodes 8..<16.
    private static func graph() throws -> CSRGraph {
        let edges = (0..<batch).flatMap { first in
            (0..<keys).flatMap { query in
                (0..<keys).map { key in
                    (source: first * 2 * keys + keys + key, target: first * 2 * keys + query)
                }
            }
        }
        return try CSRGraph(nodeCount: batch * 2 * keys, edges: edges)
    }

    /// Features: one-hot key, one-hot value (queries have none). Labels: the value of the query's key; nil for keys.
    private static func dictionaries(_ random: inout RandomStream) throws -> (x: Tensor<Float>, labels: [Int?]) {
        var x = [Float](repeating: 0, count: batch * 2 * keys * 2 * keys)
        var labels = [Int?](repeating: nil, count: batch * 2 * keys)
        for first in 0..<batch {
            let values = random.permutation(keys)
            for key in 0..<keys {
                let (query, node) = (first * 2 * keys + key, first * 2 * keys + keys + key)
                x[query * 2 * keys + key] = 1
                x[node * 2 * keys + key] = 1
                x[node * 2 * keys + keys + values[key]] = 1
                labels[query] = values[key]
            }
        }
        return (try Tensor(x, shape: [batch * 2 * keys, 2 * keys]), labels)
    }
}

/// The package's layers with learned parameters.
private struct LookupLayer {
    let parameters: [Parameter]
    private let isDynamic: Bool
    private let scoreNorm: NeighbourhoodScoreNorm?
    private let backend: Backend

    init(
        _ attention: DictionaryLookup.Attention, inputs: Int, size: Int, random: inout RandomStream, backend: Backend
    ) throws {
        isDynamic = attention.isDynamic
        scoreNorm = attention.isNormalized ? try NeighbourhoodScoreNorm() : nil
        self.backend = backend
        let (wide, narrow) = ((2 / Double(inputs + size)).squareRoot(), (2 / Double(size + 1)).squareRoot())
        var parameters = [Parameter(try random.normal([size, inputs], deviation: wide), name: "sourceWeight")]
        if isDynamic {
            parameters.append(Parameter(try random.normal([size, inputs], deviation: wide), name: "targetWeight"))
        } else {
            parameters.append(Parameter(try random.normal([1, size], deviation: narrow), name: "targetAttention"))
        }
        parameters.append(Parameter(try random.normal([1, size], deviation: narrow), name: "attention"))
        if let scoreNorm { parameters.append(Parameter(scoreNorm.rawWeight, name: "scoreRawWeight")) }
        self.parameters = parameters
    }

    func callAsFunction(_ x: Tensor<Float>, graph: CSRGraph) throws -> Traced {
        var norm = scoreNorm
        if norm != nil { norm?.rawWeight = parameters[3].value }
        if isDynamic {
            let layer = try GATv2Layer(
                sourceWeight: parameters[0].value, targetWeight: parameters[1].value, attention: parameters[2].value,
                scoreNorm: norm, backend: backend)
            let (value, _, pullback) = try layer.valueWithPullback(at: x, graph: graph)
            return Traced(value) { gradient in
                let g = try pullback(gradient)
                accumulate([g.sourceWeight, g.targetWeight, g.attention, g.scoreRawWeight])
                return g.input
            }
        }
        let layer = try GATLayer(
            weight: parameters[0].value, sourceAttention: parameters[2].value, targetAttention: parameters[1].value,
            scoreNorm: norm, backend: backend)
        let (value, _, pullback) = try layer.valueWithPullback(at: x, graph: graph)
        return Traced(value) { gradient in
            let g = try pullback(gradient)
            accumulate([g.weight, g.targetAttention, g.sourceAttention, g.scoreRawWeight])
            return g.input
        }
    }

    private func accumulate(_ gradients: [Tensor<Float>?]) {
        for (parameter, gradient) in zip(parameters, gradients) {
            if let gradient { parameter.accumulate(gradient) }
        }
    }
}
