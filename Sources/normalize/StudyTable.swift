internal import Foundation
internal import Plots
internal import Studies
internal import Verification

/// The checks of a study as a table on a terminal; each mutant stands below its check.
struct StudyTable {
    let record: StudyRecord
    /// COLUMNS, where the shell exports it.
    let width = max(80, ProcessInfo.processInfo.environment["COLUMNS"].flatMap { Int($0) } ?? 110)

    private static let columns = (mark: 10, observed: 20, gate: 24)

    init(_ record: StudyRecord) { self.record = record }

    var text: String {
        var lines = ["S\(record.number) \(record.story.title) (\(record.name)): \(record.summary), \(record.timeText)"]
        if let checks = record.result?.checks, !checks.isEmpty {
            lines += row("", ["claim"], "measured", "required")
            for check in checks {
                lines += row(
                    "\(check.passes ? "✓" : "✗") \(check.grade.rawValue)", wrapped(check.claim), check.observedText,
                    check.gate.text)
                lines += row(
                    "", wrapped("mutant: \(check.mutant.change)"), check.mutantText,
                    check.mutantFails ? "fails, as it must" : "PASSES")
            }
        }
        lines += ["", "  \(record.story.verdict.rawValue): \(record.story.verdictText)", ""]
        return lines.joined(separator: "\n")
    }

    private var claimWidth: Int { width - Self.columns.mark - Self.columns.observed - Self.columns.gate }

    private func wrapped(_ text: String) -> [String] { text.wrapped(to: Double(claimWidth - 2)) { Double($0.count) } }

    private func row(_ mark: String, _ claim: [String], _ observed: String, _ gate: String) -> [String] {
        claim.enumerated().map { index, line in
            let start = "  " + (index == 0 ? mark : "").padded(to: Self.columns.mark - 2) + line.padded(to: claimWidth)
            return index == 0 ? start + observed.padded(to: Self.columns.observed) + gate : start
        }
    }
}
