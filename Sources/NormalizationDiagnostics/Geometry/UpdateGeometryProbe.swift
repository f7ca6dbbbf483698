public import Normalization

/// How the branches of a residual net stand to the stream that they are added to.
///
/// ```swift
/// var probe = UpdateGeometryProbe()
/// for block in net {
///     let update = try block(x)
///     let next = try ResidualUpdate.orthogonal.join(x, update: update)
///     try probe.record(stream: x, update: update, result: next)
///     x = next
/// }
/// for block in probe.blocks { print(block.cosine, block.novelty, block.growth) }
/// ```
/// A cosine near 0 and a novelty near 1 say that a branch writes what the stream does not hold yet; a negative cosine
/// says that it erases. Precision: sums in double precision, from left to right.
public struct UpdateGeometryProbe: Sendable {
    /// Means over the vectors along the last axis; vectors x or f of zeros do not count.
    public struct Block: Hashable, Codable, Sendable {
        /// cos(x, f), x the stream, f the branch's output.
        public let cosine: Double
        /// |cos(x, f)|.
        public let absoluteCosine: Double
        /// |cos(x, h - x)|, h the new stream: of what was added.
        public let absoluteAddedCosine: Double
        /// ‖f⊥‖² / ‖f‖² = 1 - cos², f⊥ the part of f that is orthogonal to x: 1 if all of f is new.
        public let novelty: Double
        /// ‖h‖² / ‖x‖².
        public let growth: Double
    }

    /// What was recorded, in order.
    public private(set) var blocks: [Block] = []

    public init() {}

    /// - Parameters:
    ///   - x: The stream before a block.
    ///   - f: The output of its branch, of the shape of `x`.
    ///   - h: The stream behind the block, of the shape of `x`; nil: x + f.
    /// - Throws: `NormalizationError` if shapes differ, or no vector of the stream and of the update is other than 0.
    public mutating func record(
        stream x: Tensor<Float>, update f: Tensor<Float>, result h: Tensor<Float>? = nil
    ) throws(NormalizationError) {
        let shape = x.shape
        guard let width = shape.extents.last, width > 0 else {
            throw NormalizationError(
                .invalidShape, argument: "stream", expected: "a last axis of at least one element",
                given: "shape \(shape)")
        }
        for (argument, given) in [("update", f.shape), ("result", h?.shape ?? shape)] where given != shape {
            throw NormalizationError(
                .shapeMismatch, argument: argument, expected: "shape \(shape)", given: "\(given)")
        }
        let (stream, update, result) = (x.array, f.array, h?.array)
        var sums = (cosine: 0.0, absolute: 0.0, added: 0.0, novelty: 0.0, growth: 0.0)
        var rows = 0.0
        for first in Swift.stride(from: 0, to: stream.count, by: width) {
            let row = RowGeometry(first..<first + width, stream: stream, update: update, result: result)
            guard row.streamEnergy > 0, row.updateEnergy > 0 else { continue }
            rows += 1
            sums.cosine += row.cosine
            sums.absolute += abs(row.cosine)
            sums.added += abs(row.addedCosine)
            sums.novelty += row.novelty
            sums.growth += row.resultEnergy / row.streamEnergy
        }
        guard rows > 0 else {
            throw NormalizationError(
                .invalidParameter, argument: "stream", expected: "a vector other than 0, with an update other than 0",
                given: "none")
        }
        blocks.append(
            Block(
                cosine: sums.cosine / rows, absoluteCosine: sums.absolute / rows,
                absoluteAddedCosine: sums.added / rows, novelty: sums.novelty / rows, growth: sums.growth / rows))
    }
}

/// Scalar products of one vector of stream, update, and what was added.
private struct RowGeometry {
    private(set) var streamEnergy = 0.0
    private(set) var updateEnergy = 0.0
    private(set) var resultEnergy = 0.0
    private(set) var novelty = 0.0
    private var addedEnergy = 0.0
    private var product = 0.0
    private var addedProduct = 0.0

    init(_ range: Range<Int>, stream: [Float], update: [Float], result: [Float]?) {
        for index in range {
            let (x, f) = (Double(stream[index]), Double(update[index]))
            let h = result.map { Double($0[index]) } ?? x + f
            streamEnergy += x * x
            updateEnergy += f * f
            resultEnergy += h * h
            addedEnergy += (h - x) * (h - x)
            product += x * f
            addedProduct += x * (h - x)
        }
        guard streamEnergy > 0, updateEnergy > 0 else { return }
        let share = product / streamEnergy
        var orthogonalEnergy = 0.0
        for index in range {
            let orthogonal = Double(update[index]) - share * Double(stream[index])
            orthogonalEnergy += orthogonal * orthogonal
        }
        novelty = orthogonalEnergy / updateEnergy
    }

    var cosine: Double { product / (streamEnergy * updateEnergy).squareRoot() }
    var addedCosine: Double { addedEnergy > 0 ? addedProduct / (streamEnergy * addedEnergy).squareRoot() : 0 }
}
