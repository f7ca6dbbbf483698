// S9: every check holds and its mutant fails; the result has the same bits for every backend.

import Studies
import Testing

@Suite(.enabled(if: StudyTests.areOptimized)) struct ExpertStudyTests {
    @Test func checksHoldWithTheSameBits() throws { try expectSoundStudy(ExpertStudy(), checks: 16) }
}
