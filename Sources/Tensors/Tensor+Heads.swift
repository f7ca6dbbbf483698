// Heads of attention: beside each other in the last axis, as projections give them, or an axis of their own.

extension Tensor {
    /// [..., rows, heads · size] as [..., heads, rows, size]. No copy.
    ///
    /// - Throws: `NormalizationError` for fewer than two axes, or a last axis that is not a multiple of `heads`.
    public func splittingHeads(_ heads: Int) throws(NormalizationError) -> Tensor {
        guard shape.rank >= 2, heads > 0, shape[shape.rank - 1] % heads == 0 else {
            throw NormalizationError(
                .shapeMismatch, argument: "heads", expected: "a divisor of the last of at least two axes of \(shape)",
                given: "\(heads)")
        }
        let last = shape.rank - 1
        let size = shape[last] / heads
        return Tensor(
            storage: storage, offset: offset,
            shape: Shape(Array(shape.extents[..<(last - 1)]) + [heads, shape[last - 1], size]),
            strides: Array(strides[..<(last - 1)]) + [strides[last] * size, strides[last - 1], strides[last]])
    }

    /// [..., heads, rows, size] as [..., rows, heads · size]. One copy, unless it came about by `splittingHeads`.
    ///
    /// - Throws: `NormalizationError` for fewer than three axes.
    public func joiningHeads() throws(NormalizationError) -> Tensor {
        guard shape.rank >= 3 else {
            throw NormalizationError(
                .invalidShape, argument: "self", expected: "at least three axes: heads, rows, size",
                given: "shape \(shape)")
        }
        let rows = try transposed(shape.rank - 3, shape.rank - 2)
        let extents = rows.shape.extents
        return try rows.reshaped(
            to: Shape(extents.dropLast(2) + [extents[extents.count - 2] * extents[extents.count - 1]]))
    }
}
