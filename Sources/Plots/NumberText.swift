private import Foundation

/// Numbers as a reader wants them: few digits, powers of ten as such, no locale.
package enum NumberText {
    /// Up to `digits` significant digits: 0.00123, 1.5×10⁻⁷, 300000, ∞, NaN.
    package static func short(_ value: Double, digits: Int = 4) -> String {
        guard value.isFinite else { return value.isNaN ? "NaN" : value < 0 ? "−∞" : "∞" }
        if value == 0 { return "0" }
        if value == value.rounded(), abs(value) < 1e6 { return withMinus(String(format: "%.0f", value)) }
        let parts = String(format: "%.\(digits - 1)e", value).split(separator: "e")
        let exponent = Int(parts[1]) ?? 0
        if (-3..<6).contains(exponent) {
            return withMinus(trimmed(String(format: "%.\(max(0, digits - 1 - exponent))f", value)))
        }
        let mantissa = withMinus(trimmed(String(parts[0])))
        return (mantissa == "1" ? "" : mantissa == "−1" ? "−" : mantissa + "×") + powerOfTen(exponent)
    }

    /// With as many digits as show a difference of `resolution`, and at least the usual ones.
    package static func short(_ value: Double, resolving resolution: Double) -> String {
        guard value.isFinite, value != 0, resolution > 0 else { return short(value) }
        return short(value, digits: min(16, max(4, 2 + Int((log10(abs(value) / resolution)).rounded(.up)))))
    }

    /// With a fixed number of decimals, as labels of one axis and columns of a table need it.
    package static func fixed(_ value: Double, decimals: Int) -> String {
        let text = String(format: "%.\(decimals)f", value)
        return withMinus(text.allSatisfy { "-0.".contains($0) } ? text.replacingOccurrences(of: "-", with: "") : text)
    }

    static func powerOfTen(_ exponent: Int) -> String { "10" + superscript(exponent) }

    private static func superscript(_ exponent: Int) -> String {
        let digits: [Character] = ["⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"]
        return (exponent < 0 ? "⁻" : "")
            + String(String(abs(exponent)).compactMap { $0.wholeNumberValue.map { digits[$0] } })
    }

    private static func trimmed(_ text: String) -> String {
        guard text.contains(".") else { return text }
        let kept = text.reversed().drop { $0 == "0" }
        return String((kept.first == "." ? kept.dropFirst() : kept).reversed())
    }

    private static func withMinus(_ text: String) -> String { text.replacingOccurrences(of: "-", with: "−") }
}
