package import Normalization

/// Moments of rows, rows normalized by given moments, and their gradients, against the pure Swift reference.
package enum RowMomentsVerification {
    /// What a backend made of rows that are cut in two: the merged moments of the parts, each part normalized by them, and
    /// likewise the gradients.
    package struct Result: Sendable {
        package let moments: [Moments]
        package let parts: [Tensor<Float>]
        package let gradientMoments: [GradientMoments]
        /// Of each part those of the input, weight and bias.
        package let gradients: [Tensor<Float>]

        package init<Element: KernelElement>(
            _ input: LayerNormVerification.Case, as _: Element.Type, cut: Int, backend: Backend
        ) throws(NormalizationError) {
            let columns = input.x.shape[1]
            let ranges = cut > 0 && cut < columns ? [0..<cut, cut..<columns] : [0..<columns]
            let (x, dy) = (Tensor<Element>(rounding: input.x), Tensor<Element>(rounding: input.outputGradient))
            var moments: [Moments] = []
            for range in ranges {
                let part = try rowMoments(x.sliced(range, axis: 1), backend: backend)
                moments = moments.isEmpty ? part : zip(moments, part).map { $0.merged(with: $1) }
            }
            var parts: [Tensor<Float>] = []
            for range in ranges {
                parts.append(
                    try normalize(
                        x.sliced(range, axis: 1), with: moments, weight: input.weight?.sliced(range),
                        bias: input.bias?.sliced(range), epsilon: input.epsilon, backend: backend
                    ).widened())
            }
            var gradientMoments: [GradientMoments] = []
            for range in ranges {
                let part = try rowGradientMoments(
                    dy.sliced(range, axis: 1), x: x.sliced(range, axis: 1), moments: moments,
                    weight: input.weight?.sliced(range), epsilon: input.epsilon, backend: backend)
                gradientMoments =
                    gradientMoments.isEmpty ? part : zip(gradientMoments, part).map { $0.merged(with: $1) }
            }
            var gradients: [Tensor<Float>] = []
            for range in ranges {
                let part = try normalizeBackward(
                    dy.sliced(range, axis: 1), x: x.sliced(range, axis: 1), moments: moments,
                    gradientMoments: gradientMoments, weight: input.weight?.sliced(range), epsilon: input.epsilon,
                    backend: backend)
                gradients += [part.input.widened()] + [part.weight, part.bias].compactMap { $0 }
            }
            self.moments = moments
            self.parts = parts
            self.gradientMoments = gradientMoments
            self.gradients = gradients
        }

        package func comparison(with expected: Result) -> BitComparison {
            var bits = BitComparison()
            bits.compare(moments, expected.moments)
            bits.compare(gradientMoments, expected.gradientMoments)
            for (part, expected) in zip(parts + gradients, expected.parts + expected.gradients) {
                bits.compare(part, expected)
            }
            return bits
        }
    }

    /// One row for every instruction set that is here.
    package static func verify(_ cases: [LayerNormVerification.Case]) throws -> [VerificationRow] {
        var rows: [VerificationRow] = []
        for input in cases {
            let cut = input.x.shape[1] / 3
            let expected = try Result(input, as: Float.self, cut: cut, backend: .reference)
            let expectedBrief = try Result(input, as: BFloat16.self, cut: cut, backend: .reference)
            for instructionSet in InstructionSet.available {
                var row = VerificationRow(
                    operation: "rows by moments", data: input.name, backend: instructionSet.rawValue)
                for threads in LayerNormVerification.threadCounts {
                    let backend = Backend.kernels(instructionSet, threads: threads)
                    row.comparison.add(
                        try Result(input, as: Float.self, cut: cut, backend: backend).comparison(with: expected))
                    row.comparison.add(
                        try Result(input, as: BFloat16.self, cut: cut, backend: backend).comparison(with: expectedBrief))
                }
                rows.append(row)
            }
        }
        return rows
    }
}
