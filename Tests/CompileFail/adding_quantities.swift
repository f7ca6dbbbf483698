// The same of single quantities.

import NormalizationDiagnostics

private func bad(_ p: Quantity<PressureRate>, _ t: Quantity<TemperatureRate>) {
    // expected error: mismatch: PressureRate, TemperatureRate
    _ = p + t
}
