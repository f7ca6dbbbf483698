// The softmax of masked scores and its gradients against float64, by formulas, by differences, and on real scores.

internal import Foundation
internal import Normalization
internal import ReferenceKernels
import Testing
internal import Verification

/// Scores under every kind of mask, as tensors and, row by row, for the textbook.
private struct MaskedScores {
    static let (batch, heads, queries) = (2, 3, 6)
    static let scale: Float = 0.3
    static let slopes: [Float] = [0.5, -0.04, 0.003]
    static let sinks: [Float] = [1, -3, 40]
    static let softcap: Float = 20
    let keys: Int
    let x: Tensor<Float>
    let elements: [Float]  // of x
    let biases: [Float]  // [heads, queries, keys]
    let boolean: [Bool]  // [batch, 1, queries, keys]
    let lengths: [Int]
    let offset: Int
    let mask: AttentionMask

    init(keys: Int, scale: Float, seed: UInt64) throws {
        var random = RandomNumbers(seed: seed)
        let (batch, heads, queries) = (Self.batch, Self.heads, Self.queries)
        self.keys = keys
        elements = random.normals(batch * heads * queries * keys).map { $0 * scale }
        x = try Tensor(elements, shape: [batch, heads, queries, keys])
        biases = random.normals(heads * queries * keys)
        let bias = try Tensor(biases, shape: [heads, queries, keys])
        boolean = random.normals(batch * queries * keys).map { $0 < 1 }
        lengths = [keys - keys / 4, keys]
        offset = keys - queries - 1
        mask = AttentionMask.softcap(Self.softcap).bias(bias).alibi(slopes: Tensor(Self.slopes)).causal(offset: offset)
            .boolean(try Tensor(boolean, shape: [batch, 1, queries, keys])).window(left: keys / 2, right: nil)
            .keyLengths(lengths).sinks(Tensor(Self.sinks))
    }

    var rowCount: Int { Self.batch * Self.heads * Self.queries }

    func row(_ number: Int) -> PlainScores<Double>.Row {
        let query = number % Self.queries
        let head = number / Self.queries % Self.heads
        let batch = number / Self.queries / Self.heads
        let position = offset + query
        let biasStart = (head * Self.queries + query) * keys
        return PlainScores.Row(
            x: elements[number * keys..<(number + 1) * keys].map(Double.init), scale: Double(Self.scale),
            softcap: Double(Self.softcap), bias: biases[biasStart..<biasStart + keys].map(Double.init),
            slope: Double(Self.slopes[head]), distances: (0..<keys).map { Double($0 - position) },
            takesPart: (0..<keys).map { j in
                boolean[(batch * Self.queries + query) * keys + j] && j <= position && j >= position - keys / 2
                    && j < lengths[batch]
            }, sink: Double(Self.sinks[head]))
    }
}

@Suite struct ScoreSoftmaxAccuracyTests {
    private let judge = PlainScores<Double>(exp: Foundation.exp, tanh: Foundation.tanh)

    /// A score s is a sum of some terms: each is rounded (scale, tanh with 2 ULP and its argument, cap, bias, ALiBi: less than 8
    /// roundings of the largest of them), and e^s is off by as much of itself as s is off. To that come the 4 units of a
    /// plain softmax.
    private func bound(_ row: PlainScores<Double>.Row) -> Double {
        let terms = row.x.indices.filter { row.takesPart[$0] }.map { j in
            max(abs(row.softcap ?? row.scale * row.x[j]), abs(row.bias?[j] ?? 0), abs(row.slope * row.distances[j]))
        }
        return (4 + 2 * 8 * (terms.max() ?? 0)) * 0x1p-23
    }

    /// Below the normal numbers the distance of floats no longer falls with them.
    private func relativeError(_ given: Float, _ expected: Double) -> Double {
        abs(Double(given) - expected) / max(expected, 0x1p-126)
    }

    @Test(arguments: [12, 64, 300, 1024, 4100])
    func probabilities(keys: Int) throws {
        for scale: Float in [0.1, 3, 40, 1e4] {
            let problem = try MaskedScores(keys: keys, scale: scale, seed: UInt64(keys))
            let y = try scoreSoftmax(problem.x, scale: MaskedScores.scale, mask: problem.mask).array
            #expect(y.allSatisfy { $0.isFinite })
            for number in 0..<problem.rowCount {
                let row = problem.row(number)
                let worst = zip(y[number * keys..<(number + 1) * keys], judge.forward(row)).map(relativeError).max()!
                #expect(worst <= bound(row), "scale \(scale), row \(number)")
            }
        }
    }

    /// Without a softcap, bias or slopes the scores are exact for a scale that is a power of two, and probabilities are as
    /// right as those of a plain softmax: within 4 units.
    @Test(arguments: [64, 1000, 50257])
    func structuredMasksCostNothing(keys: Int) throws {
        var random = RandomNumbers(seed: 2)
        for scale: Float in [1, 30, 1e4] {
            let elements = random.normals(3 * keys).map { $0 * scale }
            let x = try Tensor(elements, shape: [3, keys])
            let sink = Float(scale)
            let mask = AttentionMask.causal().window(left: keys / 2, right: nil).sinks(Tensor([sink]))
            let y = try scoreSoftmax(x, scale: 0.5, mask: mask).array
            #expect(y.allSatisfy { $0.isFinite })
            for query in 0..<3 {
                let last = keys - 3 + query
                let row = PlainScores<Double>.Row(
                    x: elements[query * keys..<(query + 1) * keys].map(Double.init), scale: 0.5, softcap: nil,
                    bias: nil,
                    slope: 0, distances: [Double](repeating: 0, count: keys),
                    takesPart: (0..<keys).map { $0 <= last && $0 >= last - keys / 2 }, sink: Double(sink))
                let worst = zip(y[query * keys..<(query + 1) * keys], judge.forward(row)).map(relativeError).max()!
                #expect(worst <= 4 * 0x1p-23, "scale \(scale), query \(query)")
            }
        }
    }

    /// Gradients of scores are bounded by y times the spread of dy, as those of a plain softmax, with the error of y
    /// above once in y and once in the mean; the factor of the softcap is off by a few units of 1. An element of a
    /// parameter's gradient sums the errors of its rows, each with its weight.
    @Test(arguments: [12, 64, 300, 1100])
    func gradients(keys: Int) throws {
        for (scale, offset) in [(0.1, 0), (3, 0), (3, 1e3), (40, 0)] as [(Float, Float)] {
            let problem = try MaskedScores(keys: keys, scale: scale, seed: UInt64(keys) + 1)
            var random = RandomNumbers(seed: 4)
            let dy = random.normals(problem.x.count).map { $0 + offset }
            let (y, sums) = try scoreSoftmaxWithLogSumExp(problem.x, scale: MaskedScores.scale, mask: problem.mask)
            let given = try scoreSoftmaxBackward(
                Tensor(dy, shape: problem.x.shape), output: y, scores: problem.x, logSumExp: sums,
                scale: MaskedScores.scale, mask: problem.mask)
            let scores = given.scores.array
            #expect((scores + given.bias!.array).allSatisfy { $0.isFinite })
            var bias = [Double](repeating: 0, count: problem.biases.count)
            var biasBounds = bias
            var heads = (0..<MaskedScores.heads).map { _ in (slope: 0.0, slopeBound: 0.0, sink: 0.0, sinkBound: 0.0) }
            for number in 0..<problem.rowCount {
                let row = problem.row(number)
                let rowDy = dy[number * keys..<(number + 1) * keys].map(Double.init)
                let truth = judge.backward(rowDy, row)
                let probabilities = judge.forward(row)
                let head = number / MaskedScores.queries % MaskedScores.heads
                // The sink has a dy of 0, so that the spread reaches to it.
                let spread = max(rowDy.max()!, 0) - min(rowDy.min()!, 0)
                let relative = (2 * bound(row) + 12 * 0x1p-23) * spread
                var worst = 0.0  // of the error that is allowed
                for j in 0..<keys {
                    let error = relative * max(probabilities[j], 0x1p-126)
                    worst = max(worst, abs(Double(scores[number * keys + j]) - truth.scores[j]) / error)
                    let element = (head * MaskedScores.queries + number % MaskedScores.queries) * keys + j
                    bias[element] += truth.bias[j]
                    biasBounds[element] += error
                    heads[head].slopeBound += error * abs(row.distances[j])
                }
                #expect(worst <= 1, "scale \(scale), offset \(offset), row \(number)")
                heads[head].slope += truth.slope
                heads[head].sink += truth.sink
                heads[head].sinkBound += relative * (1 - probabilities.reduce(0, +)) + spread * 0x1p-22 * 45
            }
            let biasGradient = given.bias!.array
            let wrong = biasGradient.indices.filter { abs(Double(biasGradient[$0]) - bias[$0]) > biasBounds[$0] }
            #expect(wrong.isEmpty, "bias, scale \(scale), offset \(offset)")
            for (head, truth) in heads.enumerated() {
                #expect(abs(Double(given.slopes![head]) - truth.slope) <= truth.slopeBound, "slope \(head)")
                #expect(abs(Double(given.sinks![head]) - truth.sink) <= truth.sinkBound, "sink \(head)")
            }
        }
    }

    /// The textbook's gradients, which judge above, against differences of the textbook's forward pass.
    @Test func differences() throws {
        let problem = try MaskedScores(keys: 20, scale: 3, seed: 1)
        var random = RandomNumbers(seed: 7)
        for number in 0..<problem.rowCount {
            let row = problem.row(number)
            let dy = random.normals(20).map(Double.init)
            func difference(_ change: (inout PlainScores<Double>.Row, Double) -> Void) -> Double {
                let step = 1e-5
                func loss(_ step: Double) -> Double {
                    var changed = row
                    change(&changed, step)
                    return zip(dy, judge.forward(changed)).reduce(0) { $0 + $1.0 * $1.1 }
                }
                return (loss(step) - loss(-step)) / (2 * step)
            }
            let gradients = judge.backward(dy, row)
            // A central difference is off by step² of a third derivative, and by 2^-52 / step of rounding.
            let tolerance = 1e-8
            for j in 0..<20 {
                #expect(abs(difference { $0.x[j] += $1 } - gradients.scores[j]) <= tolerance, "x \(j)")
                #expect(abs(difference { $0.bias![j] += $1 } - gradients.bias[j]) <= tolerance, "bias \(j)")
            }
            #expect(abs(difference { $0.slope += $1 } - gradients.slope) <= 400 * tolerance, "distances of 20")
            #expect(abs(difference { $0.sink! += $1 } - gradients.sink) <= tolerance)
        }
    }

    // MARK: - Real scores

    /// The scores of a small Transformer with the padding of its sentences. Its probabilities were computed in float64
    /// from queries and keys, ours from their products in float32: |s| · 2^-24 for each, twice, and the scale's rounding.
    @Test(arguments: TestedBackends.kernels + [.automatic, .reference])
    func realScores(backend: Backend) throws {
        let activations = try MiniLMActivations()
        let tokens = activations.isToken
        let (sentences, length) = (tokens.shape[0], tokens.shape[1])
        let lengths = (0..<sentences).map { sentence in (0..<length).count { tokens[sentence, $0] } }
        #expect(lengths == [18, 16, 12, 11])
        let padding = AttentionMask.boolean(try tokens.reshaped(to: [sentences, 1, 1, length]))
        for stage in activations.scores {
            let (y, sums) = try scoreSoftmaxWithLogSumExp(
                stage.scores, scale: MiniLMActivations.scale, mask: padding, backend: backend)
            let byLength = try scoreSoftmax(
                stage.scores, scale: MiniLMActivations.scale, mask: .keyLengths(lengths), backend: backend)
            expectSameBits(byLength.array, y.array, "\(stage.name), lengths")
            let greatest = Double(stage.scores.array.map(abs).max()! * MiniLMActivations.scale)
            let bound = (4 + 2 * 3 * greatest) * 0x1p-23
            for (given, expected) in zip(y.array, stage.probabilities.array) {
                #expect(abs(Double(given) - expected) <= bound * expected, "\(stage.name)")
            }
            for (given, expected) in zip(sums.array, stage.logSumExp.array) {
                #expect(abs(Double(given) - expected) <= bound, "\(stage.name), log-sum-exp")
            }
        }
    }
}
