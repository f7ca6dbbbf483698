// The backends and sizes that tests run over, and the comparison of bits that they share.

internal import Normalization
import Testing
internal import Verification

enum TestedBackends {
    /// Every instruction set of this machine. Says once which ones are not here and so are not tested.
    static let instructionSets: [InstructionSet] = {
        let missing = InstructionSet.allCases.filter { !InstructionSet.available.contains($0) }
        print("not on this machine, and not tested: \(missing.map(\.rawValue).joined(separator: ", "))")
        return InstructionSet.available
    }()

    /// One, as many as CI has, an odd number, more than there are cores.
    static let threadCounts = [1, 2, 3, 8]

    /// Every instruction set with every thread count.
    static let kernels: [Backend] = instructionSets.flatMap { instructionSet in
        threadCounts.map { .kernels(instructionSet, threads: $0) }
    }

    /// `kernels`, and those that leave a choice to the library.
    static let all: [Backend] = kernels + [.automatic, .kernels(), .kernels(threads: 2), .kernels(.portable)]
}

enum TestedSizes {
    /// Every width up to several registers of each kind, and those around blocks of 64 and chunks of 1,024.
    static let widths = Array(1...300) + [384, 511, 512, 513, 768, 1000, 1024, 1025, 4095, 4096, 8192, 50257]

    /// Every number of rows up to 300; fewer where neither C nor Swift is optimised.
    static let batches: [Int] = {
        #if DEBUG
            [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257, 299, 300]
        #else
            Array(1...300)
        #endif
    }()

    /// `list`, or every `step`-th of it where neither C nor Swift is optimised.
    static func thinned<Element>(_ list: [Element], debugStep step: Int) -> [Element] {
        #if DEBUG
            stride(from: 0, to: list.count, by: step).map { list[$0] }
        #else
            list
        #endif
    }
}

/// Expects equal bits (NaNs equal NaNs) and that there was something to compare.
func expectSameBits(
    _ given: [Float], _ expected: [Float], _ what: @autoclosure () -> String,
    sourceLocation: SourceLocation = #_sourceLocation
) {
    var bits = BitComparison()
    bits.compare(given, expected)
    #expect(bits.compared > 0 && bits.different == 0, "\(what()): \(bits)", sourceLocation: sourceLocation)
}

/// Expects the same output, statistics and gradients.
func expectSameBits(
    _ given: LayerNormVerification.Result, _ expected: LayerNormVerification.Result, _ what: @autoclosure () -> String,
    sourceLocation: SourceLocation = #_sourceLocation
) {
    let forward = given.forwardComparison(with: expected)
    let backward = given.backwardComparison(with: expected)
    #expect(
        forward.compared > 0 && forward.different == 0, "\(what()), forward: \(forward)",
        sourceLocation: sourceLocation)
    #expect(
        backward.compared > 0 && backward.different == 0, "\(what()), backward: \(backward)",
        sourceLocation: sourceLocation)
}

/// Expects that every instruction set and thread count gives the reference's bits, and that there were some.
func expectOneAnswer(_ inputs: OperatorCase..., sourceLocation: SourceLocation = #_sourceLocation) throws {
    for row in try OperatorCase.verify(inputs) {
        let bits = row.comparison
        #expect(
            bits.compared > 0 && bits.different == 0, "\(row.operation) \(row.data), \(row.backend): \(bits)",
            sourceLocation: sourceLocation)
    }
}
