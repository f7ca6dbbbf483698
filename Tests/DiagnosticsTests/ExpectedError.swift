/// What the compiler must say about a line: its kind, and words that its message must contain.
///
/// Compilers differ in wording, so a kind is any of the phrases that Swift 6 has for it; types and our own texts stand
/// in every wording.
struct ExpectedError: Equatable {
    enum Kind: String {
        /// Two types that have to be one.
        case mismatch
        /// A declaration that its author forbids here.
        case unavailable

        var phrases: [String] {
            switch self {
            case .mismatch:
                [
                    "cannot convert", "cannot be applied to operands", "conflicting arguments to generic parameter",
                    "requires the types", "no exact matches in call",
                ]
            case .unavailable: ["is unavailable"]
            }
        }
    }

    let kind: Kind
    let words: [String]

    /// `mismatch: PressureRate, TemperatureRate`; nil for no kind or no words.
    init?(_ text: String) {
        let parts = text.split(separator: ": ", maxSplits: 1)
        guard parts.count == 2, let kind = Kind(rawValue: String(parts[0])) else { return nil }
        self.kind = kind
        words = parts[1].split(separator: ", ").map(String.init)
    }

    func matches(_ message: String) -> Bool {
        kind.phrases.contains { message.contains($0) } && words.allSatisfy { message.contains($0) }
    }
}
