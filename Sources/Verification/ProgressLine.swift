internal import Foundation

/// A line on a terminal that says how far a run is; nothing where standard error is a file.
package struct ProgressLine: Sendable {
    private let isTerminal = isatty(STDERR_FILENO) == 1

    package init() {}

    package func show(_ text: String) {
        if isTerminal { FileHandle.standardError.write(Data("\r\u{1b}[K\(text)".utf8)) }
    }

    package func clear() { show("") }
}
