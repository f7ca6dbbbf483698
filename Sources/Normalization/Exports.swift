// The modules whose types are this module's vocabulary: a client imports Normalization alone.

@_exported public import Tensors
@_exported public import enum KernelBridge.InstructionSet
