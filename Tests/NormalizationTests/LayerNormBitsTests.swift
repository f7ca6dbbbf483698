// One answer: every instruction set and thread count gives the bits of the Swift reference.

internal import Normalization
import Testing
internal import Verification

@Suite struct LayerNormBitsTests {
    private func expectOneAnswer(_ input: LayerNormVerification.Case, _ backends: [Backend]) throws {
        let expected = try LayerNormVerification.Result(input, backend: .reference)
        for backend in backends {
            let given = try LayerNormVerification.Result(input, backend: backend)
            expectSameBits(given, expected, "\(input.name), \(backend)")
        }
    }

    private func affine(columns: Int) -> (weight: Tensor<Float>, bias: Tensor<Float>) {
        var random = RandomNumbers(seed: 11)
        return (Tensor(random.normals(columns)), Tensor(random.normals(columns)))
    }

    /// Enough rows for every thread to get some, as far as time allows.
    private func rows(_ columns: Int) -> Int { columns <= 1025 ? 37 : columns <= 8192 ? 9 : 5 }

    @Test(arguments: TestedSizes.thinned(TestedSizes.widths, debugStep: 3) + [50257])
    func everyWidth(columns: Int) throws {
        let input = try LayerNormVerification.Case(
            "width \(columns)", rows: rows(columns), columns: columns,
            patterns: [.offset(0), .offset(-300), .scale(1e-3), .outlier(2e4)], seed: UInt64(columns))
        try expectOneAnswer(input, TestedBackends.all)
    }

    /// Both, either and none of weight and bias: the kernels have code of its own for absent ones.
    @Test(arguments: [1, 2, 15, 16, 17, 63, 64, 65, 100, 300, 1024, 1025, 4096])
    func withAndWithoutWeightAndBias(columns: Int) throws {
        let (weight, bias) = affine(columns: columns)
        let base = try LayerNormVerification.Case("", rows: 9, columns: columns, patterns: [.offset(3)])
        for (name, weight, bias) in [
            ("both", weight, bias), ("weight", weight, nil), ("bias", nil, bias), ("none", nil, nil),
        ] {
            let input = LayerNormVerification.Case(
                "\(name), width \(columns)", x: base.x, outputGradient: base.outputGradient, weight: weight, bias: bias,
                epsilon: 1e-5)
            try expectOneAnswer(input, TestedBackends.kernels)
        }
    }

    @Test(arguments: [1, 2, 5, 16, 17, 64, 65, 100, 300, 1030], [Float(1e-5), 0, 1e-12, 1, 1e30])
    func hostileRows(columns: Int, epsilon: Float) throws {
        let input = try LayerNormVerification.Case(
            "hostile rows, width \(columns), epsilon \(epsilon)", rows: 2 * RowPattern.hostile.count, columns: columns,
            patterns: RowPattern.hostile, affine: columns % 2 == 0, epsilon: epsilon, seed: UInt64(columns))
        try expectOneAnswer(input, TestedBackends.kernels)
    }

    /// Sums over rows: around the blocks of 4 and 16 rows, and where blocks grow (beyond 64 of 16 rows).
    @Test(arguments: [
        1, 2, 3, 4, 5, 15, 16, 17, 31, 32, 33, 127, 128, 129, 1023, 1024, 1025, 1040, 1280, 1281, 2500, 5000,
    ])
    func everyNumberOfRowBlocks(rows: Int) throws {
        for columns in [3, 24] {
            let input = try LayerNormVerification.Case("\(rows) rows of \(columns)", rows: rows, columns: columns)
            try expectOneAnswer(input, TestedBackends.kernels)
        }
    }

    /// More memory than half of a last cache of up to 64 MiB: outputs bypass the caches. Long rows and short
    /// ones, whose kernels differ, and not a whole number of groups. (The C program kernelcheck forces that
    /// path on every machine.)
    @Test(arguments: [(4101, 1056), (33005, 128), (16903, 256)])
    func outputsLargerThanTheCache(rows: Int, columns: Int) throws {
        let input = try LayerNormVerification.Case("beyond the cache", rows: rows, columns: columns)
        try expectOneAnswer(input, TestedBackends.instructionSets.map { .kernels($0, threads: 2) })
    }

    @Test func realActivations() throws {
        for input in try LayerNormVerification.realCases() { try expectOneAnswer(input, TestedBackends.all) }
    }

    /// The command-line tool's table: it names every instruction set, compares something and finds nothing.
    @Test func verificationTableIsWholeAndClean() throws {
        let input = try LayerNormVerification.Case("37 x 65", rows: 37, columns: 65)
        let table = try LayerNormVerification.verify([input])
        for operation in ["layerNorm", "layerNorm backward"] {
            let backends = table.filter { $0.operation == operation }.map(\.backend)
            #expect(backends == InstructionSet.available.map(\.rawValue))
        }
        for row in table { #expect(row.comparison.compared > 0 && row.comparison.different == 0) }
    }

    @Test(arguments: [Int.max, Int(Int32.max) + 1, 1000])
    func manyMoreThreadsThanRows(threads: Int) throws {
        let input = try LayerNormVerification.Case("\(threads) threads", rows: 5, columns: 33)
        try expectOneAnswer(input, [.kernels(threads: threads)])
    }
}

@Suite struct BitComparisonTests {
    /// What the tests above trust: every kind of difference is seen, and nothing else.
    @Test func differencesAreCounted() {
        func different(_ a: [Float], _ b: [Float]) -> Int {
            var bits = BitComparison()
            bits.compare(a, b)
            #expect(bits.compared == max(a.count, b.count))
            return bits.different
        }
        #expect(different([1, 2, 3], [1, 2, 3]) == 0)
        #expect(different([1, 2, 3], [1, 2.0000002, 4]) == 2)
        #expect(different([0], [-0.0]) == 1)
        #expect(different([.nan, -.nan], [-.nan, .signalingNaN]) == 0)
        #expect(different([.nan], [1]) == 1)
        #expect(different([1], [.nan]) == 1)
        #expect(different([.infinity], [-.infinity]) == 1)
        #expect(different([1, 2], [1]) == 1)
        #expect(different([], [1, 2, 3]) == 3)
    }

    @Test func aWrongElementOfAResultIsSeen() throws {
        let input = try LayerNormVerification.Case("", rows: 3, columns: 8)
        var x = input.x
        x[1, 3] += 1
        let other = LayerNormVerification.Case(
            "", x: x, outputGradient: input.outputGradient, weight: input.weight, bias: input.bias, epsilon: 1e-5)
        let a = try LayerNormVerification.Result(input, backend: .reference)
        let b = try LayerNormVerification.Result(other, backend: .reference)
        #expect(a.forwardComparison(with: b).different > 0)
        #expect(a.backwardComparison(with: b).different > 0)
        #expect(a.forwardComparison(with: a).different == 0)
    }
}
