internal import ArgumentParser
internal import Foundation
internal import KernelBridge
internal import Normalization
internal import Verification

/// What `bench` does unless told otherwise.
struct Operators: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measures every operator on the shapes that the tables name (the default).",
        discussion: """
            Times are medians over interleaved samples. "of limit" is the time of the limit on as many threads over \
            the time of the operator: the median of the rounds' ratios, since what a shared machine can do changes \
            from second to second. The limit is the faster of two copies of the same bytes (normal and streaming \
            stores); for attention as many fused multiply-adds, for decoding the reading of the keys and values.

            A run can be compared with a saved one. A row is slower or faster only where the middle halves of both \
            runs' samples lie apart, and the medians by 3 % or more.
            """)

    @OptionGroup var options: MeasureOptions
    @Option(help: "Measure only the operations whose name contains this text.") var filter: String?
    @Flag(help: "Fewer and shorter samples, smaller shapes.") var quick = false

    func run() throws {
        let progress = ProgressLine()
        let baseline = try options.baseline()
        var report = Report()
        print(report.title)
        try verify(progress)

        let threads = KernelLibrary.maximumThreads
        let sampler = Sampler(rounds: quick ? 3 : 7, sampleTime: quick ? 0.002 : 0.01)
        progress.show("measuring the machine's limits")
        report.limits = try measureLimits(threads: Set([1, threads]).sorted(), sampler: sampler)
        progress.clear()
        print("\n" + LimitRow.header)
        for row in report.limits { print(row.line) }

        print("\n" + ResultRow.header)
        let cells = Cell.all.filter { cell in
            (filter.map { cell.name.contains($0) } ?? true) && (!quick || cell.bytes <= 32 << 20)
        }
        for (number, cell) in cells.enumerated() {
            progress.show("\(number + 1)/\(cells.count) \(cell.name)")
            let rows = try cell.measure(threads: Set([1, threads]).sorted(), sampler: sampler)
            progress.clear()
            for row in rows { print(row.line + (baseline?.verdict(on: row) ?? "")) }
            report.rows += rows
        }
        try options.finish(report, baseline: baseline)
    }

    /// A wrong kernel is not timed.
    private func verify(_ progress: ProgressLine) throws {
        let rows = try LayerNormVerification.verify(try LayerNormVerification.realCases()) { input in
            progress.show("checking \(input.name)")
        }
        progress.clear()
        var total = BitComparison()
        for row in rows { total.add(row.comparison) }
        print("checked on real activations: \(total.compared) elements, \(total.different) differ from the reference")
        if total.different > 0 { throw ExitCode.failure }
    }
}

/// What both commands can do with what they measured.
struct MeasureOptions: ParsableArguments {
    @Option(help: "Write limits and results to this file, as JSON.") var save: String?
    @Option(help: "Compare with the results that this file holds.") var against: String?

    func baseline() throws -> Baseline? { try against.map(Baseline.init(path:)) }

    func finish(_ report: Report, baseline: Baseline?) throws {
        if let baseline { print("\n" + baseline.summary(of: report)) }
        if let save { try report.write(to: save) }
    }
}
