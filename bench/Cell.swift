// Cell: one operator on one shape; all its candidates are timed in turns.

internal import KernelBridge
internal import Normalization
internal import Verification

enum Direction: String, Codable { case forward, backward }

/// What an operator gives bench: calls that work on sets of tensors, one set a call.
protocol Workload {
    /// A call that works on set `set` of `sets`.
    mutating func run(set: Int) throws(NormalizationError)
}

/// What a cell's time is compared with, measured beside it.
enum Limit {
    /// Copies of the bytes that the operator must move at least.
    case copies
    /// Fused multiply-adds in registers.
    case multiplyAdds(Int)
    /// Reading bytes.
    case reading(bytes: Int)
}

typealias WorkloadMaker = @Sendable (_ shape: Shape, _ sets: Int, _ backend: Backend) throws -> any Workload

struct Cell: Sendable {
    let operation: String
    let storage: StorageType
    let direction: Direction
    let rows: Int
    let columns: Int
    /// Whether every call takes other memory, so that data come from beyond the caches.
    let isCold: Bool
    /// Tensors of the shape that must be read and written at least.
    let tensorsRead: Int
    let tensorsWritten: Int
    var limit = Limit.copies
    /// Whether the reference and the portable kernels take too long to be timed.
    var isLong = false
    var hasReference = true
    /// Makes the work of one backend on some rows of the shape.
    let workload: WorkloadMaker
    /// The same results from two calls, the second of which reads what the first has written.
    var unfused: WorkloadMaker?

    var name: String {
        let type = storage == .float32 ? "" : " \(storage.rawValue)"
        return "\(operation)\(type) \(direction.rawValue) \(rows)x\(columns)\(isCold ? " cold" : "")"
    }

    private var elementSize: Int { storage == .float32 ? 4 : 2 }
    private var tensors: Int { tensorsRead + tensorsWritten }

    /// What an operator must move at least.
    var bytes: Int {
        if case .reading(let bytes) = limit { return bytes }
        return tensors * rows * columns * elementSize
    }

    /// Work in one call, in 10⁹ of `unit` / second.
    var work: Double {
        if case .multiplyAdds(let count) = limit { return 2e-9 * Double(count) }
        return 1e-9 * Double(bytes)
    }
    var unit: String {
        if case .multiplyAdds = limit { return "GFLOP/s" }
        return "GB/s"
    }

    /// Bytes that a cold cell cycles through.
    private static let coldBytes = 160 << 20
    /// Elements beyond which the reference is timed on fewer rows.
    private static let referenceElements = 1 << 16

    /// What the reference's time is multiplied by.
    var referenceFactor: Double { Double(rows) / Double(referenceRows) }
    private var referenceRows: Int { min(rows, max(1, Self.referenceElements / columns)) }

    private var sets: Int { isCold ? max(2, (Self.coldBytes + bytes - 1) / bytes) : 1 }

    /// The limit on each of these counts of threads, every instruction set on one thread, the chosen one on the other
    /// counts, and the reference.
    private func candidates(threads: [Int]) throws -> [Candidate] {
        var candidates: [Candidate] = []
        for count in threads {
            candidates += try limits(threads: count)
        }
        for instructionSet in InstructionSet.available where !(isLong && instructionSet == .portable) {
            candidates.append(try candidate(workload, instructionSet, threads: 1))
        }
        for count in threads where count > 1 {
            candidates.append(try candidate(workload, .chosen, threads: count))
        }
        if let unfused {
            candidates += try threads.map { try candidate(unfused, .chosen, threads: $0, suffix: ", 2 calls") }
        }
        if hasReference && !isLong {
            var reference = try workload([referenceRows, columns], 1, .reference)
            candidates.append(Candidate(name: "reference") { try reference.run(set: 0) })
        }
        return candidates
    }

    /// How the names of the limits on as many threads begin.
    private static func limitPrefix(threads: Int) -> String { "limit \(threads), " }

    private func limits(threads: Int) throws -> [Candidate] {
        let (run, name) = (KernelRun(threads: threads), Self.limitPrefix(threads: threads))
        switch limit {
        case .copies:
            return try [false, true].map { try copy(streaming: $0, threads: threads) }
        case .multiplyAdds(let count):
            let steps = max(1, count / threads / MachineLimits.multiplyAddsPerStep)
            return [
                Candidate(name: name + "multiply-adds") {
                    _ = try MachineLimits.fusedMultiplyAdds(steps: steps, run: run)
                }
            ]
        case .reading(let bytes):
            let sources = try (0..<sets).map { _ in try Tensor<Float>(repeating: 1, shape: [bytes / 4]) }
            var largest = try Tensor<Float>(repeating: 0, shape: [(bytes / 4 + 1023) / 1024])
            var set = 0
            return [
                Candidate(name: name + "reading") {
                    try MachineLimits.read(sources[set], largest: &largest, run: run)
                    set = (set + 1) % sources.count
                }
            ]
        }
    }

    private func candidate(
        _ workload: WorkloadMaker, _ instructionSet: InstructionSet, threads: Int, suffix: String = ""
    ) throws -> Candidate {
        let sets = sets
        var work = try workload([rows, columns], sets, .kernels(instructionSet, threads: threads))
        var set = 0
        let name = "\(instructionSet.rawValue), \(threads) thread" + (threads == 1 ? "" : "s") + suffix
        return Candidate(name: name, threads: threads) {
            try work.run(set: set)
            set = (set + 1) % sets
        }
    }

    /// As many bytes moved as the operator must, as copies and, for what is read more than written, one sum.
    private func copy(streaming: Bool, threads: Int) throws -> Candidate {
        struct Buffers {
            let source, second: Tensor<Float>
            var destination: Tensor<Float>
        }
        let floats = rows * columns * elementSize / 4
        let sets = sets
        func buffers(_ count: Int) throws -> [Buffers] {
            try (0..<(count == 0 ? 0 : sets)).map { _ in
                Buffers(
                    source: try Tensor(repeating: 1, shape: [count]), second: try Tensor(repeating: 1, shape: [count]),
                    destination: try Tensor(repeating: 0, shape: [count]))
            }
        }
        let sums = max(0, tensorsRead - tensorsWritten)
        var copies = try buffers((tensors - 3 * sums) * floats / 2)
        var added = try buffers(sums * floats)
        let run = KernelRun(threads: threads)
        var set = 0
        let name = Self.limitPrefix(threads: threads) + (streaming ? "streaming stores" : "normal stores")
        return Candidate(name: name) {
            if !copies.isEmpty {
                let source = copies[set].source
                try MachineLimits.copy(source, to: &copies[set].destination, streaming: streaming, run: run)
            }
            if !added.isEmpty {
                let (source, second) = (added[set].source, added[set].second)
                try MachineLimits.copy(
                    source, plus: second, to: &added[set].destination, streaming: streaming, run: run)
            }
            set = (set + 1) % sets
        }
    }
}

extension Cell {
    static var all: [Cell] {
        norms + channelNorms + residualGeometry + segments + conversions + softmaxes + scores + attentions + caches
            + matrixProducts
    }

    /// A row for each instruction set and count of threads.
    func measure(threads: [Int], sampler: Sampler) throws -> [ResultRow] {
        let candidates = try candidates(threads: threads)
        let timings = try sampler.measure(candidates)
        let times = Dictionary(uniqueKeysWithValues: zip(candidates.map(\.name), timings))
        let reference = times["reference"].map { $0.median * referenceFactor }
        let portable = times["portable, 1 thread"]?.median
        return candidates.compactMap { candidate in
            guard let count = candidate.threads, let timing = times[candidate.name] else { return nil }
            let limits = zip(candidates, timings).filter { $0.0.name.hasPrefix(Cell.limitPrefix(threads: count)) }
            return ResultRow(
                cell: name, candidate: candidate.name, threads: count, bytes: bytes, timing: timing,
                rate: work / timing.median, unit: unit, shareOfLimit: timing.share(of: limits.map(\.1)),
                timesReference: reference.map { $0 / timing.median },
                timesPortable: portable.map { $0 / timing.median })
        }
    }
}

/// Numbers for a workload: uniform in -0.5 ..< 0.5.
func filled<Element: KernelElement>(_ shape: Shape, seed: Int) throws(NormalizationError) -> Tensor<Element> {
    var random = RandomNumbers(seed: UInt64(seed))
    var tensor = try Tensor<Element>(repeating: .zero, shape: shape)
    tensor.withMutableSpan { span in
        for index in span.indices { span[index] = Element(rounding: random.nextUniform() - 0.5) }
    }
    return tensor
}
