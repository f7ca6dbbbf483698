// bfloat16 and binary16 results are the float32 results of the same numbers, rounded once: every operator of the family.

internal import Normalization
import Testing
internal import Verification

@Suite struct SixteenBitFamilyTests {
    /// `narrow` must be `wide` rounded, NaNs being equal.
    private func expectRounded<Element: KernelElement>(
        _ narrow: Tensor<Element>?, _ wide: Tensor<Float>?, _ what: String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect((narrow == nil) == (wide == nil), sourceLocation: sourceLocation)
        guard let narrow, let wide else { return }
        expectSameBits(
            narrow.widened().array, Tensor<Element>(rounding: wide).widened().array, what,
            sourceLocation: sourceLocation)
    }

    private func rows<Element: KernelElement>(
        _ patterns: [RowPattern], rows: Int, columns: Int, seed: UInt64
    ) throws -> Tensor<Element> {
        var random = RandomNumbers(seed: seed)
        return try RowPattern.tensor(patterns, rows: rows, columns: columns, random: &random)
    }

    private static let patterns: [RowPattern] = [.offset(0), .offset(-30), .scale(1e-3), .outlier(2e4), .constant(0.1)]

    private func forms<Element: KernelElement>(_: Element.Type, _ form: NormForm, columns: Int) throws {
        let x: Tensor<Element> = try rows(Self.patterns, rows: 7, columns: columns, seed: 1)
        let dy: Tensor<Element> = try rows([.offset(2)], rows: 7, columns: columns, seed: 2)
        for affine in [false, true] {
            let narrow = try form(x, dy: dy, affine: affine, backend: .automatic)
            let wide = try form(x.widened(), dy: dy.widened(), affine: affine, backend: .automatic)
            expectRounded(narrow.output, wide.output, "\(form), y")
            expectRounded(narrow.inputGradient, wide.inputGradient, "\(form), dx")
            #expect(narrow.weightGradient == wide.weightGradient, "\(form), dweight")
        }
    }

    @Test(arguments: NormForm.allCases, [1, 5, 64, 100, 1000])
    func normsOfRows(form: NormForm, columns: Int) throws {
        try forms(BFloat16.self, form, columns: columns)
        #if !((os(macOS) || targetEnvironment(macCatalyst)) && arch(x86_64))
            try forms(Float16.self, form, columns: columns)
        #endif
    }

    /// With every option of a residual sum, dropout among them, and quantized outputs.
    private func options<Element: KernelElement, Parameter: KernelElement>(
        _: Element.Type, _: Parameter.Type, _ norm: RowNorm, seed: UInt64
    ) throws {
        for residual in [false, true] {
            let input = try RowNormCase<Element, Parameter>(
                norm, residual: residual, rows: 9, columns: 77, patterns: Self.patterns, seed: seed)
            let wide = try input.widened.answers(.automatic)
            for (given, wide) in zip(try input.answers(.automatic), wide) {
                let isStored = type(of: input).stored.contains(given.what)
                let expected = isStored ? wide.elements.map { Element(rounding: $0).widened } : wide.elements
                guard !given.elements.isEmpty || !expected.isEmpty else { continue }
                expectSameBits(given.elements, expected, "\(norm), residual \(residual), seed \(seed): \(given.what)")
            }
        }
    }

    @Test(arguments: RowNorm.allCases, 0..<UInt64(8))
    func residualSumsAndQuantizedRows(norm: RowNorm, seed: UInt64) throws {
        try options(BFloat16.self, Float.self, norm, seed: seed)
        try options(BFloat16.self, BFloat16.self, norm, seed: seed)
        #if !((os(macOS) || targetEnvironment(macCatalyst)) && arch(x86_64))
            try options(Float16.self, Float16.self, norm, seed: seed)
        #endif
    }

    private func denormalized<Element: KernelElement>(_: Element.Type, _ layout: ChannelLayout) throws {
        let x: Tensor<Element> = try rows([.offset(5), .scale(3)], rows: 6, columns: 35, seed: 3)
        let series = try x.reshaped(to: layout == .channelsFirst ? [2, 3, 35] : [2, 35, 3])
        var random = RandomNumbers(seed: 4)
        let (weight, bias) = (Tensor(random.normals(3)), Tensor(random.normals(3)))
        let statistics = try channelNormWithStatistics(series, over: .instances, layout: layout).statistics
        expectRounded(
            try channelDenormalize(series, weight: weight, bias: bias, statistics: statistics),
            try channelDenormalize(series.widened(), weight: weight, bias: bias, statistics: statistics), "denormalized"
        )
    }

    private func denormalizedBack<Element: KernelElement>(_: Element.Type, _ layout: ChannelLayout) throws {
        let y: Tensor<Element> = try rows([.offset(0.5)], rows: 6, columns: 35, seed: 3)
            .reshaped(to: layout == .channelsFirst ? [2, 3, 35] : [2, 35, 3])
        let gradient: Tensor<Element> = try rows([.offset(1)], rows: 6, columns: 35, seed: 4).reshaped(to: y.shape)
        let (weight, bias) = (Tensor<Float>([0.5, -2, 3]), Tensor<Float>([1, 0, -1]))
        let statistics = try channelNormWithStatistics(y, over: .instances, layout: layout).statistics
        let narrow = try channelDenormalizeBackward(
            gradient, y: y, weight: weight, bias: bias, statistics: statistics)
        let wide = try channelDenormalizeBackward(
            gradient.widened(), y: y.widened(), weight: weight, bias: bias, statistics: statistics)
        expectRounded(narrow.input, wide.input, "gradient of the inverse")
        #expect(narrow.weight == wide.weight && narrow.bias == wide.bias)
    }

    @Test(arguments: ChannelLayout.allCases)
    func denormalizedSeries(layout: ChannelLayout) throws {
        try denormalized(BFloat16.self, layout)
        try denormalizedBack(BFloat16.self, layout)
        #if !((os(macOS) || targetEnvironment(macCatalyst)) && arch(x86_64))
            try denormalized(Float16.self, layout)
            try denormalizedBack(Float16.self, layout)
        #endif
    }

    private func secondOrder<Element: KernelElement>(_: Element.Type, _ norm: RowNorm, columns: Int) throws {
        let x: Tensor<Element> = try rows([.offset(3), .scale(2)], rows: 5, columns: columns, seed: 5)
        let v: Tensor<Element> = try rows([.offset(1)], rows: 5, columns: columns, seed: 6)
        let dy: Tensor<Element> = try rows([.offset(-1)], rows: 5, columns: columns, seed: 7)
        var random = RandomNumbers(seed: 8)
        let (weight, p, q) = (
            Tensor(random.normals(columns)), Tensor(random.normals(columns)), Tensor(random.normals(columns))
        )
        let statistics =
            norm == .layerNorm ? try layerNormWithStatistics(x).statistics : try rmsNormWithStatistics(x).statistics
        func results<Other: KernelElement>(
            _ x: Tensor<Other>, _ v: Tensor<Other>, _ dy: Tensor<Other>
        ) throws -> (tangent: Tensor<Other>, second: NormSecondGradients<Other>) {
            switch norm {
            case .layerNorm:
                (
                    try layerNormTangent(
                        v, x: x, weight: weight, weightTangent: p, biasTangent: q, statistics: statistics),
                    try layerNormDoubleBackward(
                        inputCotangent: v, weightCotangent: p, biasCotangent: q, outputGradient: dy, x: x,
                        weight: weight,
                        statistics: statistics)
                )
            case .rmsNorm:
                (
                    try rmsNormTangent(
                        v, x: x, weight: weight, weightTangent: p, biasTangent: q, statistics: statistics),
                    try rmsNormDoubleBackward(
                        inputCotangent: v, weightCotangent: p, biasCotangent: q, outputGradient: dy, x: x,
                        weight: weight,
                        statistics: statistics)
                )
            }
        }
        let narrow = try results(x, v, dy)
        let wide = try results(x.widened(), v.widened(), dy.widened())
        expectRounded(narrow.tangent, wide.tangent, "tangent")
        expectRounded(narrow.second.outputGradient, wide.second.outputGradient, "gradient for dy")
        expectRounded(narrow.second.input, wide.second.input, "gradient for x")
        #expect(narrow.second.weight == wide.second.weight)
    }

    @Test(arguments: RowNorm.allCases, [1, 64, 101])
    func tangentsAndGradientsOfGradients(norm: RowNorm, columns: Int) throws {
        try secondOrder(BFloat16.self, norm, columns: columns)
        #if !((os(macOS) || targetEnvironment(macCatalyst)) && arch(x86_64))
            try secondOrder(Float16.self, norm, columns: columns)
        #endif
    }

    private func orthogonal<Element: KernelElement>(_: Element.Type, columns: Int, centred: Bool) throws {
        let x: Tensor<Element> = try rows([.offset(3), .scale(2)], rows: 5, columns: columns, seed: 5)
        let f: Tensor<Element> = try rows([.offset(1)], rows: 5, columns: columns, seed: 6)
        let dh: Tensor<Element> = try rows([.offset(-1)], rows: 5, columns: columns, seed: 7)
        expectRounded(
            try orthogonalResidualAdd(x, update: f, centred: centred),
            try orthogonalResidualAdd(x.widened(), update: f.widened(), centred: centred), "h")
        let narrow = try orthogonalResidualAddBackward(dh, x: x, update: f, centred: centred)
        let wide = try orthogonalResidualAddBackward(
            dh.widened(), x: x.widened(), update: f.widened(), centred: centred)
        expectRounded(narrow.input, wide.input, "dx")
        expectRounded(narrow.update, wide.update, "dupdate")
    }

    @Test(arguments: [1, 64, 101], [false, true])
    func orthogonalResidualAdds(columns: Int, centred: Bool) throws {
        try orthogonal(BFloat16.self, columns: columns, centred: centred)
        #if !((os(macOS) || targetEnvironment(macCatalyst)) && arch(x86_64))
            try orthogonal(Float16.self, columns: columns, centred: centred)
        #endif
    }
}
