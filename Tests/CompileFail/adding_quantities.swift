// The same of single quantities.

import NormalizationDiagnostics

private func bad(_ p: Quantity<PressureRate>, _ t: Quantity<TemperatureRate>) {
    // expected error: cannot convert value of type 'Quantity<TemperatureRate>'
    // to expected argument type 'Quantity<PressureRate>'
    _ = p + t
}
