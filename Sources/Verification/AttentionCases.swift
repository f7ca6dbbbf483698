package import Normalization

// Cases of attention.

/// The extents of one attention.
package struct AttentionExtents: Sendable {
    package var batch = 2
    package var keyHeads = 2
    package var group = 1
    package var queries: Int
    package var keys: Int
    package var headSize = 20
    package var valueSize = 20

    package init(
        batch: Int = 2, keyHeads: Int = 2, group: Int = 1, queries: Int, keys: Int, headSize: Int = 20,
        valueSize: Int = 20
    ) {
        self.batch = batch
        self.keyHeads = keyHeads
        self.group = group
        self.queries = queries
        self.keys = keys
        self.headSize = headSize
        self.valueSize = valueSize
    }
}

extension OperatorCase {
    package static func attention<Element: KernelElement, KeyElement: KernelElement>(
        _ type: Element.Type, keys keyType: KeyElement.Type, _ parts: MaskParts, _ e: AttentionExtents,
        spread: Float = 1, dropout: Dropout? = nil, seed: UInt64 = 1
    ) throws(NormalizationError) -> OperatorCase {
        var random = RandomNumbers(seed: seed)
        func drawn<T: KernelElement>(_ shape: Shape) throws(NormalizationError) -> Tensor<T> {
            let elements = random.normals(shape.elementCount ?? 0).map { $0 * spread }
            return Tensor(rounding: try Tensor(elements, shape: shape))
        }
        let heads = e.keyHeads * e.group
        let query: Tensor<Element> = try drawn([e.batch, heads, e.queries, e.headSize])
        let key: Tensor<KeyElement> = try drawn([e.batch, e.keyHeads, e.keys, e.headSize])
        let value: Tensor<KeyElement> = try drawn([e.batch, e.keyHeads, e.keys, e.valueSize])
        let gradient: Tensor<Element> = try drawn([e.batch, heads, e.queries, e.valueSize])
        let mask = try AttentionMask.drawn(
            parts, Float.self, batch: e.batch, heads: heads, queries: e.queries, keys: e.keys, random: &random)
        let data = "\(Element.storageType) and \(KeyElement.storageType) \(e), masks \(parts.rawValue)"
            + (dropout.map { ", dropout \($0.probability)" } ?? "")
        return OperatorCase("attention", data) { backend throws(NormalizationError) in
            let (output, statistics) = try attentionWithStatistics(
                query: query, key: key, value: value, mask: mask, dropout: dropout, firstQuery: 7, backend: backend)
            let gradients = try attentionBackward(
                gradient, query: query, key: key, value: value, output: output, statistics: statistics, mask: mask,
                dropout: dropout, firstQuery: 7, backend: backend)
            return [
                output.floats, statistics.logSumExp.array, statistics.logSumExpLow.array, gradients.query.floats,
                gradients.key.floats, gradients.value.floats, gradients.bias?.array ?? [],
                gradients.slopes?.array ?? [], gradients.sinks?.array ?? [],
            ]
        }
    }

    static func attention<Element: KernelElement>(_ type: Element.Type) throws(NormalizationError) -> [OperatorCase] {
        var cases: [OperatorCase] = []
        for parts in [[], .causal, .all, [.softcap, .bias], [.boolean, .sinks]] as [MaskParts] {
            cases.append(try attention(type, keys: type, parts, AttentionExtents(queries: 30, keys: 70)))
            cases.append(
                try attention(
                    type, keys: Float.self, parts, AttentionExtents(group: 3, queries: 2, keys: 600),
                    dropout: Dropout(probability: 0.2, seed: 5)))
        }
        return cases
    }
}
