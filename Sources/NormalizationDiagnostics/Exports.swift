// A client imports NormalizationDiagnostics alone.

@_exported public import Normalization
