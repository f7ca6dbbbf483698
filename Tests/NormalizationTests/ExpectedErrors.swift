// The expectation of the tests of bad input: the right error, and an output that nobody has touched.

internal import Normalization
import Testing

/// Expects `body` to throw an error of `reason` that names `argument`.
func expectError<Result>(
    _ reason: NormalizationError.Reason, _ argument: String, _ what: String = "",
    sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws(NormalizationError) -> Result
) {
    do {
        _ = try body()
        Issue.record("no error: \(what)", sourceLocation: sourceLocation)
    } catch {
        #expect(error.reason == reason, "\(what): \(error)", sourceLocation: sourceLocation)
        #expect(error.argument == argument, "\(what): \(error)", sourceLocation: sourceLocation)
        #expect(!error.expected.isEmpty && !error.given.isEmpty, "\(what)", sourceLocation: sourceLocation)
    }
}

/// What an output holds before a call that must fail: NaNs that tell their place.
func untouched(_ count: Int) -> [Float] { (0..<count).map { Float(bitPattern: 0x7fc0_1000 + UInt32($0)) } }

/// Expects `output` to hold `untouched` still, payloads included.
func expectUntouched(_ output: [Float], _ what: String = "", sourceLocation: SourceLocation = #_sourceLocation) {
    let touched = zip(output, untouched(output.count)).count { $0.bitPattern != $1.bitPattern }
    #expect(touched == 0, "\(what)", sourceLocation: sourceLocation)
}

enum BadInput {
    static let epsilons: [Float] = [-1, -1e-30, -.leastNonzeroMagnitude, .nan, .infinity, -.infinity]

    /// Backends that nobody can serve.
    static let backends: [(reason: NormalizationError.Reason, backend: Backend)] = {
        let missing = InstructionSet.allCases.filter { !InstructionSet.available.contains($0) }
        return [0, -1, Int.min].map { (.invalidThreadCount, .kernels(threads: $0)) }
            + [(.invalidThreadCount, .kernels(.portable, threads: 0))]
            + missing.map { (.unavailableInstructionSet, .kernels($0)) }
    }()
}
