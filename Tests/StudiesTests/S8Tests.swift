// S8: every check holds and its mutant fails; the result has the same bits for every backend.

import Studies
import Testing

@Suite(.enabled(if: StudyTests.areOptimized)) struct FairnessStudyTests {
    @Test func checksHoldWithTheSameBits() throws { try expectSoundStudy(FairnessStudy(), checks: 15) }

    /// The outcomes of three seeds, which a quick run leaves out.
    @Test func fullRunHolds() throws {
        let result = try FairnessStudy().run(StudyContext(mode: .full))
        #expect(result.checks.count == 19)
        for check in result.checks {
            #expect(check.passes, "\(check.claim): \(check.observed), mutant \(check.mutant.observed)")
        }
    }
}
