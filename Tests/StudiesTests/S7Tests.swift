// S7: every check holds and its mutant fails; a quick run has the same bits for every backend, the reference included.

import Foundation
import Normalization
import Studies
import Testing

@Suite(.enabled(if: StudyTests.areOptimized)) struct ModalityStudyTests {
    @Test func checksHoldWithTheSameBits() throws { try expectSoundStudy(ModalityStudy(), checks: 17) }
}

/// Every check of a quick run passes; this machine's best kernels, on one and two threads, and the reference give the
/// bits of the portable ones.
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
    #expect(bits.count > 1000, sourceLocation: sourceLocation)
    for backend: Backend in [.kernels(threads: 1), .kernels(threads: 2), .reference] {
        let other = try study.run(StudyContext(mode: .quick, backend: backend))
        #expect(try encoder.encode(other) == bits, "\(backend)", sourceLocation: sourceLocation)
    }
}
