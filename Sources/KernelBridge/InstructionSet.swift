internal import CKernels

/// The instruction sets that kernels are compiled for. All of them give the same bits.
public enum InstructionSet: String, CaseIterable, Hashable, Sendable {
    case portable, avx2, avx512, avx512bf16, neon

    /// The ones in this build, slowest first.
    public static let compiled = allCases.filter { $0.isIn(KernelLibrary.compiled) }

    /// The ones that this machine can run, slowest first; the environment variable CK_MAX_ISA lowers them.
    public static let available = allCases.filter { $0.isIn(KernelLibrary.available) }

    /// The one that calls use unless they ask for another.
    public static let chosen = allCases.first { $0.code == KernelLibrary.chosen } ?? .portable

    private func isIn(_ set: UInt32) -> Bool { set >> code.rawValue & 1 == 1 }

    var code: ck_isa {
        switch self {
        case .portable: CK_ISA_PORTABLE
        case .avx2: CK_ISA_AVX2
        case .avx512: CK_ISA_AVX512
        case .avx512bf16: CK_ISA_AVX512_BF16
        case .neon: CK_ISA_NEON
        }
    }
}
