private import Foundation
private import Mustache
internal import Plots

/// The report as one HTML file that needs nothing else: a front page over all studies, then each of them.
package struct ReportPage {
    package let records: [StudyRecord]

    package init(_ records: [StudyRecord]) { self.records = records.sorted { $0.number < $1.number } }

    package func html() throws -> String {
        let library = MustacheLibrary(templates: [
            "front": try MustacheTemplate(string: ReportTemplates.front),
            "study": try MustacheTemplate(string: ReportTemplates.study),
            "check": try MustacheTemplate(string: ReportTemplates.check),
            "table": try MustacheTemplate(string: ReportTemplates.table),
        ])
        return try MustacheTemplate(string: ReportTemplates.page).render(PageView(records), library: library)
    }

    /// The report, a JSON file a study, and its figures: file names and contents.
    package func files() throws -> [(name: String, content: String)] {
        var files = [(name: "report.html", content: try html())]
        for record in records {
            files.append((name: "\(record.name).json", content: try record.json()))
            for (index, figure) in (record.result?.figures ?? []).enumerated() {
                files.append((name: "\(record.name)-\(index + 1).svg", content: figure.svg))
            }
        }
        return files
    }

    /// Writes `files` into a folder, which is made if it is not there.
    package func write(to folder: String) throws {
        let folder = URL(fileURLWithPath: folder, isDirectory: true)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        for file in try files() {
            try Data(file.content.utf8).write(to: folder.appendingPathComponent(file.name))
        }
    }
}

// MARK: - What the templates see

private struct PageView {
    let css = FigureStyle.css + ReportTemplates.style
    let title: String
    let isFrontPage: Bool
    let summary: String
    let conditions: String
    let studies: [StudyView]

    init(_ records: [StudyRecord]) {
        studies = records.map(StudyView.init)
        isFrontPage = records.count > 1
        let checks = records.flatMap { $0.result?.checks ?? [] }
        let failures = records.count { $0.failure != nil }
        title =
            records.count == 1
            ? records[0].story.title : "Layer normalization: \(PageView.words(records.count)) claims, measured"
        summary =
            "\(checks.count(where: \.passes)) of \(checks.count) checks pass."
            + (failures > 0 ? " \(failures) \(failures == 1 ? "study" : "studies") ended with an error." : "")
        let seconds = records.map(\.seconds).reduce(0, +)
        conditions =
            records.first.map(\.conditions).map { run in
                "\(run.machine) · backend \(run.backend) · \(run.mode.rawValue) mode · \(run.date.prefix(10)) · "
                    + "\(NumberText.short(seconds, digits: 2)) s in all"
            } ?? ""
    }

    private static func words(_ count: Int) -> String {
        let words = [
            "no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
        ]
        return count < words.count ? words[count] : "\(count)"
    }
}

private struct StudyView {
    let number: String
    let name: String
    let title, claim, question, method, truth: String
    let verdict, verdictClass, verdictMark: String
    let prediction, corrections, sources, parameters: [String]
    let tools: [ToolView]
    let cover: String?
    let figures: [FigureView]
    let tables: [Table]
    let checks: [CheckView]
    let summary: String
    let passes: Bool
    let failure: String?
    let seeds: String
    let time, command: String
    let notMeasured: String?

    init(_ record: StudyRecord) {
        let story = record.story
        number = "S\(record.number)"
        name = record.name
        title = story.title
        claim = story.claim.inlineHTML
        question = story.question.inlineHTML
        method = story.method.inlineHTML
        truth = story.verdictText.inlineHTML
        verdict = story.verdict.rawValue
        (verdictClass, verdictMark) =
            switch story.verdict {
            case .holds: ("holds", "✓")
            case .partly: ("partly", "◐")
            case .fails: ("fails", "✗")
            }
        prediction = story.prediction.map(\.inlineHTML)
        corrections = story.corrections.map(\.inlineHTML)
        tools = story.tools.map(ToolView.init)
        sources = story.sources.map(\.inlineHTML)
        let result = record.result
        parameters = (result?.parameters ?? []).map(\.inlineHTML)
        cover = result?.figures.first?.panels.first?.svg
        figures = (result?.figures ?? []).map(FigureView.init)
        tables = result?.tables ?? []
        checks = (result?.checks ?? []).map(CheckView.init)
        summary = record.summary
        passes = record.passes
        failure = record.failure
        notMeasured = result?.notMeasured?.inlineHTML
        seeds = (result?.seeds ?? []).map(String.init).joined(separator: ", ")
        time = "\(record.timeText), \(record.conditions.mode.rawValue) mode"
        command = "normalize study run \(record.name)" + (record.conditions.mode == .full ? " --full" : "")
    }
}

/// A line of Swift, and behind its comment sign what it tells.
private struct ToolView {
    let code: String
    let meaning: String

    init(_ text: String) {
        let parts = text.split(separator: "//", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) }
        code = parts.count == 2 ? "<code>\(parts[0].escapedForXML)</code>" : ""
        meaning = (parts.last ?? "").inlineHTML
    }
}

private struct FigureView {
    let caption: String
    let panels: [String]
    let isSingle: Bool

    init(_ figure: Figure) {
        caption = figure.caption.inlineHTML
        panels = figure.panels.map(\.svg)
        isSingle = panels.count == 1
    }
}

private struct CheckView {
    let claim, grade, gate, observed, change, mutant: String
    let passes, mutantFails: Bool

    init(_ check: Check) {
        claim = check.claim.inlineHTML
        grade = check.grade.rawValue
        gate = check.gate.text
        observed = check.observedText
        change = check.mutant.change.inlineHTML
        mutant = check.mutantText
        passes = check.passes
        mutantFails = check.mutantFails
    }
}

extension String {
    /// Text for a page, where what stands between backticks is code.
    fileprivate var inlineHTML: String {
        let pieces = split(separator: "`", omittingEmptySubsequences: false).map { String($0).escapedForXML }
        guard pieces.count % 2 == 1 else { return escapedForXML }
        return pieces.enumerated().map { $0.offset % 2 == 1 ? "<code>\($0.element)</code>" : $0.element }.joined()
    }
}
