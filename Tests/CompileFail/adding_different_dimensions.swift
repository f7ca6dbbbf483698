// Sums of different dimensions.

import NormalizationDiagnostics

private func bad(_ p: DimensionedVector<PressureRate>, _ t: DimensionedVector<TemperatureRate>) throws {
    // expected error: cannot convert value of type 'DimensionedVector<TemperatureRate>'
    // to expected argument type 'DimensionedVector<PressureRate>'
    _ = try p + t
}
