internal import Foundation
internal import Normalization

/// How far attention and its gradients are from float64, beside a naive evaluation in float32: every sum from left to
/// right, e^(s - max) with a correctly rounded exponential, a quotient.
package struct AttentionAccuracy: Sendable {
    package let drawn, real: AccuracyTable

    /// An error may be twice that of the naive evaluation, since sums over blocks are rounded at other places; or four
    /// half units in the last place, where that one has few roundings, or luck.
    private static let bound: @Sendable (AccuracyTable.Cell) -> Double = { max(2 * $0.naiveError, 4 * 0x1p-24) }

    /// Measures all of it.
    package init() throws {
        let kinds: [(data: String, spread: Float, isCausal: Bool)] = [
            ("size 1", 1, false), ("size 1, causal", 1, true), ("size 8", 8, false), ("size 50, causal", 50, true),
        ]
        let measured = try kinds.map { kind in
            try [(16, 16), (48, 512), (16, 2048)].map { queries, keys in
                try Self.drawn(queries: queries, keys: keys, spread: kind.spread, isCausal: kind.isCausal)
            }
        }
        drawn = AccuracyTable(
            title: "Scores of one size",
            text: """
                Queries, keys, values and the gradient of the output are nearly normal, heads of 64. 16, 48 and 16
                queries. The errors are relative to the largest element.
                """, data: "result, scores",
            rows: measured[0][0].indices.flatMap { part in
                zip(kinds, measured).map { kind, sizes in
                    AccuracyTable.Row(
                        "\(sizes[0][part].name), \(kind.data)", sizes.map { $0[part].cell }, bound: Self.bound)
                }
            })
        let lengths = try MiniLMActivations().sentenceLengths
        real = AccuracyTable(
            title: "Real activations",
            text: """
                Four heads of two attention blocks of all-MiniLM-L6-v2 on four sentences, padded to 24 tokens. Its
                scores of padded keys are masked; the judge is PyTorch in float64.
                """, data: "block",
            rows: try Self.rows(of: MiniLMActivations.attention(), lengths: lengths))
    }

    /// The blocks' errors have few elements that decide, so that a naive evaluation may have luck with one of two: the
    /// bound is by its error on the block where that is larger.
    private static func rows(
        of stages: [MiniLMActivations.Attention], lengths: [Int]
    ) throws -> [AccuracyTable.Row] {
        let cells = try stages.map { try Self.cells(of: $0, lengths: lengths) }
        return zip(stages, cells).map { stage, own in
            AccuracyTable.Row(stage.name, own) { cell in
                2 * (cells.joined().filter { $0.head == cell.head }.map(\.naiveError).max() ?? 0)
            }
        }
    }

    // MARK: - Drawn numbers

    private static func drawn(
        queries: Int, keys: Int, spread: Float, isCausal: Bool
    ) throws -> [(name: String, cell: AccuracyTable.Cell)] {
        let size = 64
        var random = RandomNumbers(seed: UInt64(keys))
        let query = random.normals(queries * size).map { $0 * spread }
        let (key, value) = (random.normals(keys * size), random.normals(keys * size))
        let gradient = random.normals(queries * size)
        let seen = (0..<queries).map { isCausal ? keys - queries + $0 + 1 : keys }
        let truth = PlainAttention(
            query: query.map(Double.init), key: key.map(Double.init), value: value.map(Double.init),
            gradient: gradient.map(Double.init), size: size, scale: 0.125, seen: seen, exp: { Foundation.exp($0) },
            log: { Foundation.log($0) }
        ).evaluate()
        let naive = naive(query, key, value, gradient, size: size, scale: 0.125, seen: seen)
        let ours = try parts(
            query: Tensor(query, shape: [queries, size]), key: Tensor(key, shape: [keys, size]),
            value: Tensor(value, shape: [keys, size]), gradient: Tensor(gradient, shape: [queries, size]),
            mask: isCausal ? .causal() : AttentionMask())
        return zip(ours, zip(naive.parts, truth.parts)).map { ours, judged in
            let (naive, truth) = judged
            return (
                truth.name,
                AccuracyTable.Cell(
                    head: "\(keys) keys", columns: keys, ours, naive: naive.elements, truth: truth.elements)
            )
        }
    }

    private static func naive(
        _ query: [Float], _ key: [Float], _ value: [Float], _ gradient: [Float], size: Int, scale: Float, seen: [Int]
    ) -> PlainAttention<Float>.Result {
        PlainAttention(
            query: query, key: key, value: value, gradient: gradient, size: size, scale: scale, seen: seen,
            exp: { Float(Foundation.exp(Double($0))) }, log: { Float(Foundation.log(Double($0))) }
        ).evaluate()
    }

    /// Results in the order of `PlainAttention`.
    private static func parts(
        query: Tensor<Float>, key: Tensor<Float>, value: Tensor<Float>, gradient: Tensor<Float>, mask: AttentionMask
    ) throws -> [[Float]] {
        let (output, statistics) = try attentionWithStatistics(query: query, key: key, value: value, mask: mask)
        let gradients = try attentionBackward(
            gradient, query: query, key: key, value: value, output: output, statistics: statistics, mask: mask)
        return [
            output.array, statistics.logSumExp.array, gradients.query.array, gradients.key.array, gradients.value.array,
        ]
    }

    // MARK: - Real activations

    private static func cells(
        of stage: MiniLMActivations.Attention, lengths: [Int]
    ) throws -> [AccuracyTable.Cell] {
        let (heads, tokens, size) = (stage.query.shape[1], stage.query.shape[2], stage.query.shape[3])
        var naive = PlainAttention<Float>.Result(output: [], logSumExp: [], query: [], key: [], value: [])
        for plane in 0..<stage.query.shape[0] * heads {
            func part(_ x: Tensor<Float>) -> [Float] {
                Array(x.array[plane * tokens * size..<(plane + 1) * tokens * size])
            }
            let length = lengths[plane / heads]
            naive.append(
                Self.naive(
                    part(stage.query), part(stage.key), part(stage.value), part(stage.outputGradient), size: size,
                    scale: MiniLMActivations.scale, seen: [Int](repeating: length, count: tokens)))
        }
        let ours = try parts(
            query: stage.query, key: stage.key, value: stage.value, gradient: stage.outputGradient,
            mask: .keyLengths(lengths))
        let truth = [stage.output, stage.logSumExp, stage.queryGradient, stage.keyGradient, stage.valueGradient]
        return zip(naive.parts, zip(ours, truth)).map { naive, results in
            AccuracyTable.Cell(
                head: naive.name, columns: tokens, results.0, naive: naive.elements, truth: results.1.array)
        }
    }
}

extension AttentionAccuracy {
    package var tables: [AccuracyTable] { [drawn, real] }
}
