// Residuals that do not stand in the order of their scales.

import NormalizationDiagnostics

private func bad(
    _ scales: ResidualScales<PressureRate, TemperatureRate>, _ p: DimensionedVector<PressureRate>
) throws {
    // expected error: mismatch: DimensionedVector, PressureRate
    _ = try scales.meanSquares(p, p)
}
