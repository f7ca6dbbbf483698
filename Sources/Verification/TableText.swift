// Columns of printed tables.

extension String {
    /// This text with spaces after it, up to `width` characters.
    package func padded(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }

    /// This text with spaces before it, up to `width` characters.
    package func rightAligned(in width: Int) -> String { String(repeating: " ", count: max(0, width - count)) + self }
}
