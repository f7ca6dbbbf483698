// A characteristic value of another dimension.

import NormalizationDiagnostics

private func bad(_ p: DimensionedVector<PressureRate>, _ scale: Quantity<TemperatureRate>) throws {
    // expected error: cannot convert value of type 'Quantity<TemperatureRate>'
    // to expected argument type 'Quantity<PressureRate>'
    _ = try p.nondimensionalised(by: scale)
}
