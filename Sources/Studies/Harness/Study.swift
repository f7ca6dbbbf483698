package import Normalization
package import Plots

/// One phenomenon: what is commonly said, what to expect, how it is measured, what is true.
package protocol Study: Sendable {
    /// Where it stands in the report: 1 for S1.
    var number: Int { get }
    /// For the command line: lower case, with hyphens.
    var name: String { get }
    var story: StudyStory { get }
    func run(_ context: StudyContext) throws -> StudyResult
}

/// The words of a study, which are there before it runs.
package struct StudyStory: Codable, Sendable {
    package var title: String
    /// The common story, in one or two sentences, fairly told.
    package var claim: String
    package var question: String
    /// What theory says will be measured: formulas in plain text, one statement an item.
    package var prediction: [String]
    package var method: String
    package var verdict: Verdict
    /// In one line, for the front page: what is true.
    package var verdictText: String
    /// Where the common story is wrong or incomplete, and what to do instead; one paragraph an item.
    package var corrections: [String]
    /// What the package's own API offers for a reader's own data: one line of Swift and what it tells, an item.
    package var tools: [String]
    /// Author, title, year.
    package var sources: [String]

    package init(
        title: String, claim: String, question: String, prediction: [String], method: String, verdict: Verdict,
        verdictText: String, corrections: [String], tools: [String], sources: [String]
    ) {
        self.title = title
        self.claim = claim
        self.question = question
        self.prediction = prediction
        self.method = method
        self.verdict = verdict
        self.verdictText = verdictText
        self.corrections = corrections
        self.tools = tools
        self.sources = sources
    }
}

package enum Verdict: String, Codable, Sendable {
    case holds = "true"
    case partly = "partly true"
    case fails = "false"
}

/// How a study is run.
package struct StudyContext: Sendable {
    package enum Mode: String, Codable, Sendable {
        /// Exact checks and laws: seconds.
        case quick
        /// Effects of training too: minutes.
        case full
    }

    package let mode: Mode
    /// Who computes; results have the same bits for all of them.
    package let backend: Backend
    /// Called with what is done now, for a person who waits.
    package let progress: @Sendable (String) -> Void

    package init(mode: Mode, backend: Backend = .automatic, progress: @escaping @Sendable (String) -> Void = { _ in }) {
        self.mode = mode
        self.backend = backend
        self.progress = progress
    }
}

/// What a run of a study found. Nothing in it depends on the clock, the backend or the thread count.
package struct StudyResult: Codable, Sendable {
    package var seeds: [UInt64]
    /// Sizes and settings, in the order in which a reader wants them.
    package var parameters: [String]
    package var checks: [Check]
    package var tables: [Table]
    package var figures: [Figure]
    /// What the story says and this run did not measure, since only full mode trains; nil: nothing.
    package var notMeasured: String?

    package init(
        seeds: [UInt64], parameters: [String], checks: [Check], tables: [Table] = [], figures: [Figure] = []
    ) {
        self.seeds = seeds
        self.parameters = parameters
        self.checks = checks
        self.tables = tables
        self.figures = figures
    }
}

/// Measured figures beside expected ones.
package struct Table: Codable, Sendable {
    package var title: String
    package var columns: [String]
    package var rows: [[String]]

    package init(_ title: String, columns: [String], rows: [[String]]) {
        precondition(rows.allSatisfy { $0.count == columns.count }, "a cell for each column of \(title)")
        self.title = title
        self.columns = columns
        self.rows = rows
    }
}
