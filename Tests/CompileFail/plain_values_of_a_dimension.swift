// Plain numbers without saying in which unit.

import NormalizationDiagnostics

private func bad(_ p: DimensionedVector<PressureRate>) -> [Double] {
    // expected error: unavailable: values, plain numbers only in a unit: values(in:)
    p.values
}
