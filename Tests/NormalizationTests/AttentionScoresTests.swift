// The matrix of scores: bits of every step against the reference for every backend, an output that does not change by
// asking, what must not leak, BLAS within a bound.

internal import Normalization
import Testing
internal import Verification

@Suite struct AttentionScoresTests {
    private struct Problem {
        let query, key, value: Tensor<Float>
        var mask: AttentionMask

        init(_ parts: MaskParts, batch: Int = 2, heads: Int = 4, keyHeads: Int = 2, queries: Int, keys: Int) throws {
            var random = RandomNumbers(seed: UInt64(parts.rawValue * 1000 + keys))
            func drawn(_ shape: Shape) throws -> Tensor<Float> {
                try Tensor(random.normals(shape.elementCount ?? 0), shape: shape)
            }
            query = try drawn([batch, heads, queries, 24])
            key = try drawn([batch, keyHeads, keys, 24])
            value = try drawn([batch, keyHeads, keys, 20])
            mask =
                keys == 0
                ? AttentionMask()
                : try AttentionMask.drawn(
                    parts, Float.self, batch: batch, heads: heads, queries: queries, keys: keys, random: &random)
        }

        func solve(
            _ scores: AttentionScores, products: MatrixProducts = .oneAnswer, _ backend: Backend = .automatic
        ) throws -> (output: Tensor<Float>, scores: Tensor<Float>) {
            try attentionWithScores(
                query: query, key: key, value: value, mask: mask, scores: scores, products: products, backend: backend)
        }
    }

    @Test func everyCombinationOfMasks() throws {
        for parts in TestedSizes.thinned(Array(stride(from: 0, through: 255, by: 3)), debugStep: 13) {
            let p = try Problem(MaskParts(rawValue: parts), queries: 1 + parts % 9, keys: 30 + parts % 97)
            for scores in AttentionScores.allCases {
                let expected = try p.solve(scores, .reference)
                let plain = try attention(query: p.query, key: p.key, value: p.value, mask: p.mask)
                expectSameBits(expected.output.array, plain.array, "the output with \(scores)")
                for backend in [.automatic, .kernels(.portable, threads: 2), .kernels(threads: 3)] as [Backend] {
                    let given = try p.solve(scores, backend)
                    expectSameBits(given.output.array, plain.array, "the output, masks \(parts), \(backend)")
                    expectSameBits(given.scores.array, expected.scores.array, "\(scores), masks \(parts), \(backend)")
                }
            }
        }
    }

    /// Each step is what the functions of their own give.
    @Test func steps() throws {
        var p = try Problem([.softcap, .bias, .causal, .sinks], queries: 9, keys: 70)
        p.mask = p.mask.softcap(3)
        let scaled = try matmul(p.query, p.key.transposed(2, 3), scale: 1 / Float(24).squareRoot())
        try expectSameBits(p.solve(.scaled).scores.array, scaled.array, "scaled")
        let capped = try maskedScores(scaled, mask: .softcap(3))
        #expect(capped.array.allSatisfy { abs($0) <= 3 } && capped != scaled)
        try expectSameBits(p.solve(.softcapped).scores.array, capped.array, "softcapped")
        let masked = try maskedScores(scaled, mask: p.mask)
        #expect(masked.array.contains(-.infinity))
        var (given, shared) = (scaled, scaled)
        try maskedScores(inPlace: &given, mask: p.mask)
        expectSameBits(given.array, masked.array, "in place")
        expectSameBits(shared.array, scaled.array, "what shared its memory")
        try maskedScores(inPlace: &shared, mask: p.mask, backend: .reference)
        expectSameBits(shared.array, masked.array, "in place, reference")
        try expectSameBits(p.solve(.masked).scores.array, masked.array, "masked")
        try expectSameBits(
            p.solve(.probabilities).scores.array, scoreSoftmax(scaled, mask: p.mask).array, "probabilities")
    }

    @Test func smallerTypesAndFewerAxes() throws {
        let p = try Problem(.causal, batch: 1, heads: 1, keyHeads: 1, queries: 5, keys: 33)
        let query = Tensor<BFloat16>(rounding: try p.query.reshaped(to: [5, 24]))
        let key = Tensor<Float16>(rounding: try p.key.reshaped(to: [33, 24]))
        let value = Tensor<Float16>(rounding: try p.value.reshaped(to: [33, 20]))
        for scores in AttentionScores.allCases {
            let expected = try attentionWithScores(
                query: query, key: key, value: value, mask: p.mask, scores: scores, backend: .reference)
            let given = try attentionWithScores(query: query, key: key, value: value, mask: p.mask, scores: scores)
            #expect(given.scores.shape == [5, 33] && given.output.shape == [5, 20])
            expectSameBits(given.scores.array, expected.scores.array, "\(scores)")
            expectSameBits(given.output.widened().array, expected.output.widened().array, "output")
        }
    }

    @Test(arguments: MatrixProducts.available)
    func maskedKeysDoNotLeak(products: MatrixProducts) throws {
        var p = try Problem([], queries: 6, keys: 40)
        p.mask = .keyLengths([31, 40])
        let clean = try p.solve(.probabilities, products: products)
        for poison in [Float.nan, .infinity] {
            var (key, value) = (p.key, p.value)
            for head in 0..<2 {
                key[0, head, 35, 3] = poison
                value[0, head, 35, 7] = poison
            }
            let given = try attentionWithScores(
                query: p.query, key: key, value: value, mask: p.mask, products: products)
            expectSameBits(given.scores.array, clean.scores.array, "probabilities, \(poison)")
            let distances: [Float] = zip(given.output.array, clean.output.array).map { abs($0 - $1) }
            let worst = distances.max() ?? .nan
            // By BLAS the output comes from attention then: both are averages of values below 6.
            #expect(products == .oneAnswer ? worst == 0 : worst <= 6 * 40 * 0x1p-23)
        }
    }

    @Test func queriesWithoutKeys() throws {
        var p = try Problem([], queries: 4, keys: 10)
        p.mask = .keyLengths([0, 10])
        for products in MatrixProducts.available {
            let (output, probabilities) = try p.solve(.probabilities, products: products)
            #expect(output.array[..<320].allSatisfy { $0 == 0 } && output.array[320...].contains { $0 != 0 })
            #expect(probabilities.array[..<160].allSatisfy { $0 == 0 })
            #expect(try p.solve(.masked, products: products).scores.array[..<160].allSatisfy { $0 == -.infinity })
        }
        for (queries, keys) in [(0, 5), (5, 0)] {
            let empty = try Problem([], queries: queries, keys: keys)
            for scores in AttentionScores.allCases {
                let given = try empty.solve(scores)
                #expect(given.scores.shape == [2, 4, queries, keys] && given.output.shape == [2, 4, queries, 20])
                #expect(given.output.array.allSatisfy { $0 == 0 })
            }
        }
    }

    /// By BLAS scores are off by roundings of other orders of their sums, and so probabilities by as much of
    /// themselves.
    @Test(arguments: MatrixProducts.available.filter { $0 == .blas })
    func byBLAS(products: MatrixProducts) throws {
        for parts in [[], .causal, .all, [.softcap, .bias]] as [MaskParts] {
            let p = try Problem(parts, queries: 50, keys: 130)
            for scores in AttentionScores.allCases {
                let (ours, theirs) = (try p.solve(scores), try p.solve(scores, products: products))
                // 24 terms of at most 6 · 6, scaled by 0.21, and 25 roundings, here and there.
                let bound: Float = 2 * 25 * 0x1p-24 * 24 * 36 * 0.21
                let pairs = zip(ours.scores.array, theirs.scores.array)
                #expect(pairs.allSatisfy { $0 == $1 || abs($0 - $1) <= bound }, "\(scores), masks \(parts.rawValue)")
                // An average of values below 6 by weights that are off by 2 · bound of themselves, and its sums.
                let most = 6 * (2 * bound + 2 * 130 * 0x1p-24)
                let outputs = zip(ours.output.array, theirs.output.array)
                #expect(outputs.allSatisfy { abs($0 - $1) <= most }, "output, masks \(parts.rawValue)")
            }
        }
    }

    @Test func mistakes() throws {
        let p = try Problem([], queries: 3, keys: 5)
        expectError(.shapeMismatch, "value") { () throws(NormalizationError) in
            try attentionWithScores(query: p.query, key: p.key, value: p.key.sliced(0..<4, axis: 2))
        }
        expectError(.invalidParameter, "scale") { () throws(NormalizationError) in
            try attentionWithScores(query: p.query, key: p.key, value: p.value, scale: .nan)
        }
        if !MatrixProducts.available.contains(.blas) {
            expectError(.unavailableBLAS, "products") { () throws(NormalizationError) in
                try attentionWithScores(query: p.query, key: p.key, value: p.value, products: .blas)
            }
        }
        expectError(.invalidShape, "scores") { () throws(NormalizationError) in try maskedScores(Tensor<Float>([1, 2]))
        }
        expectError(.invalidParameter, "scale") { () throws(NormalizationError) in
            try maskedScores(p.query, scale: .infinity)
        }
        var turned = try p.query.transposed(2, 3)
        expectError(.unsupportedLayout, "scores") { () throws(NormalizationError) in
            try maskedScores(inPlace: &turned)
        }
    }
}
