// S7: every check holds and its mutant fails; the result has the same bits for every backend.

import Foundation
import Normalization
import Studies
import Testing

@Suite(.enabled(if: StudyTests.areOptimized)) struct ModalityStudyTests {
    @Test func checksHoldWithTheSameBits() throws { try expectSoundStudy(ModalityStudy(), checks: 17) }
}

/// Every check of a quick run passes, and other instruction sets and thread counts give the same bits.
func expectSoundStudy(_ study: some Study, checks: Int, sourceLocation: SourceLocation = #_sourceLocation) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    let result = try study.run(StudyContext(mode: .quick, backend: .kernels(.portable, threads: 1)))
    #expect(result.checks.count == checks, sourceLocation: sourceLocation)
    #expect(!result.figures.isEmpty, "a card without a picture", sourceLocation: sourceLocation)
    for check in result.checks {
        #expect(
            check.passes, "\(check.claim): \(check.observed), mutant \(check.mutant.observed)",
            sourceLocation: sourceLocation)
    }
    let bits = try encoder.encode(result)
    for threads in [1, 2] {
        let other = try study.run(StudyContext(mode: .quick, backend: .kernels(threads: threads)))
        #expect(try encoder.encode(other) == bits, "\(threads) threads", sourceLocation: sourceLocation)
    }
}
