internal import CKernels
internal import Tensors

/// How one call into the kernels runs: `nil` lets the kernels choose.
package struct KernelRun: Sendable {
    let run: ck_run

    package init(instructionSet: InstructionSet? = nil, threads: Int? = nil) {
        run = ck_run(isa: instructionSet?.code ?? CK_ISA_AUTO, threads: Int32(clamping: threads ?? 0))
    }
}

/// Turns a status into an error. Normalization has checked everything before; what is left is the
/// machine: an instruction set that it lacks.
func check(_ status: ck_status) throws(NormalizationError) {
    if status == CK_OK { return }
    let text = unsafe String(cString: ck_status_text(status))
    let reason: NormalizationError.Reason = status == CK_ISA_UNAVAILABLE ? .unavailableInstructionSet : .kernelRefused
    throw NormalizationError(reason, argument: "backend", expected: "a call that the kernels accept", given: text)
}

extension StorageType {
    var code: ck_type {
        switch self {
        case .float32: CK_F32
        case .bfloat16: CK_BF16
        case .float16: CK_F16
        }
    }
}

extension Optional {
    /// The address of an optional tensor's first element, or nil.
    func rawPointer<Element>() -> UnsafeRawPointer? where Wrapped == Tensor<Element> {
        switch self {
        case .none: nil
        case .some(let tensor): unsafe UnsafeRawPointer(tensor.pointer)
        }
    }
    /// The address to write to; the caller has made the tensor unique.
    func rawMutablePointer<Element>() -> UnsafeMutableRawPointer? where Wrapped == Tensor<Element> {
        unsafe UnsafeMutableRawPointer(mutating: rawPointer())
    }
}

extension Tensor {
    /// The address of the first element. It stays valid while the tensor lives.
    var pointer: UnsafePointer<Element> { unsafe UnsafePointer(storage.base + offset) }
    /// The address to write to; the caller has made the tensor unique.
    var mutablePointer: UnsafeMutablePointer<Element> { unsafe storage.base + offset }
}
