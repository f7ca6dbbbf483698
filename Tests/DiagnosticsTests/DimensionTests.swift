// Quantities, vectors with a dimension, products of units, scales of residuals.

import NormalizationDiagnostics
import Testing

enum PressureRate: NormalizationDiagnostics.Dimension {
    static var exponents: DimensionExponents { SI.Pressure.exponents / SI.Time.exponents }
}
enum TemperatureRate: NormalizationDiagnostics.Dimension {
    static var exponents: DimensionExponents { SI.Temperature.exponents / SI.Time.exponents }
}

/// Expects `body` to throw an error of `reason`.
func expectError<Result>(
    _ reason: NormalizationError.Reason, sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () throws(NormalizationError) -> Result
) {
    do {
        _ = try body()
        Issue.record("no error, expected \(reason)", sourceLocation: sourceLocation)
    } catch {
        #expect(error.reason == reason, "\(error)", sourceLocation: sourceLocation)
    }
}

@Suite struct DimensionTests {
    @Test func exponentsOfProducts() {
        #expect(PressureRate.exponents == DimensionExponents(length: -1, mass: 1, time: -3))
        #expect(PressureRate.exponents.description == "m^-1 kg s^-3")
        #expect(DimensionExponents.dimensionless.description == "1")
        #expect(SI.Velocity.exponents.power(-2) == DimensionExponents(length: -2, time: 2))
    }

    @Test func quantitiesAreReadInAnyUnit() throws {
        let bar = try MeasurementUnit<SI.Pressure>("bar", size: 1e5)
        let drop = Quantity(1.5, bar) - Quantity(0.5, bar)
        #expect(drop.value == 1e5 && drop.value(in: bar) == 1)
        #expect((2 * drop).ratio(to: drop) == 2 && (drop + drop).value == 2e5)
        expectError(.invalidParameter) { () throws(NormalizationError) in
            try MeasurementUnit<SI.Pressure>("nothing", size: 0)
        }
    }

    @Test func productsAreCheckedAtRunTime() throws {
        let work = Quantity<SI.Force>(6) * Quantity<SI.Length>(2)
        #expect(try work.quantity(of: SI.Energy.self).value == 12)
        let rate = Quantity<SI.Pressure>(6) / Quantity<SI.Time>(2)
        #expect(try rate.quantity(of: PressureRate.self).value == 3)
        #expect(try (rate * Quantity<SI.Time>(4).dynamic).quantity(of: SI.Pressure.self).value == 12)
        expectError(.dimensionMismatch) { () throws(NormalizationError) in try rate.quantity(of: TemperatureRate.self) }
        expectError(.dimensionMismatch) { () throws(NormalizationError) in try rate + Quantity<SI.Time>(1).dynamic }
        #expect(try (rate + rate).value == 6)
    }

    @Test func vectorsOfOneDimension() throws {
        let bar = try MeasurementUnit<SI.Pressure>("bar", size: 1e5)
        let p = DimensionedVector([1, 2], in: bar)
        #expect(try (p + 2 * p).values(in: bar) == [3, 6])
        #expect(p.concatenated(with: p).count == 4 && p[1].value == 2e5)
        #expect(try p.nondimensionalised(by: Quantity(0.5, bar)).values == [2, 4])
        expectError(.shapeMismatch) { () throws(NormalizationError) in try p + DimensionedVector([1], in: bar) }
        for scale in [0, -1, .nan, .infinity] {
            expectError(.invalidParameter) { () throws(NormalizationError) in
                try p.nondimensionalised(by: Quantity(scale))
            }
        }
    }

    /// The kernel's own result, rounded nowhere else.
    @Test func layerNormOfPureNumbersIsThePackages() throws {
        let x = DimensionedVector<Dimensionless>([0.5, -1, 2, 3])
        let expected = try layerNorm(Tensor<Float>([0.5, -1, 2, 3]), epsilon: 0.25)
        #expect(try x.layerNorm(epsilon: 0.25).values == expected.array.map { Double($0) })
        expectError(.invalidEpsilon) { () throws(NormalizationError) in try x.layerNorm(epsilon: -1) }
        expectError(.invalidShape) { () throws(NormalizationError) in
            try DimensionedVector<Dimensionless>([]).layerNorm()
        }
    }

    @Test func residualScalesSumMeanSquares() throws {
        let scales = try ResidualScales(Quantity<PressureRate>(2), Quantity<TemperatureRate>(4))
        let p = DimensionedVector<PressureRate>([2, 4])
        let t = DimensionedVector<TemperatureRate>([4])
        #expect(try scales.meanSquares(p, t) == (1 + 4) / 2 + 1)
        #expect(try scales.nondimensionalised(p, t).map(\.values) == [[1, 2], [1]])
        expectError(.invalidParameter) { () throws(NormalizationError) in
            try ResidualScales(Quantity<PressureRate>(2), Quantity<TemperatureRate>(0))
        }
    }
}
