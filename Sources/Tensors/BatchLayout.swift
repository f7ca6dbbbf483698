/// How the rows of a batch lie in a tensor of four axes.
package enum BatchLayout: Sendable {
    /// [batch, heads, rows, columns]. Entries that have fewer rows than others are padded.
    case padded
    /// [1, heads, rows of all entries, columns]: entry after entry.
    case packed(SegmentOffsets)
    /// [pages, heads, pageSize, columns]: row r < lengths[b] of entry b is row r mod pageSize of page
    /// tables[b][r / pageSize].
    case paged(tables: [[Int32]], lengths: [Int], pageSize: Int)

    /// Rows that lie together: those of one index of the first axis.
    package struct Run {
        package let index: Int
        package let rows: Range<Int>
    }

    /// Where rows of an entry lie, in their order.
    package func runs(ofEntry entry: Int, rows: Range<Int>) -> [Run] {
        if rows.isEmpty { return [] }
        switch self {
        case .padded: return [Run(index: entry, rows: rows)]
        case .packed(let offsets):
            let first = offsets.offsets[entry]
            return [Run(index: 0, rows: first + rows.lowerBound..<first + rows.upperBound)]
        case .paged(let tables, _, let size):
            return (rows.lowerBound / size...(rows.upperBound - 1) / size).map { page in
                let all = rows.clamped(to: page * size..<(page + 1) * size)
                return Run(
                    index: Int(tables[entry][page]), rows: all.lowerBound - page * size..<all.upperBound - page * size)
            }
        }
    }
}

// MARK: - From layout to layout

extension BatchLayout {
    /// Rows `rows` of one entry: [1, heads, rows, columns].
    package func part<Element>(
        of x: Tensor<Element>, entry: Int, rows: Range<Int>
    ) throws(NormalizationError) -> Tensor<Element> {
        var part = Tensor<Element>(uninitializedLike: [1, x.shape[1], rows.count, x.shape[3]])
        var row = 0
        for run in runs(ofEntry: entry, rows: rows) {
            part.write(try x.rows(of: run), at: [0, 0, row, 0])
            row += run.rows.count
        }
        return part
    }

    /// `x`, which has this layout, as [batch, heads, rows, columns], with `padding` behind the rows of an entry.
    package func padded<Element>(
        _ x: Tensor<Element>, rows: Int, with padding: Element = .zero
    ) throws(NormalizationError) -> Tensor<Element> {
        guard let counts else { return x }
        var padded = try Tensor(repeating: padding, shape: [counts.count, x.shape[1], rows, x.shape[3]])
        for (entry, count) in counts.enumerated() where count > 0 {
            padded.write(try part(of: x, entry: entry, rows: 0..<count), at: [entry, 0, 0, 0])
        }
        return padded
    }

    /// Rows of each entry, if the layout says how many they are.
    private var counts: [Int]? {
        switch self {
        case .padded: nil
        case .packed(let offsets): offsets.widths
        case .paged(_, let lengths, _): lengths
        }
    }

    /// The inverse of `padded`, for tensors that are padded or packed.
    package func unpadded<Element>(_ x: Tensor<Element>) throws(NormalizationError) -> Tensor<Element> {
        guard case .packed(let offsets) = self else { return x }
        var packed = Tensor<Element>(uninitializedLike: [1, x.shape[1], offsets.total, x.shape[3]])
        for (entry, count) in offsets.widths.enumerated() where count > 0 {
            packed.write(try x.rows(of: Run(index: entry, rows: 0..<count)), at: [0, 0, offsets.offsets[entry], 0])
        }
        return packed
    }
}

extension Tensor {
    /// Some of the rows of one index of the first axis. No copy.
    package func rows(of run: BatchLayout.Run) throws(NormalizationError) -> Tensor {
        try sliced(run.index..<run.index + 1).sliced(run.rows, axis: 2)
    }
}
