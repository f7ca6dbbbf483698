private import Foundation

/// XML that is written from left to right.
struct Markup {
    private(set) var text = ""

    /// An element; without `content` it is empty.
    mutating func add(_ name: String, _ attributes: [(String, Attribute)], content: (inout Markup) -> Void = { _ in }) {
        var inner = Markup()
        content(&inner)
        text += "<\(name)" + attributes.map { " \($0.0)=\"\($0.1.text)\"" }.joined()
        text += inner.text.isEmpty ? "/>" : ">\(inner.text)</\(name)>"
    }

    mutating func add(text string: String) { text += string.escapedForXML }

    /// XML as it is.
    mutating func add(markup: String) { text += markup }

    /// A line of text at a point.
    mutating func label(_ string: String, x: Double, y: Double, class name: String, anchor: String = "start") {
        add("text", [("x", .number(x)), ("y", .number(y)), ("class", .text(name)), ("text-anchor", .text(anchor))]) {
            $0.add(text: string)
        }
    }

    mutating func line(from start: (x: Double, y: Double), to end: (x: Double, y: Double), class name: String) {
        add(
            "line",
            [
                ("x1", .number(start.x)), ("y1", .number(start.y)), ("x2", .number(end.x)), ("y2", .number(end.y)),
                ("class", .text(name)),
            ])
    }

    enum Attribute {
        case text(String)
        case number(Double)

        var text: String {
            switch self {
            case .text(let text): text.escapedForXML
            case .number(let number): Markup.coordinate(number)
            }
        }
    }

    /// A tenth of a pixel is fine enough.
    static func coordinate(_ value: Double) -> String {
        let text = "\((value * 10).rounded() / 10)"
        return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
    }
}

extension String {
    /// For text and for attributes in double quotes; control characters, which XML cannot hold, are left out.
    package var escapedForXML: String {
        var escaped = ""
        for scalar in unicodeScalars {
            switch scalar {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            case "\"": escaped += "&quot;"
            case "\t", "\n": escaped.unicodeScalars.append(scalar)
            default: if scalar.value >= 32, scalar.value != 127 { escaped.unicodeScalars.append(scalar) }
            }
        }
        return escaped
    }
}

/// How wide text is in system fonts: roughly, and rather too wide.
enum TextWidth {
    static func of(_ text: String, size: Double) -> Double {
        size * text.reduce(0) { $0 + width(of: $1) }
    }

    private static func width(of character: Character) -> Double {
        switch character {
        case "i", "j", "l", ".", ",", ":", ";", "'", "|", "!", " ", "(", ")", "f", "t", "r", "I": 0.38
        case "m", "w", "M", "W", "@", "%": 0.95
        case "⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹", "⁻": 0.4
        case let other where other.isUppercase: 0.7
        default: 0.62
        }
    }
}

extension String {
    /// Cut at its spaces into lines that are no wider than `width`, where words allow it.
    package func wrapped(to width: Double, measure: (String) -> Double) -> [String] {
        var lines: [String] = []
        for word in split(separator: " ") {
            if let last = lines.last, measure(last + " " + word) <= width {
                lines[lines.count - 1] = last + " " + word
            } else {
                lines.append(String(word))
            }
        }
        return lines
    }
}
