package import Tensors

/// Norms of parts of rows in plain Swift: the rows' own reference on each segment's columns.
extension NormReference {
    /// Statistics are [segments, rows].
    package static func forward(
        _ norm: RowNorm, _ x: [Scalar], segments: SegmentOffsets, weight: [Scalar]?, bias: [Scalar]?, shared: Bool,
        epsilon: Scalar
    ) -> Output {
        let columns = segments.total
        let rows = x.count / columns
        let saved = [Scalar](repeating: 0, count: rows * segments.count)
        var output = Output(y: x, mean: saved, meanLow: saved, rstd: saved)
        for segment in 0..<segments.count where !segments.range(segment).isEmpty {
            let range = segments.range(segment)
            let own = shared ? 0..<range.count : range
            let part = forward(
                norm, block(x, range, columns: columns), columns: range.count, weight: weight.map { Array($0[own]) },
                bias: bias.map { Array($0[own]) }, epsilon: epsilon)
            put(part.y, into: &output.y, range, columns: columns)
            for row in 0..<rows {
                output.mean[segment * rows + row] = part.mean[row]
                output.meanLow[segment * rows + row] = part.meanLow[row]
                output.rstd[segment * rows + row] = part.rstd[row]
            }
        }
        return output
    }

    package static func backward(
        _ norm: RowNorm, _ dy: [Scalar], x: [Scalar], segments: SegmentOffsets, weight: [Scalar]?, shared: Bool,
        mean: [Scalar], meanLow: [Scalar], rstd: [Scalar]
    ) -> Gradients {
        let columns = segments.total
        let rows = x.count / columns
        var result = Gradients(dx: x, dweight: [], dbias: [])
        var weightSums: [[[Scalar]]] = []  // [segment][block][column]
        var biasSums = weightSums
        for segment in 0..<segments.count where !segments.range(segment).isEmpty {
            let range = segments.range(segment)
            let own = shared ? 0..<range.count : range
            let saved = segment * rows..<(segment + 1) * rows
            let passes = Passes(
                x: block(x, range, columns: columns), columns: range.count, weight: weight.map { Array($0[own]) },
                mean: Array(mean[saved]), meanLow: Array(meanLow[saved]), rstd: Array(rstd[saved]))
            let dy = block(dy, range, columns: columns)
            let part = backward(
                norm, dy, x: passes.x, columns: range.count, weight: passes.weight, mean: passes.mean,
                meanLow: passes.meanLow, rstd: passes.rstd)
            put(part.dx, into: &result.dx, range, columns: columns)
            if shared {
                weightSums.append(
                    sums(rows: rows, columns: range.count) { (dy[$0 * range.count + $1], passes.xhat($0, $1)) })
                biasSums.append(sums(rows: rows, columns: range.count) { (dy[$0 * range.count + $1], 1) })
            } else {
                result.dweight += part.dweight
                result.dbias += part.dbias
            }
        }
        if shared {
            result.dweight = merged(weightSums, columns: segments.range(0).count)
            result.dbias = merged(biasSums, columns: segments.range(0).count)
        }
        return result
    }

    /// The partial sums of each block of rows.
    private static func sums(
        rows: Int, columns: Int, _ factors: (_ row: Int, _ column: Int) -> (Scalar, Scalar)
    ) -> [[Scalar]] {
        let size = BlockedColumnSums<Scalar>.rowsPerBlock(rows: rows)
        return stride(from: 0, to: rows, by: size).map { first in
            (0..<columns).map { column in
                var sum: Scalar = 0
                for row in first..<min(first + size, rows) {
                    let (a, b) = factors(row, column)
                    sum.addProduct(a, b)
                }
                return sum
            }
        }
    }

    /// Block by block, in each the segments in their order.
    private static func merged(_ sums: [[[Scalar]]], columns: Int) -> [Scalar] {
        guard let blocks = sums.first?.count, blocks > 0 else { return [Scalar](repeating: 0, count: columns) }
        return (0..<columns).map { column in
            let partial = (0..<blocks).flatMap { block in sums.map { $0[block][column] } }
            return partial.dropFirst().reduce(partial[0], +)
        }
    }

    /// Columns `range` of every row, densely.
    private static func block(_ x: [Scalar], _ range: Range<Int>, columns: Int) -> [Scalar] {
        stride(from: 0, to: x.count, by: columns).flatMap { x[$0 + range.lowerBound..<$0 + range.upperBound] }
    }

    private static func put(_ part: [Scalar], into x: inout [Scalar], _ range: Range<Int>, columns: Int) {
        for (row, first) in stride(from: 0, to: x.count, by: columns).enumerated() {
            for (index, column) in range.enumerated() { x[first + column] = part[row * range.count + index] }
        }
    }
}

/// LayerNorm over the neighbourhoods of a graph: each is a row whose weight and bias are the same in every column.
extension NormReference {
    /// Scores are [heads, edges], statistics [heads, nodes].
    package static func forwardOverEdges(
        _ x: [Scalar], heads: Int, segments: SegmentOffsets, weight: [Scalar]?, bias: [Scalar]?, epsilon: Scalar
    ) -> Output {
        var output = Output(y: [], mean: [], meanLow: [], rstd: [])
        for head in 0..<heads {
            for node in 0..<segments.count {
                let range = segments.range(node)
                let first = head * segments.total + range.lowerBound
                let part =
                    range.isEmpty
                    ? Output(y: [], mean: [0], meanLow: [0], rstd: [0])
                    : forward(
                        .layerNorm, Array(x[first..<first + range.count]), columns: range.count,
                        weight: weight.map { Array(repeating: $0[head], count: range.count) },
                        bias: bias.map { Array(repeating: $0[head], count: range.count) }, epsilon: epsilon)
                output.y += part.y
                output.mean += part.mean
                output.meanLow += part.meanLow
                output.rstd += part.rstd
            }
        }
        return output
    }

    package static func backwardOverEdges(
        _ dy: [Scalar], x: [Scalar], heads: Int, segments: SegmentOffsets, weight: [Scalar]?, mean: [Scalar],
        meanLow: [Scalar], rstd: [Scalar]
    ) -> Gradients {
        var result = Gradients(dx: [], dweight: [], dbias: [])
        for head in 0..<heads {
            var (weightSum, biasSum) = (LaneSum<Scalar>(), LaneSum<Scalar>())
            for node in 0..<segments.count {
                let range = segments.range(node)
                let first = head * segments.total + range.lowerBound
                let saved = head * segments.count + node
                var (weightPart, biasPart) = (LaneSum<Scalar>(), LaneSum<Scalar>())
                if !range.isEmpty {
                    let passes = Passes(
                        x: Array(x[first..<first + range.count]), columns: range.count,
                        weight: weight.map { Array(repeating: $0[head], count: range.count) }, mean: [mean[saved]],
                        meanLow: [meanLow[saved]], rstd: [rstd[saved]])
                    let dy = Array(dy[first..<first + range.count])
                    result.dx +=
                        backward(
                            .layerNorm, dy, x: passes.x, columns: range.count, weight: passes.weight, mean: passes.mean,
                            meanLow: passes.meanLow, rstd: passes.rstd
                        ).dx
                    for column in 0..<range.count {
                        weightPart.add(dy[column], times: passes.xhat(0, column))
                        biasPart.add(dy[column])
                    }
                }
                weightSum.add(weightPart.total)
                biasSum.add(biasPart.total)
            }
            result.dweight.append(weightSum.total)
            result.dbias.append(biasSum.total)
        }
        return result
    }
}
