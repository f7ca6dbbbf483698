// The package's kernels in float32: small degrees, equal scores, gradients, order of edges, outliers.

internal import Normalization
internal import NormalizationDiagnostics
internal import TrainingKit
private import Foundation

struct DegreeChecks {
    private let backend: Backend
    private let seed: UInt64

    init(seed: UInt64, backend: Backend) {
        self.seed = seed
        self.backend = backend
    }

    func checks() throws -> [Check] {
        [
            try zeroAndOne(), try two(), try twoGradient(), try equal(), try gradient(), try biasGradient(),
            try order(),
            try outlier(),
        ]
    }

    /// `count` nodes of one degree with normal scores.
    private func scores(degree: Int, count: Int, stream: UInt64) throws -> (Tensor<Float>, SegmentOffsets) {
        var random = RandomStream(seed: seed, stream: 620 + stream)
        return (
            try random.normal([degree * count]), try SegmentOffsets(widths: Array(repeating: degree, count: count))
        )
    }

    private func attention(
        _ scores: Tensor<Float>, _ offsets: SegmentOffsets, weight: Float = 1, epsilon: Float = 0
    ) throws -> Tensor<Float> {
        let norm = try NeighbourhoodScoreNorm(weight: weight, epsilon: epsilon)
        return try neighbourhoodSoftmax(
            norm(scores, offsets: offsets, backend: backend), offsets: offsets, backend: backend)
    }

    private func zeroAndOne() throws -> Check {
        func wrong(_ widths: [Int]) throws -> Double {
            var random = RandomStream(seed: seed, stream: 621)
            let offsets = try SegmentOffsets(widths: widths)
            let p = try attention(random.normal([offsets.total]), offsets)
            return Double(p.array.lazy.filter { $0 != 1 }.count)
        }
        return Check(
            .exact,
            "A node without edges gives nothing and a node with one edge attention 1, to the bit, at epsilon 0: no "
                + "other value among degrees 0 and 1.",
            .equal(0), observed: try wrong([0, 1, 1, 0, 0, 1, 0]),
            mutant: ("one node has two edges", try wrong([0, 1, 2, 0])))
    }

    private func two() throws -> Check {
        func error(_ degree: Int) throws -> Double {
            let (scores, offsets) = try scores(degree: degree, count: 200, stream: 2)
            let high = 1 / (1 + exp(-2.0))
            return try attention(scores, offsets).array.map { p in
                min(abs(Double(p) - high), abs(Double(p) - (1 - high)))
            }.max() ?? .nan
        }
        return Check(
            .exact,
            "Two edges get 0.8808 and 0.1192 (σ(2) and σ(-2)) at weight 1 whatever their scores: 400 attentions "
                + "within 1e-6, 4 float32 roundings of exponents up to 2.",
            .atMost(1e-6), observed: try error(2), mutant: ("three edges", try error(3)))
    }

    /// The gradient of scores under a random gradient of their attention: by the kernels, by float64, and by a float64
    /// that forgets that scores move their deviation.
    private func scoreGradient(degree: Int) throws -> (Tensor<Float>, [Double], [Double]) {
        // Scores of spread: two edges that nearly coincide would divide rounding errors by their distance.
        let (normal, offsets) = try scores(degree: degree, count: 100, stream: 3)
        let spread = try Tensor(normal.array.enumerated().map { $1 + 4 * Float($0 % degree) }, shape: normal.shape)
        let norm = try NeighbourhoodScoreNorm(epsilon: 0)
        let (logits, pullback) = try norm.valueWithPullback(at: spread, offsets: offsets, backend: backend)
        let p = try neighbourhoodSoftmax(logits, offsets: offsets, backend: backend)
        var random = RandomStream(seed: seed, stream: 624)
        let upstream = try random.normal(p.shape)
        let inner = try neighbourhoodSoftmaxBackward(upstream, output: p, offsets: offsets, backend: backend)
        var (expected, withoutProjection): ([Double], [Double]) = ([], [])
        for node in 0..<offsets.count {
            let range = offsets.range(node)
            let scores = range.map { Double(spread.array[$0]) }
            let logits = PlainNeighbourhood.standardised(scores)
            let dz = PlainNeighbourhood.softmaxBackward(range.map { Double(upstream.array[$0]) }, logits: logits)
            expected += PlainNeighbourhood.backward(dz, scores: scores, weight: 1)
            let scale = (logits[1] - logits[0]) / (scores[1] - scores[0])
            withoutProjection += dz.map { scale * $0 }
        }
        return (try pullback(inner).scores, expected, withoutProjection)
    }

    private func twoGradient() throws -> Check {
        func largest(_ degree: Int) throws -> Double {
            try scoreGradient(degree: degree).0.array.lazy.map { Double(abs($0)) }.max() ?? .nan
        }
        return Check(
            .exact,
            "Scores of two edges have gradient 0, so they cannot learn: at most 1e-6 under gradients of size 1 "
                + "(rounding).",
            .atMost(1e-6), observed: try largest(2), mutant: ("three edges", try largest(3)))
    }

    private func equal() throws -> Check {
        func error(_ last: Float) throws -> Double {
            var values = [Float](repeating: 2.5, count: 7)
            values[6] = last
            let p = try attention(Tensor(values), SegmentOffsets(widths: [7]), epsilon: 1e-5)
            return p.array.lazy.map { abs(Double($0) - 1.0 / 7) }.max() ?? .nan
        }
        return Check(
            .exact, "Equal scores give equal attention, not NaN: 7 edges 1/7 each, within 2e-8 (one rounding).",
            .atMost(2e-8), observed: try error(2.5), mutant: ("one score is larger by 0.1", try error(2.6)))
    }

    private func gradient() throws -> Check {
        let (given, expected, withoutProjection) = try scoreGradient(degree: 7)
        let scale = expected.map(abs).max() ?? .nan
        func error(_ expected: [Double]) -> Double {
            zip(given.array, expected).lazy.map { abs(Double($0) - $1) / scale }.max() ?? .nan
        }
        return Check(
            .exact,
            "Through softmax and norm the float32 kernels give the gradient (w/s)(dz - mean(dz) - z mean(dz z)), "
                + "dz = p (dp - Σ p dp), of float64: within 2e-6 of the largest.",
            .atMost(2e-6), observed: error(expected), mutant: ("without z mean(dz z)", error(withoutProjection)))
    }

    private func biasGradient() throws -> Check {
        let (scores, offsets) = try scores(degree: 9, count: 50, stream: 5)
        let (logits, statistics) = try neighbourhoodLayerNormWithStatistics(scores, offsets: offsets, backend: backend)
        let p = try neighbourhoodSoftmax(logits, offsets: offsets, backend: backend)
        var random = RandomStream(seed: seed, stream: 626)
        let upstream = try random.normal(p.shape)
        func bias(_ gradient: Tensor<Float>) throws -> Double {
            let gradients = try neighbourhoodLayerNormBackward(
                gradient, x: scores, offsets: offsets, statistics: statistics, backend: backend)
            return abs(Double(gradients.bias.array[0]))
        }
        return Check(
            .exact,
            "A bias behind the norm of scores would have gradient 0: at most 1e-6 over 450 edges, the rounding of "
                + "their sum.",
            .atMost(1e-6),
            observed: try bias(neighbourhoodSoftmaxBackward(upstream, output: p, offsets: offsets, backend: backend)),
            mutant: ("no softmax between bias and loss", try bias(upstream)))
    }

    /// Attentions whose bits change with the order of edges.
    private func order() throws -> Check {
        let (scores, offsets) = try scores(degree: 9, count: 50, stream: 6)
        func changed(_ order: [Int]) throws -> Double {
            let values = scores.array
            let before = try neighbourhoodSoftmax(scores, offsets: offsets, backend: backend).array
            let after = try neighbourhoodSoftmax(
                Tensor(order.map { values[$0] }), offsets: offsets, backend: backend
            ).array
            return Double(order.enumerated().lazy.filter { after[$0].bitPattern != before[$1].bitPattern }.count)
        }
        var random = RandomStream(seed: seed, stream: 627)
        let within = (0..<50).flatMap { node in random.permutation(9).map { node * 9 + $0 } }
        return Check(
            .exact, "The order of a node's edges does not matter: permuted scores give permuted attention, to the bit.",
            .equal(0), observed: try changed(within),
            mutant: ("the permutation crosses nodes", try changed(random.permutation(450))))
    }

    /// One score far away from seven others.
    private func outlier() throws -> Check {
        func error(_ distance: Double) -> Double {
            var random = RandomStream(seed: seed, stream: 628)
            let others = random.normals(7)
            let mean = others.reduce(0, +) / 7
            let z = PlainNeighbourhood.standardised(others + [mean + distance])
            let law = 8 / (distance * 7.0.squareRoot())
            return abs((z[0] - z[1]) / ((others[0] - others[1]) * law) - 1)
        }
        return Check(
            .law,
            "One outlier at distance D makes its neighbours alike: differences of the others shrink to n / (D sqrt(n "
                + "- 1)) of themselves, within 1% for D = 100.",
            .atMost(0.01), observed: error(100), mutant: ("D = 1, no outlier", error(1)))
    }
}
