// What the types of NormalizationDiagnostics allow. CompileFailTests type-checks this file; the others must fail.

import NormalizationDiagnostics

enum PressureRate: NormalizationDiagnostics.Dimension {
    static var exponents: DimensionExponents { SI.Pressure.exponents / SI.Time.exponents }
}

enum TemperatureRate: NormalizationDiagnostics.Dimension {
    static var exponents: DimensionExponents { SI.Temperature.exponents / SI.Time.exponents }
}

func good(
    pressures: DimensionedVector<PressureRate>, temperatures: DimensionedVector<TemperatureRate>,
    pressureScale: Quantity<PressureRate>, temperatureScale: Quantity<TemperatureRate>
) throws -> [Double] {
    let twice = try pressures + pressures
    let longer = twice.concatenated(with: pressures)
    let total = pressureScale + pressureScale
    let features = try longer.nondimensionalised(by: total)
        .concatenated(with: temperatures.nondimensionalised(by: temperatureScale))
    let scales = try ResidualScales(pressureScale, temperatureScale)
    let loss = try scales.meanSquares(pressures, temperatures)
    let product = try (pressureScale / temperatureScale * temperatureScale.dynamic).quantity(of: PressureRate.self)
    return try features.layerNorm().values + [loss, product.ratio(to: pressureScale)]
}
