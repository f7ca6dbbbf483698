// The softmax of masked scores through the public functions: bits against the reference for every backend, masks that
// say the same, what must not leak, layouts.

internal import Normalization
import Testing
internal import Verification

@Suite struct ScoreSoftmaxTests {
    @Test func everyCombinationOfMasks() throws {
        for parts in TestedSizes.thinned(Array(0...255), debugStep: 17) {
            try expectOneAnswer(
                .scores(Float.self, bias: Float.self, MaskParts(rawValue: parts), keys: 20 + parts % 97, seed: UInt64(parts)))
        }
    }

    @Test func everyRowLength() throws {
        for keys in TestedSizes.thinned(Array(1...300), debugStep: 13) {
            try expectOneAnswer(
                .scores(
                    Float.self, bias: BFloat16.self, MaskParts(rawValue: keys * 37 & 255), batch: 1 + keys % 2, heads: 2,
                    queries: 1 + keys % 4, keys: keys, seed: UInt64(keys)))
        }
    }

    @Test(arguments: [1000, 1024, 1025, 4096, 4097, 50257, 70001, 128_000])
    func longRows(keys: Int) throws {
        for parts in [[], .all, [.causal, .softcap], [.window, .bias]] as [MaskParts] {
            try expectOneAnswer(
                .scores(Float.self, bias: Float.self, parts, batch: 1, heads: 1, queries: 2, keys: keys, seed: 5))
        }
    }

    @Test func smallerTypes() throws {
        for parts in TestedSizes.thinned(Array(stride(from: 0, through: 255, by: 11)), debugStep: 6) {
            let parts = MaskParts(rawValue: parts)
            try expectOneAnswer(
                .scores(BFloat16.self, bias: Float.self, parts, keys: 133), .scores(Float16.self, bias: Float16.self, parts, keys: 70),
                .scores(BFloat16.self, bias: BFloat16.self, parts, keys: 1030))
        }
    }

    /// Enough rows that the gradient of a shared bias is a sum of several blocks.
    @Test func manyRows() throws {
        for seed in 0..<6 as Range<UInt64> {
            try expectOneAnswer(
                .scores(
                    Float.self, bias: Float.self, [.bias, .alibi, .sinks, .causal], batch: 3, heads: 4, queries: 90, keys: 33,
                    seed: seed))
        }
    }

    // MARK: - Masks that say the same

    private func scores(_ shape: Shape, seed: UInt64 = 3) throws -> Tensor<Float> {
        var random = RandomNumbers(seed: seed)
        return try Tensor(random.normals(shape.elementCount ?? 0).map { $0 * 4 }, shape: shape)
    }

    private struct Result {
        let y, sums, dx: [Float]
    }

    private func result(_ x: Tensor<Float>, scale: Float = 0.7, _ mask: AttentionMask) throws -> Result {
        let (y, sums) = try scoreSoftmaxWithLogSumExp(x, scale: scale, mask: mask)
        let dy = try scores(x.shape, seed: 8)
        let dx = try scoreSoftmaxBackward(dy, output: y, scores: x, logSumExp: sums, scale: scale, mask: mask).scores
        return Result(y: y.array, sums: sums.array, dx: dx.array)
    }

    private func expectSame(_ a: Result, _ b: Result, _ what: String) {
        expectSameBits(a.y, b.y, what)
        expectSameBits(a.sums, b.sums, "log-sum-exp, \(what)")
        expectSameBits(a.dx, b.dx, "gradient, \(what)")
    }

    /// A structured mask and the boolean one that leaves out the same keys.
    @Test(arguments: [7, 64, 130, 1100, 2300])
    func structuredAndBoolean(keys: Int) throws {
        let (batch, queries) = (2, 9)
        let x = try scores([batch, 1, queries, keys])
        func boolean(_ takesPart: (_ batch: Int, _ query: Int, _ key: Int) -> Bool) throws -> AttentionMask {
            let elements = (0..<batch).flatMap { b in
                (0..<queries).flatMap { i in (0..<keys).map { takesPart(b, i, $0) } }
            }
            return .boolean(try Tensor(elements, shape: [batch, 1, queries, keys]))
        }
        let end = keys - queries
        try expectSame(result(x, .causal()), result(x, boolean { $2 <= end + $1 }), "bottom-right")
        for offset in [-4, 0, 3, end, keys] {
            try expectSame(
                result(x, .causal(offset: offset)), result(x, boolean { $2 <= offset + $1 }), "offset \(offset)")
            try expectSame(
                result(x, .causal(offset: offset).window(left: 5, right: nil)),
                result(x, boolean { $2 <= offset + $1 && $2 >= offset + $1 - 5 }), "left window, offset \(offset)")
            try expectSame(
                result(x, .window(left: 70, right: 2).queryOffset(offset)),
                result(x, boolean { $2 <= offset + $1 + 2 && $2 >= offset + $1 - 70 }), "window, offset \(offset)")
        }
        let offsets = [1, keys / 2]
        try expectSame(
            result(x, .causal().queryOffsets(offsets)), result(x, boolean { $2 <= offsets[$0] + $1 }), "an offset each")
        let lengths = [keys / 3, keys]
        try expectSame(result(x, .keyLengths(lengths)), result(x, boolean { b, _, j in j < lengths[b] }), "lengths")
        let each = (0..<batch * queries).map { Int64($0 * 5 % (keys + 1)) }
        try expectSame(
            result(x, .keyLengths(Tensor(each, shape: [batch, 1, queries]))),
            result(x, boolean { b, i, j in j < Int(each[b * queries + i]) }), "a length each")
    }

    /// Leaving a key out and a bias of -∞ come to the same, and so do ALiBi and the bias that it stands for.
    @Test func biases() throws {
        let (heads, queries, keys) = (3, 6, 75)
        let x = try scores([heads, queries, keys])
        let bias = (0..<queries * keys).map { $0 % keys <= $0 / keys + 4 ? Float(0) : -.infinity }
        try expectSame(
            result(x, .causal(offset: 4)), result(x, .bias(Tensor(bias, shape: [queries, keys]))), "a bias of -∞")
        let slopes: [Float] = [0.5, 0.25, 0.125]
        let alibi = (0..<heads * queries * keys).map { index in
            slopes[index / keys / queries] * Float(index % keys - index / keys % queries)
        }
        try expectSame(
            result(x, AttentionMask.alibi(slopes: Tensor(slopes)).queryOffset(0)),
            result(x, .bias(Tensor(alibi, shape: [heads, queries, keys]))), "slopes that are powers of 2")
    }

    @Test(arguments: [1, 30, 300, 1500])
    func withoutAMask(keys: Int) throws {
        let x = try scores([2, 3, 4, keys])
        try expectSameBits(scoreSoftmax(x).array, softmax(x).array, "softmax")
        let scaled = try Tensor(x.array.map { $0 * 0.125 }, shape: x.shape)
        let (y, sums) = try softmaxWithLogSumExp(scaled)
        let result = try scoreSoftmaxWithLogSumExp(x, scale: 0.125)
        expectSameBits(result.output.array, y.array, "softmax of scaled scores")
        expectSameBits(result.logSumExp.array, sums.array, "log-sum-exp of scaled scores")
        let none = try Tensor(repeating: -Float.infinity, shape: [3])
        try expectSameBits(scoreSoftmax(x, mask: .sinks(none)).array, softmax(x).array, "sinks of -∞")
    }

    /// A sink is one more score, whose probability is dropped.
    @Test func sinkIsAScore() throws {
        let x = try scores([2, 5, 63])
        let sinks: [Float] = [1.5, -2]
        let wider = x.array.enumerated().flatMap { index, score in
            index % 63 == 62 ? [score, sinks[index / 63 / 5]] : [score]
        }
        let y = try softmax(Tensor(wider, shape: [2, 5, 64])).array
        let given = try scoreSoftmax(x, mask: .sinks(Tensor(sinks))).array
        for (index, probability) in given.enumerated() {
            let expected = y[index / 63 * 64 + index % 63]
            #expect(abs(probability - expected) <= 2 * expected.ulp, "the sum's order differs")
        }
    }

    // MARK: - What must not show

    @Test(arguments: [9, 64, 200, 1030])
    func maskedKeysDoNotLeak(keys: Int) throws {
        let (heads, queries) = (2, 8)
        let x = try scores([heads, queries, keys])
        let clean = try Tensor(scores([queries, keys], seed: 4).array, shape: [queries, keys])
        let dy = try scores(x.shape, seed: 6)
        let takesPart = (0..<queries * keys).map { $0 % keys <= $0 / keys && $0 % 3 != 1 }
        for poison in [Float.nan, .infinity, -.infinity] {
            func poisoned(_ tensor: Tensor<Float>) throws -> Tensor<Float> {
                let elements = tensor.array.enumerated().map { takesPart[$0 % takesPart.count] ? $1 : poison }
                return try Tensor(elements, shape: tensor.shape)
            }
            let masks = [AttentionMask.boolean(try Tensor(takesPart, shape: [queries, keys])), .softcap(9), .causal(offset: 0)]
            let boolean = masks[0]
            for mask in [boolean, boolean.softcap(9), boolean.causal(offset: 0).sinks(Tensor([1, 2]))] {
                let mask = mask.bias(clean)
                let spoiled = try mask.bias(poisoned(clean))
                let (y, sums) = try scoreSoftmaxWithLogSumExp(x, mask: mask)
                let (given, givenSums) = try scoreSoftmaxWithLogSumExp(poisoned(x), mask: spoiled)
                expectSameBits(given.array, y.array, "\(poison)")
                expectSameBits(givenSums.array, sums.array, "log-sum-exp, \(poison)")
                #expect(zip(given.array, 0...).allSatisfy { takesPart[$1 % takesPart.count] || $0 == 0 })
                let expected = try scoreSoftmaxBackward(dy, output: y, scores: x, logSumExp: sums, mask: mask)
                let gradients = try scoreSoftmaxBackward(
                    poisoned(dy), output: y, scores: poisoned(x), logSumExp: sums, mask: spoiled)
                expectSameBits(gradients.scores.array, expected.scores.array, "gradient, \(poison)")
                expectSameBits(gradients.bias!.array, expected.bias!.array, "gradient of the bias, \(poison)")
            }
        }
    }

    /// Queries that see no key, and rows with a NaN or ∞ that counts.
    @Test(arguments: [5, 100, 1500])
    func specialRows(keys: Int) throws {
        let x = try scores([1, 1, 4, keys])
        let none = try result(x, .keyLengths([0]))
        #expect(none.y.allSatisfy { $0.bitPattern == 0 } && none.dx.allSatisfy { $0.bitPattern == 0 })
        #expect(none.sums.allSatisfy { $0 == -.infinity })
        let sinks = try Tensor([Float(2.25)], shape: [1])
        let drained = try result(x, .keyLengths([0]).sinks(sinks))
        #expect(drained.y.allSatisfy { $0 == 0 } && drained.sums.allSatisfy { $0 == 2.25 })
        #expect(drained.dx.allSatisfy { $0 == 0 })
        let before = try result(x, .causal(offset: -2))
        #expect(before.y[0..<2 * keys].allSatisfy { $0 == 0 } && before.y[2 * keys] == 1)
        for poison in [Float.nan, .infinity] {
            var elements = x.array
            elements[keys + 1] = poison  // row 1
            let y = try scoreSoftmax(Tensor(elements, shape: x.shape), mask: .causal(offset: 2)).array
            #expect(y[keys..<keys + 4].allSatisfy { $0.isNaN } && y[keys + 4..<2 * keys].allSatisfy { $0 == 0 })
            #expect((y[..<keys] + y[(2 * keys)...]).allSatisfy { $0.isFinite }, "other rows do not notice")
        }
    }

    // MARK: - Layouts

    @Test func layouts() throws {
        let x = try scores([4, 3, 5, 30])
        let mask = AttentionMask.causal().sinks(Tensor([0, 1, -1]))
        let (y, sums) = try scoreSoftmaxWithLogSumExp(x, scale: 0.3, mask: mask)
        let stored = try x.transposed(1, 2).contiguous().transposed(1, 2)  // heads within queries
        try expectSameBits(scoreSoftmax(stored, scale: 0.3, mask: mask).array, y.array, "another order in memory")
        let keysFirst = try x.transposed(0, 3).contiguous().transposed(0, 3)
        try expectSameBits(scoreSoftmax(keysFirst, scale: 0.3, mask: mask).array, y.array, "keys not contiguous")
        let part = try scoreSoftmax(x.sliced(1..<3), scale: 0.3, mask: mask)
        try expectSameBits(part.array, y.sliced(1..<3).array, "a slice")
        let oneHead = try scoreSoftmax(x.sliced(0..<1).reshaped(to: [3, 5, 30]), scale: 0.3, mask: mask)
        try expectSameBits(oneHead.array, y.sliced(0..<1).array, "three axes")
        var inPlace = x
        try scoreSoftmax(inPlace: &inPlace, scale: 0.3, mask: mask)
        expectSameBits(inPlace.array, y.array, "in place")
        #expect(x[0, 0, 0, 0] != y[0, 0, 0, 0], "copies keep their elements")
        var into = try Tensor(repeating: Float(0), shape: [4, 5, 3, 30]).transposed(1, 2)
        try scoreSoftmax(x, scale: 0.3, mask: mask, into: &into)
        expectSameBits(into.array, y.array, "into")
        let dy = try scores(x.shape, seed: 9)
        let dx = try scoreSoftmaxBackward(dy, output: y, logSumExp: sums, scale: 0.3, mask: mask).scores
        let turned = try scoreSoftmaxBackward(
            dy.transposed(1, 2).contiguous().transposed(1, 2), output: y, logSumExp: sums, scale: 0.3, mask: mask)
        expectSameBits(turned.scores.array, dx.array, "gradients of another order")
        #expect(try scoreSoftmax(Tensor<Float>([], shape: [0, 3, 5, 4])).count == 0)
    }
}
