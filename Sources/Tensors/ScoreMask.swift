// ScoreMask: a mask that fits its scores: every part checked, and seen as a tensor of the scores' shape.

/// The extents of scores.
package struct ScoreShape: Hashable, Sendable {
    package let batch, heads, queries, keys: Int
    /// Of each batch entry, where entries differ; `queries` and `keys` are then the largest count.
    package let queryCounts, keyCounts: [Int]?

    package init(batch: Int, heads: Int, queries: Int, keys: Int) {
        self.batch = batch
        self.heads = heads
        self.queries = queries
        self.keys = keys
        (queryCounts, keyCounts) = (nil, nil)
    }

    /// One count a batch entry.
    package init(heads: Int, queryCounts: [Int], keyCounts: [Int]) {
        batch = queryCounts.count
        self.heads = heads
        queries = queryCounts.max() ?? 0
        keys = keyCounts.max() ?? 0
        self.queryCounts = queryCounts
        self.keyCounts = keyCounts
    }

    package var scores: Shape { [batch, heads, queries, keys] }
    package var rows: Shape { [batch, heads, queries] }
    package var rowCount: Int { batch * heads * queries }
}

/// A tensor of any element that kernels load, behind one type.
package protocol ScoreTensor: Sendable {
    associatedtype Element: KernelElement
    var tensor: Tensor<Element> { get }
    var shape: Shape { get }
}

extension Tensor: ScoreTensor where Element: KernelElement {
    package var tensor: Tensor<Element> { self }
}

/// An ``AttentionMask`` for scores of one shape. Bias, boolean mask and lengths are views of the scores' shape, in which
/// what is shared has stride 0; keys are contiguous.
package struct ScoreMask: Sendable {
    package let shape: ScoreShape
    /// 0 for none.
    package let softcap: Float
    package let bias: (any ScoreTensor)?
    /// The shape in which the bias was given.
    package let biasShape: Shape?
    package let boolean: Tensor<Bool>?
    package let isCausal: Bool
    package let window: AttentionMask.Window?
    /// The position of query 0, if it is the same in all batch entries.
    package let offset: Int
    /// One a batch entry.
    package let offsets: Tensor<Int64>?
    /// [batch, heads, queries]
    package let lengths: Tensor<Int64>?
    /// [heads]
    package let slopes, sinks: Tensor<Float>?

    /// - Throws: `NormalizationError` for a part that does not fit scores of `shape`; it names the part.
    package init(_ mask: AttentionMask, for shape: ScoreShape) throws(NormalizationError) {
        self.shape = shape
        softcap = try Self.validated(softcap: mask.softcap)
        bias = try mask.bias.map { (bias) throws(NormalizationError) in try Self.fitted(bias, to: shape) }
        biasShape = mask.bias?.shape
        boolean = try mask.boolean?.broadcast(to: shape.scores, wholeRows: true, argument: "mask.boolean")
        isCausal = mask.isCausal
        window = mask.window
        for side in [mask.window?.left, mask.window?.right] {
            guard let side, !(0...Self.farthest).contains(side) else { continue }
            throw .outOfRange(argument: "mask.window", expected: "at least 0, or nil", given: side)
        }
        (offset, offsets) = try Self.positions(mask.position, for: shape)
        lengths = try Self.lengths(mask.keyLengths, for: shape)
        slopes = try Self.validated(perHead: mask.slopes, shape, argument: "mask.slopes")
        sinks = try Self.validated(perHead: mask.sinks, shape, argument: "mask.sinks")
    }

    /// Positions and windows are at most this far, so that sums of them fit an `Int`.
    private static var farthest: Int { Int.max / 4 }

    private static func fitted(
        _ bias: any ScoreTensor, to shape: ScoreShape
    ) throws(NormalizationError) -> any ScoreTensor {
        func fitted<Bias: ScoreTensor>(_ bias: Bias) throws(NormalizationError) -> any ScoreTensor {
            try bias.tensor.broadcast(to: shape.scores, wholeRows: true, argument: "mask.bias")
        }
        return try fitted(bias)
    }

    private static func validated(softcap: Float?) throws(NormalizationError) -> Float {
        guard let softcap else { return 0 }
        guard (0x1p-126...0x1p126).contains(softcap) else {
            throw NormalizationError(
                .invalidParameter, argument: "mask.softcap", expected: "a number from 2^-126 to 2^126",
                given: "\(softcap)")
        }
        return softcap
    }

    private static func validated(
        perHead numbers: Tensor<Float>?, _ shape: ScoreShape, argument: String
    ) throws(NormalizationError) -> Tensor<Float>? {
        guard let numbers else { return nil }
        guard numbers.shape == [shape.heads] else {
            throw NormalizationError(
                .shapeMismatch, argument: argument, expected: "shape [\(shape.heads)]", given: "\(numbers.shape)")
        }
        return numbers.contiguous()
    }

    /// Those of the mask, at most those of the entries.
    private static func lengths(
        _ lengths: Tensor<Int64>?, for shape: ScoreShape
    ) throws(NormalizationError) -> Tensor<Int64>? {
        func ofRows(_ lengths: Tensor<Int64>) throws(NormalizationError) -> Tensor<Int64> {
            try lengths.broadcast(to: shape.rows, wholeRows: false, argument: "mask.keyLengths")
        }
        let given = try lengths.map(ofRows)
        for length in lengths?.array ?? [] where !(0...Int64(shape.keys)).contains(length) {
            throw .outOfRange(argument: "mask.keyLengths", expected: "within 0...\(shape.keys)", given: Int(length))
        }
        guard let counts = shape.keyCounts else { return given }
        let most = try ofRows(Tensor(counts.map(Int64.init), shape: [shape.batch, 1, 1]))
        guard let given else { return most }
        return try Tensor(zip(given.array, most.array).map(min), shape: shape.rows)
    }

    private static func positions(
        _ position: AttentionMask.Position, for shape: ScoreShape
    ) throws(NormalizationError) -> (Int, Tensor<Int64>?) {
        let offsets: [Int]
        switch position {
        case .bottomRight:
            guard let queries = shape.queryCounts, let keys = shape.keyCounts else {
                return (shape.keys - shape.queries, nil)
            }
            offsets = zip(keys, queries).map { $0 - $1 }
        case .offset(let offset): offsets = [offset]
        case .offsets(let each):
            guard each.count == shape.batch else {
                throw NormalizationError(
                    .shapeMismatch, argument: "mask.queryOffsets", expected: "\(shape.batch), one a batch entry",
                    given: "\(each.count)")
            }
            offsets = each
        }
        for offset in offsets where !(-farthest...farthest).contains(offset) {
            throw .outOfRange(argument: "mask.queryOffset", expected: "at most \(farthest) away", given: offset)
        }
        if case .offset(let offset) = position { return (offset, nil) }
        return (0, Tensor(offsets.map(Int64.init)))
    }
}

extension NormalizationError {
    fileprivate static func outOfRange(argument: String, expected: String, given: Int) -> NormalizationError {
        NormalizationError(.outOfRange, argument: argument, expected: expected, given: "\(given)")
    }
}

extension Tensor {
    /// This tensor seen in a shape of as many axes or more: leading axes that it lacks, and those of extent 1, have
    /// stride 0. `wholeRows`: the last axis must be there, and is made contiguous by one copy if it is not.
    package func broadcast(
        to shape: Shape, wholeRows: Bool, argument: String
    ) throws(NormalizationError) -> Tensor {
        let missing = shape.rank - self.shape.rank
        let fits =
            missing >= 0
            && self.shape.extents.enumerated().allSatisfy { axis, extent in
                let isWhole = wholeRows && axis == self.shape.rank - 1
                return extent == shape[axis + missing] || (extent == 1 && !isWhole)
            }
        guard fits, self.shape.rank > 0 || !wholeRows else {
            throw NormalizationError(
                .shapeMismatch, argument: argument, expected: "a shape that broadcasts to \(shape)",
                given: "\(self.shape)")
        }
        let source = wholeRows && !hasContiguousRows ? contiguous() : self
        let strides = (0..<shape.rank).map { axis in
            axis < missing || (source.shape[axis - missing] == 1 && shape[axis] != 1)
                ? 0 : source.strides[axis - missing]
        }
        return Tensor(storage: source.storage, offset: source.offset, shape: shape, strides: strides)
    }
}
