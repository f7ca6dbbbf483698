// Report: what is printed, and what --save writes.

internal import Foundation
internal import KernelBridge
internal import Normalization
internal import Verification

struct ResultRow: Codable {
    let cell: String
    let candidate: String
    let threads: Int
    /// What the operator must move at least.
    let bytes: Int
    let timing: Timing
    let rate: Double
    /// GB/s or GFLOP/s.
    let unit: String
    /// The time of the limit on as many threads, over this time; median of the rounds.
    let shareOfLimit: Double
    /// Nil where nothing was measured.
    let timesReference, timesPortable: Double?

    /// What a row of another run is found by.
    var id: String { "\(cell), \(candidate)" }
}

struct Report: Codable {
    let version: String
    let date: String
    let machine: String
    let compiler: String
    let commit: String
    let threading: String
    var limits: [LimitRow] = []
    var rows: [ResultRow] = []

    init() {
        version = KernelLibrary.version
        threading = KernelLibrary.threading
        date = Machine.date
        machine = Machine.description
        compiler = Self.firstLine(of: ["swift", "--version"])
        commit = Self.firstLine(of: ["git", "describe", "--always", "--dirty"])
    }

    var title: String { "\(machine); \(threading); \(compiler); commit \(commit); \(date)" }

    /// Of what a command prints; "unknown" where there is no such command.
    private static func firstLine(of command: [String]) -> String {
        let (process, output) = (Process(), Pipe())
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = command
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        guard (try? process.run()) != nil else { return "unknown" }
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return text.split(separator: "\n").first.map(String.init) ?? "unknown"
    }

    func write(to path: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        try encoder.encode(self).write(to: URL(fileURLWithPath: path))
    }
}

extension LimitRow {
    static let header = "limits".padded(to: 34) + "threads"

    var line: String {
        name.padded(to: 34) + "\(threads)".rightAligned(in: 4) + String(format: "%10.1f ", rate) + unit.padded(to: 8)
            + timing.spreadText
    }
}

extension ResultRow {
    static let header =
        "operation".padded(to: 62) + "run".padded(to: 26)
        + "    time    rate          of limit  x portable  x reference"

    var line: String {
        cell.padded(to: 62) + candidate.padded(to: 24) + Self.text(timing.median).rightAligned(in: 10)
            + String(format: "%8.1f ", rate) + unit.padded(to: 8)
            + String(format: "%6.0f %% ", 100 * shareOfLimit) + Self.times(timesPortable, "%.1f").rightAligned(in: 11)
            + Self.times(timesReference, "%.0f").rightAligned(in: 13) + "  "
            + timing.spreadText
    }

    /// A dash where nothing was measured.
    private static func times(_ ratio: Double?, _ format: String) -> String {
        ratio.map { String(format: format, $0) } ?? "-"
    }

    static func text(_ seconds: Double) -> String {
        switch seconds {
        case ..<1e-6: String(format: "%.0f ns", seconds * 1e9)
        case ..<1e-3: String(format: "%.1f us", seconds * 1e6)
        default: String(format: "%.2f ms", seconds * 1e3)
        }
    }
}

extension Timing {
    /// Half the distance between the quartiles.
    fileprivate var spreadText: String { String(format: "±%.0f %%", 50 * spread) }
}
