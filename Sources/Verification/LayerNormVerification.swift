package import Normalization

/// One line of a verification table.
package struct VerificationRow: Sendable {
    package let operation: String
    package let data: String
    package let backend: String
    package var comparison = BitComparison()
}

/// Layer normalization on every instruction set and thread count against the pure Swift reference.
package enum LayerNormVerification {
    /// Input of one comparison: rows, parameters, and a gradient for the backward pass.
    package struct Case: Sendable {
        package let name: String
        package let x: Tensor<Float>
        package let outputGradient: Tensor<Float>
        package let weight: Tensor<Float>?
        package let bias: Tensor<Float>?
        package let epsilon: Float

        package init(
            _ name: String, x: Tensor<Float>, outputGradient: Tensor<Float>, weight: Tensor<Float>?,
            bias: Tensor<Float>?, epsilon: Float
        ) {
            self.name = name
            self.x = x
            self.outputGradient = outputGradient
            self.weight = weight
            self.bias = bias
            self.epsilon = epsilon
        }

        /// `rows` rows, of the patterns in turns.
        package init(
            _ name: String, rows: Int, columns: Int, patterns: [RowPattern] = [.offset(0)], affine: Bool = true,
            epsilon: Float = 1e-5, seed: UInt64 = 1
        ) throws(NormalizationError) {
            var random = RandomNumbers(seed: seed)
            let x = (0..<rows).flatMap { patterns[$0 % patterns.count].row(columns, random: &random) }
            self.init(
                name, x: try Tensor(x, shape: [rows, columns]),
                outputGradient: try Tensor(random.normals(x.count), shape: [rows, columns]),
                weight: affine ? Tensor(random.normals(columns)) : nil,
                bias: affine ? Tensor(random.normals(columns)) : nil, epsilon: epsilon)
        }
    }

    /// What a backend made of a case.
    package struct Result: Sendable {
        package let y: Tensor<Float>
        package let statistics: RowStatistics
        package let gradients: NormGradients<Float>

        package init(_ input: Case, backend: Backend) throws(NormalizationError) {
            (y, statistics) = try layerNormWithStatistics(
                input.x, weight: input.weight, bias: input.bias, epsilon: input.epsilon, backend: backend)
            gradients = try layerNormBackward(
                input.outputGradient, x: input.x, weight: input.weight, statistics: statistics, backend: backend)
        }

        package func forwardComparison(with expected: Result) -> BitComparison {
            var bits = BitComparison()
            bits.compare(y, expected.y)
            bits.compare(statistics.mean, expected.statistics.mean)
            bits.compare(statistics.meanLow, expected.statistics.meanLow)
            bits.compare(statistics.reciprocalDeviation, expected.statistics.reciprocalDeviation)
            return bits
        }

        package func backwardComparison(with expected: Result) -> BitComparison {
            var bits = BitComparison()
            bits.compare(gradients.input, expected.gradients.input)
            bits.compare(gradients.weight, expected.gradients.weight)
            bits.compare(gradients.bias, expected.gradients.bias)
            return bits
        }
    }

    /// The real activations.
    package static func realCases() throws -> [Case] {
        try MiniLMActivations().layerNormStages.map { stage in
            Case(
                "MiniLM \(stage.name)", x: stage.x, outputGradient: stage.outputGradient, weight: stage.weight,
                bias: stage.bias, epsilon: MiniLMActivations.epsilon)
        }
    }

    /// Random and hostile rows over small, odd and large widths.
    package static func syntheticCases() throws(NormalizationError) -> [Case] {
        var cases: [Case] = []
        for columns in [1, 2, 3, 7, 16, 17, 63, 64, 65, 127, 300, 768, 1000, 1024, 1025, 4097] {
            cases.append(try Case("random, width \(columns)", rows: 37, columns: columns))
        }
        for columns in [5, 64, 100, 1030] {
            for epsilon: Float in [1e-5, 0] {
                cases.append(
                    try Case(
                        "hostile, width \(columns), epsilon \(epsilon)", rows: 30, columns: columns,
                        patterns: RowPattern.hostile, affine: columns != 100, epsilon: epsilon))
            }
        }
        cases.append(try Case("random, width 50257", rows: 2, columns: 50257))
        cases.append(try Case("many row blocks", rows: 2500, columns: 24))
        return cases
    }

    /// Thread counts that are compared: one, as many as CI has, an odd number, more than there are cores.
    package static let threadCounts = [1, 2, 3, 8]

    /// Two rows (forward, backward) for every instruction set that is here and every thread count.
    package static func verify(_ cases: [Case], progress: (Case) -> Void = { _ in }) throws -> [VerificationRow] {
        var rows: [VerificationRow] = []
        for input in cases {
            progress(input)
            let expected = try Result(input, backend: .reference)
            for instructionSet in InstructionSet.available {
                var forward = VerificationRow(
                    operation: "layerNorm", data: input.name, backend: instructionSet.rawValue)
                var backward = VerificationRow(
                    operation: "layerNorm backward", data: input.name, backend: instructionSet.rawValue)
                for threads in threadCounts {
                    let backend = Backend.kernels(instructionSet, threads: threads)
                    let given = try Result(input, backend: backend)
                    forward.comparison.add(given.forwardComparison(with: expected))
                    backward.comparison.add(given.backwardComparison(with: expected))
                }
                rows += [forward, backward]
            }
        }
        return rows
    }
}
