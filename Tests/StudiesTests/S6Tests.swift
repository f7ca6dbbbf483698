// S6: every check holds and its mutant fails; a quick run has the same bits for every backend, the reference included.

import Studies
import Testing

@Suite(.enabled(if: StudyTests.areOptimized)) struct GraphAttentionStudyTests {
    @Test func checksHoldWithTheSameBits() throws { try expectSoundStudy(GraphAttentionStudy(), checks: 26) }
}
