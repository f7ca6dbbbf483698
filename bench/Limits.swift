// Limits: what this machine can do at most, measured before anything else.

internal import KernelBridge
internal import Normalization

struct LimitRow: Codable {
    let name: String
    let threads: Int
    let timing: Timing
    /// GB/s or GFLOP/s.
    let rate: Double
    let unit: String
}

/// Copies at each cache level and from memory, with normal and with streaming stores, and fused
/// multiply-adds in registers.
func measureLimits(threads: [Int], sampler: Sampler) throws -> [LimitRow] {
    var rows: [LimitRow] = []
    let levels = [("L1", 12 << 10), ("L2", 256 << 10), ("L3", 4 << 20), ("memory", 256 << 20)]
    for count in threads {
        let run = KernelRun(threads: count)
        for (level, bytes) in levels {
            let source = try Tensor<Float>(repeating: 1, shape: [bytes / 4])
            var destination = source
            let candidates = [false, true].map { streaming in
                Candidate(name: streaming ? "streaming stores" : "normal stores") {
                    try MachineLimits.copy(source, to: &destination, streaming: streaming, run: run)
                }
            }
            for (candidate, timing) in zip(candidates, try sampler.measure(candidates)) {
                rows.append(
                    LimitRow(
                        name: "copy \(level), \(candidate.name)", threads: count, timing: timing,
                        rate: 2e-9 * Double(bytes) / timing.median, unit: "GB/s"))
            }
        }
        let steps = 20_000
        var operations = 0
        let fma = Candidate(name: "fma") {
            operations = try MachineLimits.fusedMultiplyAdds(steps: steps, run: run) * count
        }
        let timing = try sampler.measure([fma])[0]
        rows.append(
            LimitRow(
                name: "fused multiply-add", threads: count, timing: timing,
                rate: 1e-9 * Double(operations) / timing.median, unit: "GFLOP/s"))
    }
    return rows
}
