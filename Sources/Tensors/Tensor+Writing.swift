// Writing: elements of one tensor into a part of another.

extension Tensor {
    /// Writes `source` into the part of this tensor of the same extents that begins at `start`, one index an axis. Both
    /// have contiguous rows, and the part is within this tensor.
    package mutating func write(_ source: Tensor, at start: [Int]) {
        precondition(zip(start, zip(source.shape.extents, shape.extents)).allSatisfy { $0 >= 0 && $0 + $1.0 <= $1.1 })
        makeUnique()
        let first = zip(start, strides).reduce(offset) { $0 + $1.0 * $1.1 }
        let part = Tensor(storage: storage, offset: first, shape: source.shape, strides: strides)
        let columns = source.shape[source.shape.rank - 1]
        source.forEachRowRun(with: part) { rows in
            for row in 0..<rows.rows {
                part.storage.copy(
                    columns, from: source.storage, at: rows.source.start + row * rows.source.stride,
                    to: rows.destination.start + row * rows.destination.stride)
            }
        }
    }
}
