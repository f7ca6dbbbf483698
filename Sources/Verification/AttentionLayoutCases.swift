package import Normalization

// Cases of attention of packed sequences, over caches, and over shards of keys.

extension OperatorCase {
    /// Packed sequences forward and backward, and the same over a contiguous and a paged cache.
    package static func attentionOfBatch<Element: KernelElement, KeyElement: KernelElement>(
        _ type: Element.Type, keys keyType: KeyElement.Type, _ parts: MaskParts, _ e: AttentionExtents,
        pageSize: Int = 16, seed: UInt64 = 1
    ) throws(NormalizationError) -> OperatorCase {
        let batch = try PackedBatch<Element, KeyElement>(parts, e, seed: seed)
        let caches = [
            try batch.cache(pageSize: nil, chunk: 50), try batch.cache(pageSize: pageSize, chunk: pageSize / 2 + 1),
        ]
        let data = "\(Element.storageType) and \(KeyElement.storageType) \(e), masks \(parts.rawValue)"
        return OperatorCase("packed and cached attention", data) { backend throws(NormalizationError) in
            let (output, statistics) = try attentionWithStatistics(
                query: batch.query, key: batch.key, value: batch.value, queryOffsets: batch.queryOffsets,
                keyOffsets: batch.keyOffsets, mask: batch.mask, backend: backend)
            let gradients = try attentionBackward(
                batch.gradient, query: batch.query, key: batch.key, value: batch.value,
                queryOffsets: batch.queryOffsets, keyOffsets: batch.keyOffsets, output: output,
                statistics: statistics, mask: batch.mask, backend: backend)
            var outputs = [
                output.floats, statistics.logSumExp.array, statistics.logSumExpLow.array, gradients.query.floats,
                gradients.key.floats, gradients.value.floats,
            ]
            for cache in caches {
                let (output, statistics) = try attentionWithStatistics(
                    query: batch.query, cache: cache, queryOffsets: batch.queryOffsets, mask: batch.mask,
                    backend: backend)
                outputs += [output.floats, statistics.logSumExp.array, statistics.logSumExpLow.array]
            }
            return outputs
        }
    }

    /// Keys that are cut in two, by their merged states.
    package static func shardedAttention<Element: KernelElement, KeyElement: KernelElement>(
        _ type: Element.Type, keys keyType: KeyElement.Type, _ e: AttentionExtents, cut: Int, seed: UInt64 = 1
    ) throws(NormalizationError) -> OperatorCase {
        var random = RandomNumbers(seed: seed)
        let query: Tensor<Element> = try random.tensor([e.batch, e.keyHeads * e.group, e.queries, e.headSize])
        let key: Tensor<KeyElement> = try random.tensor([e.batch, e.keyHeads, e.keys, e.headSize])
        let value: Tensor<KeyElement> = try random.tensor([e.batch, e.keyHeads, e.keys, e.valueSize])
        let data = "\(Element.storageType) and \(KeyElement.storageType) \(e), cut at \(cut)"
        return OperatorCase("sharded attention", data) { backend throws(NormalizationError) in
            func state(_ keys: Range<Int>) throws(NormalizationError) -> AttentionState {
                try attentionState(
                    query: query, key: key.sliced(keys, axis: 2), value: value.sliced(keys, axis: 2),
                    mask: .causal(offset: e.keys - e.queries - keys.lowerBound), backend: backend)
            }
            let whole = try state(0..<cut).merged(with: state(cut..<e.keys))
            return [whole.output.array, whole.statistics.logSumExp.array, whole.statistics.logSumExpLow.array]
        }
    }

    static func attentionLayouts<Element: KernelElement>(
        _ type: Element.Type
    ) throws(NormalizationError) -> [OperatorCase] {
        let extents = AttentionExtents(batch: 3, queries: 20, keys: 90)
        var cases = try ([[], .causal, .all] as [MaskParts]).map { (parts) throws(NormalizationError) in
            try attentionOfBatch(type, keys: type, parts, extents)
        }
        cases.append(
            try attentionOfBatch(
                type, keys: Float.self, .causal, AttentionExtents(batch: 2, group: 3, queries: 2, keys: 600)))
        cases.append(try shardedAttention(type, keys: type, extents, cut: 70))
        return cases
    }
}
