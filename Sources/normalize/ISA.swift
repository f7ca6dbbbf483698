internal import ArgumentParser
internal import KernelBridge
internal import Normalization
internal import Verification

struct ISA: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "isa", abstract: "What this build holds, what this machine has, and what is chosen.")

    func run() {
        print("version      \(KernelLibrary.version)")
        for instructionSet in InstructionSet.allCases {
            let state =
                if instructionSet == InstructionSet.chosen {
                    "chosen"
                } else if InstructionSet.available.contains(instructionSet) {
                    "available"
                } else if InstructionSet.compiled.contains(instructionSet) {
                    "compiled, not on this machine or above CK_MAX_ISA"
                } else {
                    "not in this build"
                }
            print("\(instructionSet.rawValue)".padded(to: 13) + state)
        }
        print("threading    \(KernelLibrary.threading), at most \(KernelLibrary.maximumThreads)")
        print("last cache   \(KernelLibrary.lastCacheBytes >> 10) KiB")
        print("blas         \(KernelLibrary.blas)")
    }
}
