// Checks that the tools of several modalities, of fairness and of experts share.

internal import Normalization

enum Requirement {
    /// At least one row of `segments.total` columns, segment by segment at least one column.
    static func rows(_ shape: Shape, cutBy segments: SegmentOffsets, argument: String) throws(NormalizationError) {
        try columns(shape, segments.total, argument: argument)
        guard segments.widths.allSatisfy({ $0 > 0 }) else {
            throw NormalizationError(
                .invalidOffsets, argument: "segments", expected: "at least one column each",
                given: "widths \(segments.widths)")
        }
    }

    /// At least one row of `count` columns.
    static func columns(_ shape: Shape, _ count: Int, argument: String) throws(NormalizationError) {
        guard let last = shape.extents.last, last == count, last > 0, (shape.elementCount ?? 0) > 0 else {
            throw NormalizationError(
                .shapeMismatch, argument: argument, expected: "at least one row of \(count) columns",
                given: "shape \(shape)")
        }
    }

    static func count(_ given: Int, is expected: Int, argument: String) throws(NormalizationError) {
        guard given == expected else {
            throw NormalizationError(
                .shapeMismatch, argument: argument, expected: "\(expected) elements", given: "\(given)")
        }
    }

    static func that(
        _ holds: Bool, argument: String, expected: String, given: @autoclosure () -> String
    ) throws(NormalizationError) {
        guard holds else {
            throw NormalizationError(.invalidParameter, argument: argument, expected: expected, given: given())
        }
    }
}
