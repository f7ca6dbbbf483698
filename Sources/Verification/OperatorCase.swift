package import Normalization

/// One call of an operator, to be made on every backend.
package struct OperatorCase: Sendable {
    package let operation: String
    package let data: String
    /// Everything that the operator writes, as floats.
    package let outputs: @Sendable (Backend) throws(NormalizationError) -> [[Float]]

    package init(
        _ operation: String, _ data: String,
        outputs: @escaping @Sendable (Backend) throws(NormalizationError) -> [[Float]]
    ) {
        self.operation = operation
        self.data = data
        self.outputs = outputs
    }

    /// Random and hostile cases of every operator, in every storage type.
    package static func all() throws(NormalizationError) -> [OperatorCase] {
        func of<Element: KernelElement>(_ type: Element.Type) throws(NormalizationError) -> [OperatorCase] {
            try residualGeometry(type) + segmentsAndNeighbourhoods(type) + conversions(type)
                + softmaxes(type) + scores(type) + attention(type) + attentionLayouts(type)
        }
        return try of(Float.self) + of(BFloat16.self) + of(Float16.self)
    }

    /// A row for every case and instruction set: all thread counts against the reference.
    package static func verify(_ cases: [OperatorCase]) throws -> [VerificationRow] {
        var rows: [VerificationRow] = []
        for input in cases {
            let expected = try input.outputs(.reference)
            for instructionSet in InstructionSet.available {
                var row = VerificationRow(
                    operation: input.operation, data: input.data, backend: instructionSet.rawValue)
                for threads in LayerNormVerification.threadCounts {
                    let given = try input.outputs(.kernels(instructionSet, threads: threads))
                    for (given, expected) in zip(given, expected) { row.comparison.compare(given, expected) }
                }
                rows.append(row)
            }
        }
        return rows
    }
}

extension Tensor where Element: KernelElement {
    /// The elements in row-major order as floats.
    package var floats: [Float] { widened().array }
}

extension RowPattern {
    /// `rows` rows of the patterns in turns, each element rounded once.
    package static func tensor<Element: KernelElement>(
        _ patterns: [RowPattern], rows: Int, columns: Int, random: inout RandomNumbers
    ) throws(NormalizationError) -> Tensor<Element> {
        let elements = (0..<rows).flatMap { patterns[$0 % patterns.count].row(columns, random: &random) }
        return Tensor(rounding: try Tensor(elements, shape: [rows, columns]))
    }
}
