package import Normalization

/// LayerNorm and RMSNorm in every storage type, of tensors and of residual sums, quantized and not, with their gradients:
/// each backend's answers in one list, to be compared with another's.
package struct RowNormCase<Element: KernelElement, Parameter: KernelElement>: Sendable {
    package let norm: RowNorm
    package let hasResidual: Bool
    let x, branch, outputGradient, sumGradient: Tensor<Element>
    let weight, bias, branchBias, branchScale: Tensor<Parameter>?
    let residualScale: Float
    let dropout: Dropout?
    let weightOffset: Float
    let epsilon: Float

    package var name: String {
        "\(Element.storageType), \(x.shape.extents), \(Parameter.storageType) parameters"
    }

    /// `rows` rows of the patterns in turns. The seed also draws which options there are.
    package init(
        _ norm: RowNorm, residual: Bool, rows: Int, columns: Int, patterns: [RowPattern] = [.offset(0), .offset(-300)],
        seed: UInt64
    ) throws(NormalizationError) {
        var random = RandomNumbers(seed: seed)
        func matrix(_ patterns: [RowPattern]) throws(NormalizationError) -> Tensor<Element> {
            let elements = (0..<rows).flatMap { patterns[$0 % patterns.count].row(columns, random: &random) }
            return Tensor(rounding: try Tensor(elements, shape: [rows, columns]))
        }
        func vector(_ given: Bool) -> Tensor<Parameter>? {
            given ? Tensor(rounding: Tensor(random.normals(columns))) : nil
        }
        self.norm = norm
        hasResidual = residual
        x = try matrix(patterns)
        branch = try matrix([.offset(0)])
        outputGradient = try matrix([.offset(0), .offset(3)])
        sumGradient = try matrix([.scale(0.1)])
        let options = random.nextBits()
        weight = vector(options & 1 == 0)
        bias = vector(options & 2 == 0)
        branchBias = vector(options & 4 == 0)
        branchScale = vector(options & 8 == 0)
        residualScale = options & 16 == 0 ? 1 : 1.7
        dropout = options & 32 == 0 ? nil : try Dropout(probability: 0.3, seed: options)
        weightOffset = norm == .rmsNorm && options & 64 == 0 ? 1 : 0
        epsilon = options & 128 == 0 ? 1e-5 : 0
    }

    private init(_ other: RowNormCase<some KernelElement, Parameter>) {
        norm = other.norm
        hasResidual = other.hasResidual
        x = Tensor(rounding: other.x.widened())
        branch = Tensor(rounding: other.branch.widened())
        outputGradient = Tensor(rounding: other.outputGradient.widened())
        sumGradient = Tensor(rounding: other.sumGradient.widened())
        (weight, bias, branchBias, branchScale) = (other.weight, other.bias, other.branchBias, other.branchScale)
        residualScale = other.residualScale
        dropout = other.dropout
        weightOffset = other.weightOffset
        epsilon = other.epsilon
    }

    /// The same numbers, stored as floats.
    package var widened: RowNormCase<Float, Parameter> { RowNormCase<Float, Parameter>(self) }

    /// The answers that have the elements' storage type; the others are float32 (or integers) whatever that is.
    package static var stored: Set<String> { ["output", "sum", "input gradient", "branch gradient", "quantized sum"] }

    /// Everything that a backend makes of the case, as floats.
    package func answers(_ backend: Backend) throws(NormalizationError) -> [(what: String, elements: [Float])] {
        hasResidual ? try residualAnswers(backend) : try plainAnswers(backend)
    }

    private func plainAnswers(_ backend: Backend) throws(NormalizationError) -> [(what: String, elements: [Float])] {
        let output: Tensor<Element>
        let statistics: RowStatistics
        let gradients: NormGradients<Element>
        let quantized: QuantizedRows
        switch norm {
        case .layerNorm:
            (output, statistics) = try layerNormWithStatistics(
                x, weight: weight, bias: bias, epsilon: epsilon, backend: backend)
            gradients = try layerNormBackward(
                outputGradient, x: x, weight: weight, statistics: statistics, backend: backend)
            quantized = try quantizedLayerNorm(x, weight: weight, bias: bias, epsilon: epsilon, backend: backend)
        case .rmsNorm:
            (output, statistics) = try rmsNormWithStatistics(
                x, weight: weight, bias: bias, weightOffset: weightOffset, epsilon: epsilon, backend: backend)
            gradients = try rmsNormBackward(
                outputGradient, x: x, weight: weight, weightOffset: weightOffset, statistics: statistics,
                backend: backend)
            quantized = try quantizedRMSNorm(
                x, weight: weight, bias: bias, weightOffset: weightOffset, epsilon: epsilon, backend: backend)
        }
        return [
            ("output", output.widened().array), ("input gradient", gradients.input.widened().array),
            ("weight gradient", gradients.weight?.array ?? []), ("bias gradient", gradients.bias?.array ?? []),
        ] + answers(statistics) + answers(quantized)
    }

    private func residualAnswers(_ backend: Backend) throws(NormalizationError) -> [(what: String, elements: [Float])] {
        let result: ResidualNormOutput<Element>
        let gradients: ResidualNormGradients<Element>
        let quantized: (sum: Tensor<Element>, quantized: QuantizedRows)
        switch norm {
        case .layerNorm:
            result = try residualLayerNorm(
                x, adding: branch, branchBias: branchBias, branchScale: branchScale, residualScale: residualScale,
                dropout: dropout, weight: weight, bias: bias, epsilon: epsilon, backend: backend)
            gradients = try residualLayerNormBackward(
                outputGradient, sumGradient: sumGradient, x: x, adding: branch, branchBias: branchBias,
                branchScale: branchScale, residualScale: residualScale, dropout: dropout, weight: weight,
                statistics: result.statistics, backend: backend)
            quantized = try quantizedResidualLayerNorm(
                x, adding: branch, weight: weight, bias: bias, epsilon: epsilon, backend: backend)
        case .rmsNorm:
            result = try residualRMSNorm(
                x, adding: branch, branchBias: branchBias, branchScale: branchScale, residualScale: residualScale,
                dropout: dropout, weight: weight, bias: bias, weightOffset: weightOffset, epsilon: epsilon,
                backend: backend)
            gradients = try residualRMSNormBackward(
                outputGradient, x: x, adding: branch, branchBias: branchBias, branchScale: branchScale,
                residualScale: residualScale, dropout: dropout, weight: weight, weightOffset: weightOffset,
                statistics: result.statistics, backend: backend)
            quantized = try quantizedResidualRMSNorm(
                x, adding: branch, weight: weight, bias: bias, weightOffset: weightOffset, epsilon: epsilon,
                backend: backend)
        }
        return [
            ("sum", result.sum.widened().array), ("output", result.output.widened().array),
            ("input gradient", gradients.input.widened().array), ("branch gradient", gradients.branch.widened().array),
            ("weight gradient", gradients.weight.array), ("bias gradient", gradients.bias.array),
            ("branch bias gradient", gradients.branchBias.array),
            ("branch scale gradient", gradients.branchScale.array),
            ("quantized sum", quantized.sum.widened().array),
        ] + answers(result.statistics) + answers(quantized.quantized)
    }

    private func answers(_ statistics: RowStatistics) -> [(what: String, elements: [Float])] {
        [
            ("mean", statistics.mean.array), ("mean's low part", statistics.meanLow.array),
            ("reciprocal deviation", statistics.reciprocalDeviation.array),
        ]
    }

    private func answers(_ quantized: QuantizedRows) -> [(what: String, elements: [Float])] {
        [("quantized values", quantized.values.array.map { Float($0) }), ("quantized scales", quantized.scales.array)]
    }
}

/// Every instruction set and thread count against the reference, for `normalize verify`.
package enum RowNormVerification {
    package static func verify(progress: (String) -> Void = { _ in }) throws -> [VerificationRow] {
        var rows: [VerificationRow] = []
        for norm in RowNorm.allCases {
            for residual in [false, true] {
                rows += try verify(norm, residual: residual, Float.self, Float.self, progress)
                rows += try verify(norm, residual: residual, BFloat16.self, Float.self, progress)
                rows += try verify(norm, residual: residual, BFloat16.self, BFloat16.self, progress)
                #if !((os(macOS) || targetEnvironment(macCatalyst)) && arch(x86_64))
                    rows += try verify(norm, residual: residual, Float16.self, Float16.self, progress)
                #endif
            }
        }
        return rows
    }

    private static func verify<Element: KernelElement, Parameter: KernelElement>(
        _ norm: RowNorm, residual: Bool, _: Element.Type, _: Parameter.Type, _ progress: (String) -> Void
    ) throws -> [VerificationRow] {
        let operation = residual ? "residual \(norm.rawValue)" : norm.rawValue
        let data = "\(Element.storageType), \(Parameter.storageType) parameters"
        progress("\(operation), \(data)")
        var rows = InstructionSet.available.map {
            VerificationRow(operation: operation, data: data, backend: $0.rawValue)
        }
        for (seed, columns) in [1, 17, 64, 100, 768, 1025, 3000].enumerated() {
            let input = try RowNormCase<Element, Parameter>(
                norm, residual: residual, rows: 21, columns: columns,
                patterns: [.offset(0), .offset(-300), .scale(1e-3), .outlier(2e4), .constant(0.1)], seed: UInt64(seed))
            let expected = try input.answers(.reference)
            for index in rows.indices {
                for threads in LayerNormVerification.threadCounts {
                    let given = try input.answers(.kernels(InstructionSet.available[index], threads: threads))
                    for (given, expected) in zip(given, expected) {
                        rows[index].comparison.compare(given.elements, expected.elements)
                    }
                }
            }
        }
        return rows
    }
}
