// One answer for the whole family: LayerNorm and RMSNorm in every storage type, of tensors and of residual sums.

internal import Normalization
import Testing
internal import Verification

@Suite struct RowNormBitsTests {
    private static let widths = [
        1, 2, 3, 7, 15, 16, 17, 31, 33, 63, 64, 65, 80, 100, 127, 128, 129, 255, 257, 300, 384, 511, 513, 768, 1000, 1024,
        1025, 2049, 4097,
    ]

    /// LayerNormBitsTests goes through all thread counts; the loops over rows are the same.
    private static let fewBackends = TestedBackends.instructionSets.flatMap { set -> [Backend] in
        [.kernels(set, threads: 1), .kernels(set, threads: 3)]
    }

    private func expectOneAnswer<Element: KernelElement, Parameter: KernelElement>(
        _: Element.Type, _: Parameter.Type, _ norm: RowNorm, columns: Int, rows: Int = 9,
        patterns: [RowPattern] = [.offset(0), .offset(-300), .outlier(2e4)], backends: [Backend] = fewBackends
    ) throws {
        for residual in [false, true] {
            for seed in 0..<UInt64(3) {
                let input = try RowNormCase<Element, Parameter>(
                    norm, residual: residual, rows: rows, columns: columns, patterns: patterns,
                    seed: seed + UInt64(columns))
                let expected = try input.answers(.reference)
                for backend in backends {
                    for (given, expected) in zip(try input.answers(backend), expected) {
                        expectSameBits(
                            given.elements, expected.elements,
                            "\(norm.rawValue), residual \(residual), \(input.name), \(backend): \(expected.what)")
                    }
                }
            }
        }
    }

    @Test(arguments: RowNorm.allCases, TestedSizes.thinned(widths, debugStep: 5))
    func float(norm: RowNorm, columns: Int) throws {
        try expectOneAnswer(Float.self, Float.self, norm, columns: columns)
    }

    @Test(arguments: RowNorm.allCases, TestedSizes.thinned(widths, debugStep: 7))
    func bfloat16(norm: RowNorm, columns: Int) throws {
        try expectOneAnswer(BFloat16.self, Float.self, norm, columns: columns)
        try expectOneAnswer(BFloat16.self, BFloat16.self, norm, columns: columns, rows: 5)
    }

    #if !((os(macOS) || targetEnvironment(macCatalyst)) && arch(x86_64))
        @Test(arguments: RowNorm.allCases, TestedSizes.thinned(widths, debugStep: 7))
        func float16(norm: RowNorm, columns: Int) throws {
            try expectOneAnswer(Float16.self, Float.self, norm, columns: columns)
            try expectOneAnswer(Float16.self, Float16.self, norm, columns: columns, rows: 5)
        }
    #endif

    @Test(arguments: RowNorm.allCases, [1, 5, 17, 64, 100, 1030])
    func hostileRows(norm: RowNorm, columns: Int) throws {
        let rows = 2 * RowPattern.hostile.count
        try expectOneAnswer(
            Float.self, Float.self, norm, columns: columns, rows: rows, patterns: RowPattern.hostile,
            backends: TestedBackends.instructionSets.map { .kernels($0, threads: 2) })
        try expectOneAnswer(
            BFloat16.self, Float.self, norm, columns: columns, rows: rows, patterns: RowPattern.hostile,
            backends: TestedBackends.instructionSets.map { .kernels($0, threads: 2) })
    }

    /// Sums over rows where blocks of rows grow.
    @Test(arguments: [1, 2, 15, 16, 17, 129, 1025, 1300])
    func everyNumberOfRowBlocks(rows: Int) throws {
        try expectOneAnswer(Float.self, Float.self, .rmsNorm, columns: 24, rows: rows)
        try expectOneAnswer(BFloat16.self, BFloat16.self, .layerNorm, columns: 40, rows: rows)
    }

    /// 16-bit results are those of float32 input rounded once; so are sums of residuals.
    @Test(arguments: [1, 5, 64, 100, 1000])
    func sixteenBitsAreRoundedOnce(columns: Int) throws {
        var random = RandomNumbers(seed: 5)
        let x = Tensor<BFloat16>(rounding: try Tensor(random.normals(7 * columns), shape: [7, columns]))
        let branch = Tensor<BFloat16>(rounding: try Tensor(random.normals(7 * columns), shape: [7, columns]))
        let weight = Tensor(random.normals(columns))
        let wide = try residualLayerNorm(x.widened(), adding: branch.widened(), weight: weight)
        let narrow = try residualLayerNorm(x, adding: branch, weight: weight)
        #expect(narrow.output == Tensor<BFloat16>(rounding: wide.output))
        #expect(narrow.sum == Tensor<BFloat16>(rounding: wide.sum))
        #expect(try layerNorm(x, weight: weight) == Tensor<BFloat16>(rounding: layerNorm(x.widened(), weight: weight)))
        #expect(try rmsNorm(x, weight: weight) == Tensor<BFloat16>(rounding: rmsNorm(x.widened(), weight: weight)))
    }

    /// The forms that write into existing tensors, against those that return new ones.
    @Test(arguments: RowNorm.allCases, [5, 64, 300])
    func updatingForms(norm: RowNorm, columns: Int) throws {
        var random = RandomNumbers(seed: 6)
        let x = try Tensor(random.normals(6 * columns), shape: [2, 3, columns])
        let branch = try Tensor(random.normals(6 * columns), shape: [2, 3, columns])
        let weight = Tensor(random.normals(columns))
        for backend in [Backend.automatic, .reference] {
            var stream = x
            var y = try Tensor<Float>(repeating: 0, shape: x.shape)
            switch norm {
            case .layerNorm:
                let expected = try residualLayerNorm(x, adding: branch, weight: weight)
                try residualLayerNorm(updating: &stream, adding: branch, weight: weight, into: &y, backend: backend)
                #expect(stream == expected.sum && y == expected.output)
                var sum = y
                try residualLayerNorm(x, adding: branch, weight: weight, sum: &sum, into: &y, backend: backend)
                #expect(sum == expected.sum && y == expected.output)
                try layerNorm(x, weight: weight, into: &y, backend: backend)
                #expect(try y == layerNorm(x, weight: weight))
                try layerNorm(inPlace: &stream, weight: weight, backend: backend)
                #expect(stream == expected.output)
            case .rmsNorm:
                let expected = try residualRMSNorm(x, adding: branch, weight: weight, weightOffset: 1)
                try residualRMSNorm(
                    updating: &stream, adding: branch, weight: weight, weightOffset: 1, into: &y, backend: backend)
                #expect(stream == expected.sum && y == expected.output)
                var sum = y
                try residualRMSNorm(
                    x, adding: branch, weight: weight, weightOffset: 1, sum: &sum, into: &y, backend: backend)
                #expect(sum == expected.sum && y == expected.output)
                try rmsNorm(x, weight: weight, into: &y, backend: backend)
                #expect(try y == rmsNorm(x, weight: weight))
                try rmsNorm(inPlace: &stream, weight: weight, weightOffset: 1, backend: backend)
                #expect(stream == expected.output)
            }
            #expect(x.array != stream.array)
        }
    }
}
