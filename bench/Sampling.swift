// Sampling: how times are taken. Candidates of one cell run in turns, so that a noisy neighbour hits all
// of them; what is reported are medians and the spread between quartiles.

internal import Foundation

/// Something to be timed.
struct Candidate {
    let name: String
    /// Of what is reported; nil for what is compared with.
    var threads: Int?
    /// Runs the operation once.
    let run: () throws -> Void
}

/// Seconds a call.
struct Timing: Codable {
    let median: Double
    let lowerQuartile, upperQuartile: Double
    /// One a round.
    let samples: [Double]

    init(_ samples: [Double]) {
        let sorted = samples.sorted()
        median = sorted[sorted.count / 2]
        lowerQuartile = sorted[sorted.count / 4]
        upperQuartile = sorted[sorted.count * 3 / 4]
        self.samples = samples
    }

    /// The distance between the quartiles over the median.
    var spread: Double { (upperQuartile - lowerQuartile) / median }

    /// The fastest of `limits` over this: the median of the rounds' ratios.
    func share(of limits: [Timing]) -> Double {
        let ratios = samples.indices.map { round in (limits.map { $0.samples[round] }.min() ?? .nan) / samples[round] }
        return Timing(ratios).median
    }
}

struct Sampler {
    /// Turns that each candidate gets.
    let rounds: Int
    /// Least seconds in one sample.
    let sampleTime: Double

    /// One timing a candidate, in their order.
    func measure(_ candidates: [Candidate]) throws -> [Timing] {
        var calls: [Int] = []
        for candidate in candidates {
            calls.append(try callsPerSample(candidate))
        }
        var samples = [[Double]](repeating: [], count: candidates.count)
        for _ in 0..<rounds {
            for (index, candidate) in candidates.enumerated() {
                try candidate.run()
                samples[index].append(try time(candidate, calls: calls[index]))
            }
        }
        return samples.map(Timing.init)
    }

    /// Warms up for 50 ms (both threads of a team start on one core here), then counts.
    private func callsPerSample(_ candidate: Candidate) throws -> Int {
        var calls = 1
        var spent = 0.0
        while true {
            let perCall = try time(candidate, calls: calls)
            spent += perCall * Double(calls)
            if spent > 0.05 { return max(1, Int((sampleTime / perCall).rounded(.up))) }
            calls = max(calls, min(calls * 2, Int(0.02 / max(perCall, 1e-9))))
        }
    }

    private func time(_ candidate: Candidate, calls: Int) throws -> Double {
        let clock = ContinuousClock()
        let run = candidate.run
        let duration = try clock.measure { for _ in 0..<calls { try run() } }
        return Double(duration.components.seconds) / Double(calls)
            + Double(duration.components.attoseconds) * 1e-18 / Double(calls)
    }
}
