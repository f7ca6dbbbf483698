// LayerNorm of numbers with a unit.

import NormalizationDiagnostics

private func bad(_ p: DimensionedVector<PressureRate>) throws {
    // expected error: unavailable: layerNorm, depends on the unit; use nondimensionalised(by:) first
    _ = try p.layerNorm()
}
