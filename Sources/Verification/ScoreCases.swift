package import Normalization

// Cases of the softmax of masked scores.

/// Parts of a mask.
package struct MaskParts: OptionSet, Hashable, Sendable {
    package let rawValue: Int
    package init(rawValue: Int) { self.rawValue = rawValue }

    package static let softcap = MaskParts(rawValue: 1)
    package static let bias = MaskParts(rawValue: 2)
    package static let alibi = MaskParts(rawValue: 4)
    package static let boolean = MaskParts(rawValue: 8)
    package static let causal = MaskParts(rawValue: 16)
    package static let window = MaskParts(rawValue: 32)
    package static let keyLengths = MaskParts(rawValue: 64)
    package static let sinks = MaskParts(rawValue: 128)
    package static let all = MaskParts(rawValue: 255)
}

extension AttentionMask {
    /// A mask of these parts with drawn numbers; what it shares is drawn, too.
    package static func drawn<Bias: KernelElement>(
        _ parts: MaskParts, _ bias: Bias.Type, batch: Int, heads: Int, queries: Int, keys: Int,
        random: inout RandomNumbers
    ) throws(NormalizationError) -> AttentionMask {
        var mask = AttentionMask()
        func below(_ bound: Int) -> Int { Int(random.nextBits() % UInt64(bound)) }
        func sharing() -> [Int] { [batch, heads, queries].map { below(2) == 0 ? 1 : $0 } }
        if parts.contains(.softcap) { mask = mask.softcap([5, 30, 0.25][below(3)]) }
        if parts.contains(.bias) {
            let shape = Shape(sharing() + [keys])
            let bias = random.normals(shape.elementCount ?? 0).map { $0 > 2.5 ? -.infinity : $0 }
            mask = mask.bias(Tensor<Bias>(rounding: try Tensor(bias, shape: shape)))
        }
        if parts.contains(.alibi) { mask = mask.alibi(slopes: Tensor(random.normals(heads).map { $0 * 0.1 })) }
        if parts.contains(.boolean) {
            let shape = Shape(sharing() + [keys])
            let takesPart = random.normals(shape.elementCount ?? 0).map { $0 < 0.7 }
            mask = mask.boolean(try Tensor(takesPart, shape: shape))
        }
        if below(3) == 0 { mask = mask.queryOffset(below(2 * keys) - keys) }
        if below(4) == 0 { mask = mask.queryOffsets((0..<batch).map { _ in below(2 * keys) - keys }) }
        if parts.contains(.causal) { mask = mask.causal() }
        if parts.contains(.window) {
            mask = mask.window(left: below(4) == 0 ? nil : below(keys), right: below(4) == 0 ? nil : below(keys))
        }
        if parts.contains(.keyLengths) {
            let shape = Shape(sharing())
            let lengths = (0..<(shape.elementCount ?? 0)).map { _ in Int64(below(keys + 1)) }
            mask = mask.keyLengths(try Tensor(lengths, shape: shape))
        }
        if parts.contains(.sinks) { mask = mask.sinks(Tensor(random.normals(heads).map { $0 < -1 ? -.infinity : $0 })) }
        return mask
    }
}

extension OperatorCase {
    package static func scores<Element: KernelElement, Bias: KernelElement>(
        _ type: Element.Type, bias: Bias.Type, _ parts: MaskParts, batch: Int = 2, heads: Int = 3, queries: Int = 5,
        keys: Int, seed: UInt64 = 1
    ) throws(NormalizationError) -> OperatorCase {
        var random = RandomNumbers(seed: seed)
        let shape: Shape = [batch, heads, queries, keys]
        let mask = try AttentionMask.drawn(
            parts, bias, batch: batch, heads: heads, queries: queries, keys: keys, random: &random)
        let patterns: [RowPattern] = [.offset(0), .scale(20), .offset(1e4), .poisoned(.nan), .poisoned(.infinity), .scale(1e4)]
        let flat: Tensor<Element> = try RowPattern.tensor(
            patterns, rows: batch * heads * queries, columns: keys, random: &random)
        let x = try flat.reshaped(to: shape)
        let dy = Tensor<Element>(rounding: try Tensor(random.normals(x.count).map { $0 + 3 }, shape: shape))
        let data = "\(Element.storageType) \(shape), masks \(parts.rawValue)"
        return OperatorCase("scoreSoftmax", data) { backend throws(NormalizationError) in
            let (y, sums) = try scoreSoftmaxWithLogSumExp(x, scale: 0.6, mask: mask, backend: backend)
            let gradients = try scoreSoftmaxBackward(
                dy, output: y, scores: x, logSumExp: sums, scale: 0.6, mask: mask, backend: backend)
            return [
                y.floats, sums.array, gradients.scores.floats, gradients.bias?.array ?? [],
                gradients.slopes?.array ?? [], gradients.sinks?.array ?? [],
            ]
        }
    }

    static func scores<Element: KernelElement>(_ type: Element.Type) throws(NormalizationError) -> [OperatorCase] {
        var cases: [OperatorCase] = []
        for parts in [[], .causal, .all, [.softcap, .bias], [.boolean, .sinks], [.window, .keyLengths, .alibi]] as [MaskParts] {
            for keys in [17, 128, 700] { cases.append(try scores(type, bias: Float.self, parts, keys: keys)) }
        }
        return cases
    }
}
