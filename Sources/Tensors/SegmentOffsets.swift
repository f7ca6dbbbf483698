/// Where a sequence is cut: segment s holds positions `offsets[s] ..< offsets[s + 1]`. Segments may be empty.
///
/// For the features of a row these are modalities or groups; for the edges of a graph, sorted by node, they are the row
/// offsets of the CSR format; for packed sequences of different lengths, the cumulative lengths.
public struct SegmentOffsets: Hashable, Sendable {
    /// One more than there are segments: from 0, never decreasing, to the length of the sequence.
    public let offsets: [Int]

    /// - Throws: `NormalizationError` if `offsets` has fewer than two elements, does not begin with 0, or decreases.
    public init(_ offsets: [Int]) throws(NormalizationError) {
        guard offsets.count >= 2, offsets[0] == 0 else {
            throw NormalizationError(
                .invalidOffsets, argument: "offsets", expected: "0 and at least one more", given: "\(offsets.prefix(2))"
            )
        }
        for segment in 1..<offsets.count where offsets[segment] < offsets[segment - 1] {
            throw NormalizationError(
                .invalidOffsets, argument: "offsets", expected: "numbers that never decrease",
                given: "\(offsets[segment]) after \(offsets[segment - 1])")
        }
        self.offsets = offsets
    }

    /// Segments of these widths, one after the other.
    ///
    /// - Throws: `NormalizationError` if there is none, one is negative, or their sum does not fit an `Int`.
    public init(widths: [Int]) throws(NormalizationError) {
        var offsets = [0]
        for width in widths {
            let (sum, overflow) = offsets[offsets.count - 1].addingReportingOverflow(width)
            guard width >= 0, !overflow else {
                throw NormalizationError(
                    .invalidOffsets, argument: "widths", expected: "widths of at least 0", given: "\(width)")
            }
            offsets.append(sum)
        }
        try self.init(offsets)
    }

    /// The number of segments.
    public var count: Int { offsets.count - 1 }
    /// The length of the sequence.
    public var total: Int { offsets[count] }

    /// The length of each segment.
    public var widths: [Int] { (0..<count).map { range($0).count } }

    public func range(_ segment: Int) -> Range<Int> { offsets[segment]..<offsets[segment + 1] }

    /// The common width of the segments, or nil if they differ.
    public var commonWidth: Int? {
        let width = offsets[1]
        return widths.allSatisfy { $0 == width } ? width : nil
    }
}
