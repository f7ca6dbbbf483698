/// The extent of a tensor along each axis, outermost first.
public struct Shape: Hashable, Sendable {
    public let extents: [Int]

    public init(_ extents: [Int]) { self.extents = extents }

    @inlinable public var rank: Int { extents.count }

    @inlinable public subscript(axis: Int) -> Int { extents[axis] }

    /// The number of elements, or nil if an extent is negative or the number does not fit an `Int`.
    public var elementCount: Int? {
        if extents.contains(where: { $0 < 0 }) { return nil }
        if extents.contains(0) { return 0 }
        var count = 1
        for extent in extents {
            let (product, overflow) = count.multipliedReportingOverflow(by: extent)
            if overflow { return nil }
            count = product
        }
        return count
    }

    /// Strides of a dense row-major tensor: the last axis is contiguous.
    var denseStrides: [Int] {
        var strides = [Int](repeating: 1, count: rank)
        for axis in stride(from: rank - 2, through: 0, by: -1) {
            strides[axis] = strides[axis + 1] &* Swift.max(extents[axis + 1], 1)  // overflows only if empty
        }
        return strides
    }

    /// The element count, or the error that names `argument`.
    package func validatedCount(argument: String, elementSize: Int) throws(NormalizationError) -> Int {
        guard extents.allSatisfy({ $0 >= 0 }) else {
            throw NormalizationError(
                .invalidShape, argument: argument, expected: "extents of at least 0", given: description)
        }
        guard let count = elementCount, !count.multipliedReportingOverflow(by: elementSize).overflow else {
            throw NormalizationError(
                .sizeOverflow, argument: argument, expected: "elements that fit the address space", given: description)
        }
        return count
    }
}

extension Shape: ExpressibleByArrayLiteral {
    public init(arrayLiteral extents: Int...) { self.init(extents) }
}

extension Shape: CustomStringConvertible {
    public var description: String { extents.description }
}
