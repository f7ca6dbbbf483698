internal import ArgumentParser
internal import Foundation
internal import KernelBridge
internal import Normalization
internal import Verification

@main
struct Bench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Checks every operator on real activations, then measures it against this machine's limits.",
        discussion: """
            Times are medians over interleaved samples. "of limit" is the time of the limit on as many threads over \
            the time of the operator: the median of the rounds' ratios, since what a shared machine can do changes \
            from second to second. The limit is the faster of two copies of the same bytes (normal and streaming \
            stores); for attention as many fused multiply-adds, for decoding the reading of the keys and values.
            """)

    @Option(help: "Write limits and results to this file.") var json: String?
    @Option(help: "Measure only the operations whose name contains this text.") var filter: String?
    @Flag(help: "Fewer and shorter samples, smaller shapes.") var quick = false

    func run() throws {
        let progress = ProgressLine()
        var report = Report()
        print("\(report.machine); \(report.threading); \(report.date)")
        try verify(progress)

        let threads = KernelLibrary.maximumThreads
        let sampler = Sampler(rounds: quick ? 3 : 7, sampleTime: quick ? 0.002 : 0.01)
        progress.show("measuring the machine's limits")
        report.limits = try measureLimits(threads: Set([1, threads]).sorted(), sampler: sampler)
        progress.clear()
        print("\n" + LimitRow.header)
        for row in report.limits { print(row.line) }

        print("\n" + ResultRow.header)
        let all = Cell.norms + Cell.channelNorms + Cell.residualGeometry + Cell.segments + Cell.conversions
            + Cell.softmaxes + Cell.scores + Cell.attentions
        let cells = all.filter { cell in
            (filter.map { cell.name.contains($0) } ?? true) && (!quick || cell.bytes <= 32 << 20)
        }
        for (number, cell) in cells.enumerated() {
            progress.show("\(number + 1)/\(cells.count) \(cell.name)")
            let rows = try measure(cell, threads: threads, sampler: sampler)
            progress.clear()
            for row in rows { print(row.line) }
            report.rows += rows
        }
        if let json { try report.write(to: json) }
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

    private func measure(_ cell: Cell, threads: Int, sampler: Sampler) throws -> [ResultRow] {
        let candidates = try cell.candidates(threads: threads)
        let timings = try sampler.measure(candidates)
        let times = Dictionary(uniqueKeysWithValues: zip(candidates.map(\.name), timings))
        let reference = (times["reference"]?.median ?? .nan) * cell.referenceFactor
        let portable = times["portable, 1 thread"]?.median ?? .nan
        return candidates.compactMap { candidate in
            guard candidate.name.contains("thread"), let timing = times[candidate.name] else { return nil }
            let count = candidate.name.hasSuffix("1 thread") ? 1 : threads
            let limits = zip(candidates, timings).filter { $0.0.name.hasPrefix(Cell.limitPrefix(threads: count)) }
            return ResultRow(
                cell: cell.name, candidate: candidate.name, threads: count, timing: timing,
                rate: cell.work / timing.median, unit: cell.unit,
                shareOfLimit: timing.share(of: limits.map(\.1)), timesReference: reference / timing.median,
                timesPortable: portable / timing.median)
        }
    }
}
