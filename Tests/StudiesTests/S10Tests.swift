// S10: every check holds and its mutant fails; the result has the same bits for every backend.

import Foundation
import Normalization
import Studies
import Testing

@Suite(.enabled(if: StudyTests.areOptimized, "the study is run by swift test -c release")) struct GANStudyTests {
    @Test func checksHold() throws {
        let result = try GANStudy().run(StudyContext(mode: .quick))
        #expect(result.checks.count == 14)
        for check in result.checks {
            #expect(check.passes, "\(check.claim): \(check.observed), mutant \(check.mutant.observed)")
        }
    }

    @Test func backendsGiveTheSameBits() throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        let backends: [Backend] = [.kernels(.portable, threads: 1), .kernels(threads: 1), .kernels(threads: 2)]
        let results = try backends.map { backend in
            try encoder.encode(GANStudy().run(StudyContext(mode: .quick, backend: backend)))
        }
        #expect(results[0].count > 1000)
        #expect(results.allSatisfy { $0 == results[0] })
    }
}
