// Views: tensors that share their origin's memory.

extension Tensor {
    /// Indices `range` of one axis. No copy.
    ///
    /// - Throws: `NormalizationError` if the axis or the range is outside the tensor.
    public func sliced(_ range: Range<Int>, axis: Int = 0) throws(NormalizationError) -> Tensor {
        try check(axis: axis, argument: "axis")
        guard range.lowerBound >= 0, range.upperBound <= shape[axis] else {
            throw NormalizationError(
                .outOfRange, argument: "range", expected: "within 0..<\(shape[axis])", given: "\(range)")
        }
        var extents = shape.extents
        extents[axis] = range.count
        let isEmpty = extents.contains(0)  // whose strides may be anything
        let start = offset + (isEmpty ? 0 : range.lowerBound * strides[axis])
        return Tensor(storage: storage, offset: start, shape: Shape(extents), strides: strides)
    }

    /// The same elements with two axes exchanged. No copy.
    ///
    /// - Throws: `NormalizationError` if an axis is outside the tensor.
    public func transposed(_ first: Int, _ second: Int) throws(NormalizationError) -> Tensor {
        try check(axis: first, argument: "first")
        try check(axis: second, argument: "second")
        var extents = shape.extents
        var strides = strides
        extents.swapAt(first, second)
        strides.swapAt(first, second)
        return Tensor(storage: storage, offset: offset, shape: Shape(extents), strides: strides)
    }

    /// The same elements with one axis at another place; the others keep their order. No copy.
    ///
    /// - Throws: `NormalizationError` if an axis is outside the tensor.
    public func movingAxis(_ source: Int, to destination: Int) throws(NormalizationError) -> Tensor {
        try check(axis: source, argument: "source")
        try check(axis: destination, argument: "destination")
        var extents = shape.extents
        var strides = strides
        extents.insert(extents.remove(at: source), at: destination)
        strides.insert(strides.remove(at: source), at: destination)
        return Tensor(storage: storage, offset: offset, shape: Shape(extents), strides: strides)
    }

    /// The same elements in row-major order under another shape. One copy if the tensor is not contiguous.
    ///
    /// - Throws: `NormalizationError` if the shapes hold different numbers of elements.
    public func reshaped(to shape: Shape) throws(NormalizationError) -> Tensor {
        let count = try shape.validatedCount(argument: "shape", elementSize: MemoryLayout<Element>.stride)
        guard count == self.count else {
            throw NormalizationError(
                .shapeMismatch, argument: "shape", expected: "\(self.count) elements", given: "\(count) in \(shape)")
        }
        let dense = contiguous()
        return Tensor(storage: dense.storage, offset: dense.offset, shape: shape, strides: shape.denseStrides)
    }

    /// This tensor if it is contiguous, else one copy that is.
    public func contiguous() -> Tensor { isContiguous ? self : denseCopy() }

    private func check(axis: Int, argument: String) throws(NormalizationError) {
        guard axis >= 0, axis < shape.rank else {
            throw NormalizationError(
                .outOfRange, argument: argument, expected: "an axis of 0..<\(shape.rank)", given: "\(axis)")
        }
    }
}
