/// An array of any rank with value semantics: copies share memory until one of them is written.
///
/// A tensor is a view: slices and transposes share their origin's memory and keep its strides, so that
/// they cost no copy. Memory is 64-byte aligned.
public struct Tensor<Element: TensorElement>: Sendable {
    public let shape: Shape
    /// Elements from one index to the next along each axis.
    public let strides: [Int]
    /// Whether the elements lie one after the other in row-major order.
    public let isContiguous: Bool

    @usableFromInline package var storage: AlignedStorage<Element>
    @usableFromInline package let offset: Int

    /// A view whose indices the caller has checked against the storage.
    init(storage: AlignedStorage<Element>, offset: Int, shape: Shape, strides: [Int]) {
        self.storage = storage
        self.offset = offset
        self.shape = shape
        self.strides = strides
        var dense = 1
        var isContiguous = true
        for axis in stride(from: shape.rank - 1, through: 0, by: -1) where shape[axis] != 1 {
            if strides[axis] != dense { isContiguous = false }
            dense &*= shape[axis]
        }
        self.isContiguous = isContiguous || shape.extents.contains(0)
    }

    /// The number of elements.
    @inlinable public var count: Int {
        var count = 1
        for extent in shape.extents {
            if extent == 0 { return 0 }
            count &*= extent
        }
        return count
    }

    /// Makes this tensor the only one that sees its memory, by a dense copy if it is shared.
    @inlinable package mutating func makeUnique() {
        if !isKnownUniquelyReferenced(&storage) { self = denseCopy() }
    }

    /// As `makeUnique`, for a caller that overwrites every element: nothing is copied.
    @inlinable package mutating func makeUniqueForOverwriting() {
        if !isKnownUniquelyReferenced(&storage) { self = Tensor(uninitializedLike: shape) }
    }

    @usableFromInline package func denseCopy() -> Tensor {
        let storage = AlignedStorage<Element>(uninitialized: count)
        var position = 0
        forEachRun { start, length in
            storage.copy(length, from: self.storage, at: start, to: position)
            position += length
        }
        return Tensor(storage: storage, offset: 0, shape: shape, strides: shape.denseStrides)
    }

    /// Calls `body` with the storage position and length of every contiguous run, in row-major order.
    func forEachRun(_ body: (_ start: Int, _ length: Int) -> Void) {
        func visit(axis: Int, start: Int) {
            if axis == shape.rank { return body(start, 1) }
            if axis == shape.rank - 1, strides[axis] == 1 { return body(start, shape[axis]) }
            for index in 0..<shape[axis] { visit(axis: axis + 1, start: start + index * strides[axis]) }
        }
        if isContiguous { body(offset, count) } else { visit(axis: 0, start: offset) }
    }
}

// MARK: - Making tensors

extension Tensor {
    /// A tensor of `elements` in row-major order.
    ///
    /// - Throws: `NormalizationError` if `shape` does not hold exactly as many elements.
    public init(_ elements: [Element], shape: Shape) throws(NormalizationError) {
        let count = try shape.validatedCount(argument: "shape", elementSize: MemoryLayout<Element>.stride)
        guard count == elements.count else {
            throw NormalizationError(
                .shapeMismatch, argument: "elements", expected: "\(count) elements for shape \(shape)",
                given: "\(elements.count)")
        }
        self.init(storage: AlignedStorage(elements), offset: 0, shape: shape, strides: shape.denseStrides)
    }

    /// A vector of `elements`.
    public init(_ elements: [Element]) {
        let shape = Shape([elements.count])
        self.init(storage: AlignedStorage(elements), offset: 0, shape: shape, strides: shape.denseStrides)
    }

    /// A tensor that holds `value` everywhere.
    ///
    /// - Throws: `NormalizationError` if an extent is negative or the elements do not fit the address space.
    public init(repeating value: Element, shape: Shape) throws(NormalizationError) {
        let count = try shape.validatedCount(argument: "shape", elementSize: MemoryLayout<Element>.stride)
        self.init(
            storage: AlignedStorage(repeating: value, count: count), offset: 0, shape: shape,
            strides: shape.denseStrides)
    }

    /// A tensor whose elements are not initialised, for a kernel to fill; shaped like an existing one.
    @usableFromInline package init(uninitializedLike other: Shape) {
        self.init(
            storage: AlignedStorage(uninitialized: other.elementCount ?? 0), offset: 0, shape: other,
            strides: other.denseStrides)
    }
}

// MARK: - Elements

extension Tensor {
    /// The elements in row-major order.
    public var array: [Element] {
        let dense = contiguous()
        return dense.storage.array(dense.offset..<dense.offset + dense.count)
    }

    /// The element at `indices`, one index an axis. Traps outside the tensor, as `Array` does.
    public subscript(indices: Int...) -> Element {
        get { storage[position(of: indices)] }
        set {
            makeUnique()
            storage[position(of: indices)] = newValue
        }
    }

    private func position(of indices: [Int]) -> Int {
        precondition(indices.count == shape.rank, "one index for each of \(shape.rank) axes")
        var position = offset
        for (axis, index) in indices.enumerated() {
            precondition(index >= 0 && index < shape[axis], "index \(index) outside axis \(axis) of shape \(shape)")
            position += index * strides[axis]
        }
        return position
    }

    /// Calls `body` with the elements in row-major order: in place if the tensor is contiguous, else
    /// on one copy.
    public func withSpan<Result, Failure: Error>(
        _ body: (Span<Element>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let dense = contiguous()
        return try dense.storage.withSpan(dense.offset..<dense.offset + dense.count, body)
    }

    /// Calls `body` with the elements in row-major order, to be changed in place. A view that is not
    /// contiguous becomes so first, by one copy.
    public mutating func withMutableSpan<Result, Failure: Error>(
        _ body: (inout MutableSpan<Element>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        if !isContiguous { self = contiguous() }
        makeUnique()
        return try storage.withMutableSpan(offset..<offset + count, body)
    }

    /// Writes `elements` in row-major order into this tensor, keeping its layout.
    package mutating func assign(_ elements: [Element]) {
        precondition(elements.count == count)
        makeUniqueForOverwriting()
        let source = AlignedStorage(elements)
        let destination = storage
        var position = 0
        forEachRun { start, length in
            destination.copy(length, from: source, at: position, to: start)
            position += length
        }
    }
}

extension Tensor: Equatable {
    /// Equal shapes and equal elements; layouts do not matter.
    public static func == (a: Tensor, b: Tensor) -> Bool { a.shape == b.shape && a.array == b.array }
}

extension Tensor: CustomStringConvertible {
    public var description: String { "Tensor<\(Element.self)>\(shape)" }
}
