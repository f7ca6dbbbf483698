// What this machine can run, and what is chosen of it.

internal import Normalization
import Testing

@Suite struct InstructionSetTests {
    @Test func portableIsEverywhere() {
        #expect(InstructionSet.compiled.contains(.portable))
        #expect(InstructionSet.available.contains(.portable))
    }

    @Test func theChosenOneIsTheFastestAvailable() {
        #expect(InstructionSet.chosen == InstructionSet.available.last)
    }

    @Test func onlyCompiledOnesAreAvailable() {
        #expect(Set(InstructionSet.available).isSubset(of: InstructionSet.compiled))
        #expect(Set(InstructionSet.available).count == InstructionSet.available.count)
    }

    @Test func theBuildHoldsThoseOfItsArchitecture() {
        #if arch(x86_64) && CK_WITHOUT_AVX512
            #expect(InstructionSet.compiled == [.portable, .avx2])
        #elseif arch(x86_64)
            #expect(InstructionSet.compiled == [.portable, .avx2, .avx512, .avx512bf16])
        #elseif arch(arm64)
            #expect(InstructionSet.compiled == [.portable, .neon])
        #endif
    }

    @Test func testsCoverAllThatIsAvailable() {
        #expect(TestedBackends.instructionSets == InstructionSet.available)
        #expect(TestedBackends.kernels.count == InstructionSet.available.count * TestedBackends.threadCounts.count)
    }
}
