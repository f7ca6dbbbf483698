internal import Plots

/// Numbers as cells of a table show them.
enum TableCell {
    /// Up to so many significant digits, and a power of ten where that is shorter.
    static func significant(_ number: Double, _ digits: Int = 3) -> String { NumberText.short(number, digits: digits) }

    /// So many digits behind the point.
    static func fixed(_ number: Double, _ digits: Int = 2) -> String { NumberText.fixed(number, decimals: digits) }
}
