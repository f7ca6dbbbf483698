// Every study: its checks hold, its mutants fail, it draws something, and its answer has the same bits however it was
// computed.

import Foundation
import Normalization
import Testing

@testable import Studies

#if DEBUG
    private let isOptimized = false
#else
    private let isOptimized = true
#endif

@Suite(.enabled(if: isOptimized, "whole studies take minutes without optimisation: swift test -c release runs them"))
struct StudyTests {
    /// Studies by the number of checks of a quick run.
    private static let studies: [(study: any Study, checks: Int)] = [
        (CoreStudy(), 33), (OrthogonalUpdatesStudy(), 19), (TimeSeriesStudy(), 16), (GraphAttentionStudy(), 26),
        (ModalityStudy(), 17), (FairnessStudy(), 15), (ExpertStudy(), 16), (GANStudy(), 14), (PhysicsStudy(), 15),
    ]

    private func result(_ study: any Study, checks: Int, mode: StudyContext.Mode = .quick, backend: Backend) throws -> Data {
        let result = try study.run(StudyContext(mode: mode, backend: backend))
        #expect(result.checks.count == checks)
        #expect(!result.figures.isEmpty, "a card without a picture")
        for check in result.checks {
            #expect(check.passes, "\(check.claim): \(check.observed), mutant \(check.mutant.observed)")
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        return try encoder.encode(result)
    }

    /// This machine's best kernels, on one and two threads, and the reference give the bits of the portable ones.
    @Test(arguments: 0..<studies.count) func checksHoldWithTheSameBits(index: Int) throws {
        let (study, checks) = Self.studies[index]
        let bits = try result(study, checks: checks, backend: .kernels(.portable, threads: 1))
        for backend: Backend in [.kernels(threads: 1), .kernels(threads: 2), .reference] {
            #expect(try result(study, checks: checks, backend: backend) == bits, "\(study.name), \(backend)")
        }
    }

    /// S2 and S3, whose quick runs would take the reference minutes. One thread: nets are small, and a busy machine
    /// makes threads wait for each other.
    @Test func depthAndPlacementHold() throws {
        _ = try result(DepthStudy(), checks: 19, backend: .kernels(threads: 1))
        _ = try result(PlacementStudy(), checks: 10, backend: .kernels(threads: 1))
    }

    /// Less of S2 and S3: one seed, 6 blocks and 3.
    @Test func partsOfDepthAndPlacementHaveTheSameBits() throws {
        let backends: [Backend] = [
            .kernels(threads: 1), .kernels(threads: 2), .kernels(.portable, threads: 1), .reference,
        ]
        let results = try backends.map { backend in
            let laws = try DepthLaws(depth: 6, seeds: [0], backend: backend)
            let blocks = try InitializedTransformer(width: 32, depth: 3, seed: 0, backend: backend)
            let flow = try blocks.flow(.periNorm, depth: 3)
            return try [
                laws.checks().map(\.observed), flow.tokenMeanEnergies, flow.probe.layers.compactMap(\.gradientEnergy),
            ]
        }
        #expect(results[0].joined().count == 19)
        for other in results { #expect(other.map { $0.map(\.bitPattern) } == results[0].map { $0.map(\.bitPattern) }) }
    }

    /// S8's outcomes of three seeds, which a quick run leaves out: the only training that takes seconds.
    @Test func fairnessHoldsInFull() throws {
        _ = try result(FairnessStudy(), checks: 19, mode: .full, backend: .automatic)
    }
}
