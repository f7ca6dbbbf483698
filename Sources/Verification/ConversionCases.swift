package import Normalization

// Cases of conversions from one storage type to another.

extension OperatorCase {
    /// Contiguous elements, and a view with gaps between its rows.
    package static func conversion<Element: KernelElement, Other: KernelElement>(
        _ type: Element.Type, to other: Other.Type, rows: Int, columns: Int, patterns: [RowPattern], seed: UInt64 = 1
    ) throws(NormalizationError) -> OperatorCase {
        var random = RandomNumbers(seed: seed)
        let x: Tensor<Element> = try RowPattern.tensor(patterns, rows: rows, columns: columns, random: &random)
        let view = try x.sliced(0..<(columns + 1) / 2, axis: 1)
        let data = "\(Element.storageType) to \(Other.storageType) \(rows)x\(columns)"
        return OperatorCase("converted", data) { backend throws(NormalizationError) in
            [
                try x.converted(to: other, backend: backend).floats,
                try view.converted(to: other, backend: backend).floats,
            ]
        }
    }

    /// From `type` to every type: numbers of any size, and magnitudes around the ends of binary16 and bfloat16.
    package static func conversions<Element: KernelElement>(
        _ type: Element.Type
    ) throws(NormalizationError) -> [OperatorCase] {
        let patterns: [RowPattern] =
            RowPattern.hostile + [
                .offset(0), .scale(1e-5), .scale(0x1p-24), .scale(3e4), .scale(0x1p-130), .scale(1e38),
            ]
        func cases<Other: KernelElement>(to other: Other.Type) throws(NormalizationError) -> [OperatorCase] {
            [
                try conversion(type, to: other, rows: 22, columns: 300, patterns: patterns),
                try conversion(type, to: other, rows: 1, columns: 70001, patterns: [.scale(1e-4)]),
            ]
        }
        return try cases(to: Float.self) + cases(to: BFloat16.self) + cases(to: Float16.self)
    }
}
