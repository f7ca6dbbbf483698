// Sums of different dimensions.

import NormalizationDiagnostics

private func bad(_ p: DimensionedVector<PressureRate>, _ t: DimensionedVector<TemperatureRate>) throws {
    // expected error: mismatch: PressureRate, TemperatureRate
    _ = try p + t
}
