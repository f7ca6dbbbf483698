// Baseline: an earlier run, and what a new one says beside it.

internal import Foundation

/// What became of one row.
enum Verdict: String, CaseIterable { case faster, slower, same }

extension Timing {
    /// Below this ratio of medians a difference is not spoken of.
    private static let leastRatio = 1.03

    /// Slower (faster) only where the middle halves of both runs' samples lie apart, and medians by 3 % or more.
    func verdict(against earlier: Timing) -> Verdict {
        if lowerQuartile > earlier.upperQuartile, median > earlier.median * Self.leastRatio { return .slower }
        if upperQuartile < earlier.lowerQuartile, median * Self.leastRatio < earlier.median { return .faster }
        return .same
    }
}

struct Baseline {
    private let report: Report
    private let timings: [String: Timing]

    init(path: String) throws {
        report = try JSONDecoder().decode(Report.self, from: Data(contentsOf: URL(fileURLWithPath: path)))
        timings = Dictionary(report.rows.map { ($0.id, $0.timing) }) { first, _ in first }
    }

    private func judged(_ row: ResultRow) -> (verdict: Verdict, ratio: Double)? {
        timings[row.id].map { (row.timing.verdict(against: $0), row.timing.median / $0.median) }
    }

    /// The end of the row's line: the verdict and the new time over the old one; "new" where there is none.
    func verdict(on row: ResultRow) -> String {
        guard let (verdict, ratio) = judged(row) else { return "  new" }
        return "  \(verdict.rawValue) " + String(format: "%.2f", ratio)
    }

    func summary(of report: Report) -> String {
        var counts: [Verdict: Int] = [:]
        for row in report.rows {
            if let (verdict, _) = judged(row) { counts[verdict, default: 0] += 1 }
        }
        let texts = Verdict.allCases.map { "\(counts[$0] ?? 0) \($0.rawValue)" }
        let other = self.report.machine == report.machine ? "" : " (another machine: \(self.report.machine))"
        return "against commit \(self.report.commit) of \(self.report.date)\(other): \(texts.joined(separator: ", "))"
    }
}
