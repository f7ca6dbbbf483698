public import KernelBridge
package import Tensors

/// Who computes. Every backend gives the same bits; they differ in speed alone.
public enum Backend: Hashable, Sendable {
    /// The fastest kernels of this machine, on as many threads as the work is worth.
    case automatic
    /// The C kernels of one instruction set (nil: the fastest), on at most `threads` threads (nil: as
    /// many as the work is worth).
    case kernels(InstructionSet? = nil, threads: Int? = nil)
    /// Pure Swift on one thread: for verification, and where no kernel may run.
    case reference
}

extension Backend {
    /// How to call the kernels, or nil for the reference.
    ///
    /// - Throws: `NormalizationError` for a thread count below one or an instruction set that is not here.
    package func kernelRun() throws(NormalizationError) -> KernelRun? {
        switch self {
        case .automatic: return KernelRun()
        case .reference: return nil
        case .kernels(let instructionSet, let threads):
            if let threads, threads < 1 {
                throw NormalizationError(
                    .invalidThreadCount, argument: "backend", expected: "at least 1 thread", given: "\(threads)")
            }
            if let instructionSet, !InstructionSet.available.contains(instructionSet) {
                throw NormalizationError(
                    .unavailableInstructionSet, argument: "backend",
                    expected: "one of \(InstructionSet.available.map(\.rawValue))", given: instructionSet.rawValue)
            }
            return KernelRun(instructionSet: instructionSet, threads: threads)
        }
    }
}
