// One vector of two dimensions.

import NormalizationDiagnostics

private func bad(_ p: DimensionedVector<PressureRate>, _ t: DimensionedVector<TemperatureRate>) {
    // expected error: cannot convert value of type 'DimensionedVector<TemperatureRate>'
    // to expected argument type 'DimensionedVector<PressureRate>'
    _ = p.concatenated(with: t)
}
