// One vector of two dimensions.

import NormalizationDiagnostics

private func bad(_ p: DimensionedVector<PressureRate>, _ t: DimensionedVector<TemperatureRate>) {
    // expected error: mismatch: PressureRate, TemperatureRate
    _ = p.concatenated(with: t)
}
