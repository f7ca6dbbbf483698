package import Normalization

// Cases of softmax and log-softmax, of rows and of neighbourhoods.

extension OperatorCase {
    /// Scores with everything that may happen in a row: wide and tame ones, ties, -∞, ∞, NaN.
    private static func scores<Element: KernelElement>(
        rows: Int, columns: Int, random: inout RandomNumbers
    ) throws(NormalizationError) -> Tensor<Element> {
        let elements = (0..<rows).flatMap { row -> [Float] in
            if row % 5 == 4 {
                return RowPattern.hostile[row / 5 % RowPattern.hostile.count].row(columns, random: &random)
            }
            let scale: Float = [1, 20, 1e4, 1e5][row % 4]
            return random.normals(columns).map { $0 < -1.5 && row % 3 == 0 ? -.infinity : $0 * scale }
        }
        return Tensor(rounding: try Tensor(elements, shape: [rows, columns]))
    }

    /// Forward, log-sum-exp and gradient.
    package static func softmax<Element: KernelElement>(
        _ type: Element.Type, rows: Int, columns: Int, logarithmic: Bool = false, seed: UInt64 = 1
    ) throws(NormalizationError) -> OperatorCase {
        var random = RandomNumbers(seed: seed)
        let x: Tensor<Element> = try scores(rows: rows, columns: columns, random: &random)
        let dy: Tensor<Element> = try RowPattern.tensor([.offset(0)], rows: rows, columns: columns, random: &random)
        return OperatorCase(
            logarithmic ? "logSoftmax" : "softmax", "\(Element.storageType) \(rows)x\(columns)"
        ) { backend throws(NormalizationError) in
            if logarithmic {
                let y = try logSoftmax(x, backend: backend)
                return [y.floats, try logSoftmaxBackward(dy, output: y, backend: backend).floats]
            }
            let (y, sums) = try softmaxWithLogSumExp(x, backend: backend)
            return [y.floats, sums.array, try softmaxBackward(dy, output: y, backend: backend).floats]
        }
    }

    /// Rows that are cut in two, by their merged states: the halves of a state's sum, and what the parts become.
    package static func shardedSoftmax<Element: KernelElement>(
        _ type: Element.Type, rows: Int, columns: Int, cut: Int, seed: UInt64 = 1
    ) throws(NormalizationError) -> OperatorCase {
        var random = RandomNumbers(seed: seed)
        let x: Tensor<Element> = try scores(rows: rows, columns: columns, random: &random)
        let shards = [try x.sliced(0..<cut, axis: 1), try x.sliced(cut..<columns, axis: 1)]
        return OperatorCase("sharded softmax", "\(Element.storageType) \(rows)x\(columns)") {
            backend throws(NormalizationError) in
            let states = zip(
                try softmaxState(shards[0], backend: backend), try softmaxState(shards[1], backend: backend)
            ).map { $0.merged(with: $1) }
            var outputs = [states.map { $0.sum.isNaN ? .nan : $0.max }]
            outputs.append(states.map { Float($0.sum) })
            outputs.append(states.map { Float($0.sum - Double(Float($0.sum))) })
            for shard in shards {
                outputs.append(try Normalization.softmax(shard, with: states, backend: backend).floats)
                outputs.append(try logSoftmax(shard, with: states, backend: backend).floats)
            }
            return outputs
        }
    }

    /// `heads` nil: scores without an axis for them.
    package static func neighbourhoodSoftmax<Element: KernelElement>(
        _ type: Element.Type, degrees: [Int], heads: Int?, seed: UInt64 = 1
    ) throws(NormalizationError) -> OperatorCase {
        var random = RandomNumbers(seed: seed)
        let offsets = try SegmentOffsets(widths: degrees)
        func byEdge(_ byHead: Tensor<Element>) throws(NormalizationError) -> Tensor<Element> {
            heads == nil ? try byHead.reshaped(to: [offsets.total]) : try byHead.transposed(0, 1)
        }
        let x = try byEdge(scores(rows: heads ?? 1, columns: offsets.total, random: &random))
        let dy = try byEdge(
            RowPattern.tensor([.offset(3)], rows: heads ?? 1, columns: offsets.total, random: &random))
        return OperatorCase(
            "neighbourhoodSoftmax", "\(Element.storageType) \(degrees.count) nodes, \(heads ?? 1) heads"
        ) { backend throws(NormalizationError) in
            let y = try Normalization.neighbourhoodSoftmax(x, offsets: offsets, backend: backend)
            return [
                y.floats, try neighbourhoodSoftmaxBackward(dy, output: y, offsets: offsets, backend: backend).floats,
            ]
        }
    }

    package static func softmaxes<Element: KernelElement>(
        _ type: Element.Type
    ) throws(NormalizationError) -> [OperatorCase] {
        var cases: [OperatorCase] = []
        for (rows, columns) in [(400, 64), (60, 300), (40, 1024), (30, 1025), (12, 4097), (4, 50257)] {
            for logarithmic in [false, true] {
                cases.append(try softmax(type, rows: rows, columns: columns, logarithmic: logarithmic))
            }
        }
        for (rows, columns) in [(60, 300), (30, 1025), (4, 50257)] {
            cases.append(try shardedSoftmax(type, rows: rows, columns: columns, cut: columns / 3))
        }
        let degrees = (0..<200).map { [0, 1, 2, 3, 7, 16, 17, 70][($0 * $0) % 8] } + [1500]
        for heads in [nil, 1, 3, 8, 20] {
            cases.append(try neighbourhoodSoftmax(type, degrees: degrees, heads: heads))
        }
        return cases
    }
}
