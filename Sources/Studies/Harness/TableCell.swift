private import Foundation

/// Numbers as cells of a table show them.
enum TableCell {
    /// So many significant digits.
    static func significant(_ number: Double, _ digits: Int = 3) -> String { String(format: "%.\(digits)g", number) }

    /// So many digits behind the point.
    static func fixed(_ number: Double, _ digits: Int = 2) -> String { String(format: "%.\(digits)f", number) }
}
