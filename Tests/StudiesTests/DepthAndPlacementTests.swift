// S2 and S3: every check holds, every mutant fails, and the answer has the same bits however it was computed.

import Foundation
import Normalization
import Testing

@testable import Studies

@Suite(.enabled(if: StudyTests.areOptimized, "minutes without optimisation"))
struct DepthAndPlacementTests {
    /// One thread: nets are small, and a busy machine makes threads wait for each other.
    private static let backend = Backend.kernels(threads: 1)

    @Test(arguments: ["depth", "placement"]) func checksHoldAndMutantsFail(name: String) throws {
        let study = try #require(StudyCatalogue.study(named: name))
        let result = try study.run(StudyContext(mode: .quick, backend: Self.backend))
        #expect(result.checks.count >= 10)
        for check in result.checks {
            #expect(check.passes, "\(check.claim) Observed \(check.observed), mutant \(check.mutant.observed)")
        }
    }

    /// Less than a quick run, which would take the reference minutes: one seed, 6 blocks and 3.
    @Test func aReducedSetHasTheSameBitsOnEveryBackend() throws {
        let backends: [Backend] = [
            .kernels(threads: 1), .kernels(threads: 2), .kernels(.portable, threads: 1), .reference,
        ]
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        let results = try backends.map { backend in
            let laws = try DepthLaws(depth: 6, seeds: [0], backend: backend)
            let blocks = try InitializedTransformer(width: 32, depth: 3, seed: 0, backend: backend)
            let flow = try blocks.flow(.periNorm, depth: 3)
            return try encoder.encode([
                laws.checks().map(\.observed), flow.tokenMeanEnergies, flow.probe.layers.compactMap(\.gradientEnergy),
            ])
        }
        #expect(results[0].count > 100)
        #expect(results.allSatisfy { $0 == results[0] })
    }
}
