internal import Foundation

/// How far operators are from float64, beside a naive evaluation in float32: one table of the article "Accuracy".
///
/// What stands in it is the worst row (or segment, neighbourhood, set of a channel normalization). Inputs come from
/// integer arithmetic, so that the tables are the same on every machine.
package struct AccuracyTable: Sendable {
    /// Errors of one call.
    package struct Cell: Sendable {
        /// What the column of the table shows: a width, for example.
        package let head: String
        /// The elements that are normalized together.
        package let columns: Int
        package let error: Double
        /// The error of the naive evaluation; infinite if it gave a NaN.
        package let naiveError: Double

        package init(head: String, columns: Int, error: Double, naiveError: Double) {
            self.head = head
            self.columns = columns
            self.error = error
            self.naiveError = naiveError
        }

        /// Results for `columns` elements that are normalized together, one set after the other.
        package init(columns: Int, _ given: [Float], naive: [Float], truth: [Double]) {
            self.init(
                head: "width \(columns)", columns: columns,
                error: AccuracyTable.worstError(given, truth, columns: columns),
                naiveError: AccuracyTable.worstError(naive, truth, columns: columns))
        }

        /// Results that belong to `columns` elements each, relative to the largest of all.
        package init(head: String, columns: Int, _ given: [Float], naive: [Float], truth: [Double]) {
            self.init(
                head: head, columns: columns, error: AccuracyTable.worstError(given, truth, columns: truth.count),
                naiveError: AccuracyTable.worstError(naive, truth, columns: truth.count))
        }
    }

    /// One kind of data at several sizes.
    package struct Row: Sendable {
        package let data: String
        package let cells: [Cell]
        /// The error that is promised for a cell, with the reason where it is made; nil where the tests know it.
        package var bound: (@Sendable (Cell) -> Double)?

        package init(_ data: String, _ cells: [Cell], bound: (@Sendable (Cell) -> Double)? = nil) {
            self.data = data
            self.cells = cells
            self.bound = bound
        }
    }

    package let title: String
    package let text: String
    /// What the first column shows.
    package let data: String
    package let rows: [Row]

    package init(title: String, text: String, data: String, rows: [Row]) {
        self.title = title
        self.text = text
        self.data = data
        self.rows = rows
    }
}

extension AccuracyTable {
    /// max |y - y64| / max |y64| over the worst set of `columns` elements (the plain maximum where y64 is 0); infinite
    /// for a NaN.
    package static func worstError(_ given: [Float], _ truth: [Double], columns: Int) -> Double {
        stride(from: 0, to: truth.count, by: columns).map { first in
            error(given, truth, of: first..<first + columns)
        }.max() ?? 0
    }

    /// The same for sets of any elements.
    package static func worstError(_ given: [Float], _ truth: [Double], sets: [[Int]]) -> Double {
        sets.map { error(given, truth, of: $0) }.max() ?? 0
    }

    private static func error(_ given: [Float], _ truth: [Double], of set: some Sequence<Int>) -> Double {
        var distance = 0.0
        var largest = 0.0
        for index in set {
            let off = abs(Double(given[index]) - truth[index])
            if off.isNaN { return .infinity }
            distance = max(distance, off)
            largest = max(largest, abs(truth[index]))
        }
        return largest > 0 ? distance / largest : distance
    }
}

// MARK: - Gradients

extension AccuracyTable {
    /// What is differentiated by, and the error of that gradient.
    package typealias Gradient = (name: String, cell: Cell)

    /// Rows of an operator's gradients at several sizes, by offsets that cost nothing: 0 and some others.
    ///
    /// An error may be twice that of the naive evaluation at offset 0, since more roundings are made to be safe,
    /// whatever the offset is; or four half units in the last place, where that one has few roundings, or luck.
    static func gradients<Size>(
        _ operation: String, offsets: [Float] = [0, 1e3, 1e6], sizes: [Size],
        measure: (_ offset: Float, Size) throws -> [Gradient]
    ) rethrows -> [Row] {
        let measured = try offsets.map { offset in try sizes.map { try measure(offset, $0) } }
        let names = measured[0][0].map(\.name)
        return names.indices.flatMap { index in
            let friendly = measured[0].map { $0[index].cell }
            return zip(offsets, measured).map { offset, cells in
                Row("\(operation), \(names[index]), offset \(short(offset))", cells.map { $0[index].cell }) { cell in
                    max(2 * (friendly.first { $0.head == cell.head }?.naiveError ?? 0), 4 * 0x1p-24)
                }
            }
        }
    }
}

// MARK: - Text

extension AccuracyTable {
    package var markdown: String {
        let head = [data] + (rows.first?.cells.map(\.head) ?? [])
        let lines = rows.map { row in
            [row.data] + row.cells.map { "\(Self.short(error: $0.error)) / \(Self.short(error: $0.naiveError))" }
        }
        let table = [head, head.map { _ in "---" }] + lines
        return """
            ### \(title)

            \(text)

            \(table.map { "| " + $0.joined(separator: " | ") + " |" }.joined(separator: "\n"))
            """
    }

    /// Two significant digits: 1.6e-7.
    private static func short(error: Double) -> String {
        if error == 0 { return "0" }
        return error.isFinite ? String(format: "%.1e", error).withShortExponent : "NaN"
    }

    /// 1e6, 0.1, 1e-30.
    static func short(_ value: Float) -> String { String(format: "%g", Double(value)).withShortExponent }
}

extension String {
    /// This number without the sign and the leading zeros of its exponent that C prints.
    fileprivate var withShortExponent: String {
        replacingOccurrences(of: "e+00", with: "").replacingOccurrences(of: "e+0", with: "e")
            .replacingOccurrences(of: "e+", with: "e").replacingOccurrences(of: "e-0", with: "e-")
    }
}
