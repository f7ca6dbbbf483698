/// Characteristic values of the residuals of some equations, one a dimension, in the order of the equations.
///
/// ```swift
/// // Quantity<PressureRate> and Quantity<TemperatureRate>
/// let scales = try ResidualScales(pressureScale, temperatureScale)
/// let loss = try scales.meanSquares(pressureResiduals, temperatureResiduals)
/// ```
/// Residuals in another order do not compile. The loss is the same in all units. Scales are constants of the problem: a
/// statistic of the residuals makes a loss that is constant whatever they are.
/// Source of the practice: Wang, Sankaran, Wang, Perdikaris, "An Expert's Guide to Training Physics-informed Neural
/// Networks", 2023.
public struct ResidualScales<each D: Dimension>: Sendable {
    private let scales: (repeat Quantity<each D>)

    /// - Throws: `NormalizationError` if a scale is not a finite number above 0.
    public init(_ scales: repeat Quantity<each D>) throws(NormalizationError) {
        for scale in repeat each scales { try validate(positive: scale.value, argument: "scales") }
        self.scales = (repeat each scales)
    }

    /// Each residual over its scale, equation by equation.
    ///
    /// - Throws: Never; the scales have been checked.
    public func nondimensionalised(
        _ residuals: repeat DimensionedVector<each D>
    ) throws(NormalizationError) -> [DimensionedVector<Dimensionless>] {
        var result: [DimensionedVector<Dimensionless>] = []
        for (residual, scale) in repeat (each residuals, each scales) {
            result.append(try residual.nondimensionalised(by: scale))
        }
        return result
    }

    /// The sum over equations of the mean of (residual / scale)² over its points.
    public func meanSquares(_ residuals: repeat DimensionedVector<each D>) throws(NormalizationError) -> Double {
        try nondimensionalised(repeat each residuals).reduce(0) { sum, residual in
            sum + residual.values.reduce(0) { $0 + $1 * $1 } / Double(max(residual.count, 1))
        }
    }
}
