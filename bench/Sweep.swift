internal import ArgumentParser
internal import Foundation
internal import KernelBridge
internal import Normalization

/// Row operators over widths.
struct Sweep: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measures row operators over widths of 16 to 65,536, by row counts, hot and cold.",
        discussion: """
            Every instruction set runs on one thread, the chosen one on 1, 2, ... all threads. A cold cell takes other \
            memory with each call.
            """)

    enum Operation: String, CaseIterable, ExpressibleByArgument { case layerNorm, rmsNorm, softmax }

    @OptionGroup var options: MeasureOptions
    @Option(help: "The operators.") var operation: [Operation] = [.layerNorm, .softmax]
    @Option(help: "Rows of a tensor; 0: as many as 2^20 elements have.") var rows: [Int] = [1, 64, 0]
    @Option(help: "The least width.") var from = 16
    @Option(help: "The largest width.") var to = 65_536
    @Option(help: "What each width is multiplied by for the next.") var step = 4
    @Flag(help: "Hot cells alone.") var hot = false

    func validate() throws {
        guard from >= 1, to >= from, step >= 2, rows.allSatisfy({ $0 >= 0 }) else {
            throw ValidationError("Widths need 1 <= from <= to and a step of at least 2; rows count up from 0.")
        }
    }

    func run() throws {
        let baseline = try options.baseline()
        var report = Report()
        print(report.title + "\n\n" + ResultRow.header)
        let sampler = Sampler(rounds: 9, sampleTime: 0.003)
        for cell in cells {
            let rows = try cell.measure(threads: Array(1...KernelLibrary.maximumThreads), sampler: sampler)
            for row in rows { print(row.line + (baseline?.verdict(on: row) ?? "")) }
            report.rows += rows
        }
        try options.finish(report, baseline: baseline)
    }

    private var cells: [Cell] {
        let widths = sequence(first: from) { $0 * step }.prefix { $0 <= to }
        var cells: [Cell] = []
        for operation in operation {
            for count in rows {
                for width in widths {
                    let shape = (rows: count == 0 ? max(1, (1 << 20) / width) : count, columns: width)
                    for isCold in hot ? [false] : [false, true] {
                        var cell = Self.cell(operation, shape, isCold: isCold)
                        cell.hasReference = false
                        cells.append(cell)
                    }
                }
            }
        }
        return cells
    }

    private static func cell(_ operation: Operation, _ shape: (rows: Int, columns: Int), isCold: Bool) -> Cell {
        switch operation {
        case .layerNorm: .normForward(.layerNorm, Float.self, shape, isCold: isCold)
        case .rmsNorm: .normForward(.rmsNorm, Float.self, shape, isCold: isCold)
        case .softmax: .softmaxForward(Float.self, shape, logarithmic: false, isCold: isCold)
        }
    }
}
