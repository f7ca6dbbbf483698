#if canImport(Glibc)
    import Glibc
#endif

/// The memory of tensors, and the only place outside KernelBridge that is `unsafe`.
///
/// The base address is a multiple of 64 bytes (a cache line, an AVX-512 register). From 4 MiB on, memory
/// starts at a multiple of 2 MiB and asks for huge pages: with small ones a core copies from and to
/// memory a quarter slower (28 against 37 GB/s with streaming stores: limits of the peers' harness on Zen 4, 2026).
///
/// `@unchecked Sendable`: elements are written only through a `Tensor` that holds the sole reference.
@safe @usableFromInline package final class AlignedStorage<Element: TensorElement>: @unchecked Sendable {
    @usableFromInline package let count: Int
    @usableFromInline package let base: UnsafeMutablePointer<Element>

    private static var hugePage: Int { 2 << 20 }

    /// Memory for `count` elements, not initialised. `count * MemoryLayout<Element>.stride` fits an `Int`.
    init(uninitialized count: Int) {
        let bytes = Swift.max(count, 1) * MemoryLayout<Element>.stride
        let isLarge = bytes >= 2 * Self.hugePage
        let memory = UnsafeMutableRawPointer.allocate(
            byteCount: bytes, alignment: isLarge ? Self.hugePage : 64)
        #if canImport(Glibc)
            if isLarge { _ = unsafe madvise(memory, bytes, MADV_HUGEPAGE) }
        #endif
        self.count = count
        unsafe self.base = memory.bindMemory(to: Element.self, capacity: Swift.max(count, 1))
    }

    deinit { unsafe UnsafeMutableRawPointer(base).deallocate() }

    convenience init(repeating value: Element, count: Int) {
        self.init(uninitialized: count)
        unsafe base.initialize(repeating: value, count: count)
    }

    convenience init(_ elements: [Element]) {
        self.init(uninitialized: elements.count)
        unsafe elements.withUnsafeBufferPointer { source in
            guard let start = source.baseAddress else { return }
            unsafe base.initialize(from: start, count: source.count)
        }
    }

    /// Element `index`, which the caller has checked.
    subscript(index: Int) -> Element {
        get { unsafe base[index] }
        set { unsafe base[index] = newValue }
    }

    /// A copy of some elements, at once: one by one in generic code took four fifths of the instructions of
    /// `bench --quick --filter 1x768` (callgrind, 2026-11-27).
    func array(_ range: Range<Int>) -> [Element] {
        unsafe Array(UnsafeBufferPointer(start: base + range.lowerBound, count: range.count))
    }

    /// Copies `count` elements from `other`.
    func copy(_ count: Int, from other: AlignedStorage, at source: Int, to destination: Int) {
        unsafe (base + destination).update(from: other.base + source, count: count)
    }

    func withSpan<Result, Failure: Error>(
        _ range: Range<Int>, _ body: (Span<Element>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let buffer = unsafe UnsafeBufferPointer(start: base + range.lowerBound, count: range.count)
        return try unsafe body(buffer.span)
    }

    func withMutableSpan<Result, Failure: Error>(
        _ range: Range<Int>, _ body: (inout MutableSpan<Element>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let buffer = unsafe UnsafeMutableBufferPointer(start: base + range.lowerBound, count: range.count)
        var span = unsafe buffer.mutableSpan
        return try body(&span)
    }
}
