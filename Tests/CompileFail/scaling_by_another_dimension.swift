// A characteristic value of another dimension.

import NormalizationDiagnostics

private func bad(_ p: DimensionedVector<PressureRate>, _ scale: Quantity<TemperatureRate>) throws {
    // expected error: mismatch: PressureRate, TemperatureRate
    _ = try p.nondimensionalised(by: scale)
}
