// RowRuns: how a tensor of any rank looks to a kernel over the last axis: matrices of rows, each with
// one row stride. `@inlinable`, as all of Tensor that a call passes through: another module would
// otherwise run it unspecialised, at 37 ns a function.

/// Rows that lie one stride apart, in two tensors of one shape.
@usableFromInline package struct RowRun {
    @usableFromInline package let rows: Int
    /// The first row's number, counting all rows in row-major order.
    @usableFromInline package let firstRow: Int
    /// Positions in the storages of the first row, and from row to row.
    @usableFromInline package let source: (start: Int, stride: Int)
    @usableFromInline package let destination: (start: Int, stride: Int)

    @inlinable package init(
        rows: Int, firstRow: Int, source: (start: Int, stride: Int), destination: (start: Int, stride: Int)
    ) {
        self.rows = rows
        self.firstRow = firstRow
        self.source = source
        self.destination = destination
    }
}

extension Tensor {
    /// Whether the last axis is contiguous, as kernels need it.
    @inlinable package var hasContiguousRows: Bool {
        guard let last = strides.last else { return false }
        return last == 1 || shape[shape.rank - 1] <= 1
    }

    /// Calls `body` with as few runs of rows as serve this tensor and `destination` (of equal shape):
    /// one if the leading axes of both collapse into one stride. Allocates nothing.
    @inlinable package func forEachRowRun<Other, Failure: Error>(
        with destination: Tensor<Other>, _ body: (RowRun) throws(Failure) -> Void
    ) throws(Failure) {
        guard isContiguous, destination.isContiguous else {
            return try visitRows(axis: 0, firstRow: 0, offset, destination.offset, with: destination, body)
        }
        let columns = shape[shape.rank - 1]
        let rows = rowCount(from: 0)
        if rows == 0 { return }
        try body(
            RowRun(rows: rows, firstRow: 0, source: (offset, columns), destination: (destination.offset, columns)))
    }

    @inlinable package func visitRows<Other, Failure: Error>(
        axis: Int, firstRow: Int, _ start: Int, _ otherStart: Int, with other: Tensor<Other>,
        _ body: (RowRun) throws(Failure) -> Void
    ) throws(Failure) {
        let rows = rowCount(from: axis)
        if rows == 0 { return }
        if let stride = rowStride(from: axis), let otherStride = other.rowStride(from: axis) {
            return try body(
                RowRun(rows: rows, firstRow: firstRow, source: (start, stride), destination: (otherStart, otherStride)))
        }
        for index in 0..<shape[axis] {
            try visitRows(
                axis: axis + 1, firstRow: firstRow + index * rowCount(from: axis + 1), start + index * strides[axis],
                otherStart + index * other.strides[axis], with: other, body)
        }
    }

    /// The number of rows in the axes from `axis` to the last but one.
    @inlinable package func rowCount(from axis: Int) -> Int {
        var rows = 1
        for axis in axis..<Swift.max(axis, shape.rank - 1) { rows &*= shape[axis] }
        return rows
    }

    /// The stride from row to row if those axes collapse into one, else nil. One row has its length.
    @inlinable package func rowStride(from axis: Int) -> Int? {
        var rowStride: Int?
        var next = 0
        for axis in stride(from: shape.rank - 2, through: axis, by: -1) where shape[axis] != 1 {
            if rowStride == nil { rowStride = strides[axis] } else if strides[axis] != next { return nil }
            next = strides[axis] &* shape[axis]
        }
        return rowStride ?? shape[shape.rank - 1]
    }
}
