internal import NormalizationDiagnostics
private import Foundation

/// Pascals per second.
enum PressureRate: NormalizationDiagnostics.Dimension {
    static var exponents: DimensionExponents { SI.Pressure.exponents / SI.Time.exponents }
}

/// Kelvins per second.
enum TemperatureRate: NormalizationDiagnostics.Dimension {
    static var exponents: DimensionExponents { SI.Temperature.exponents / SI.Time.exponents }
}

/// A gas that relaxes to its surroundings, in numbers of some units:
/// dp/dt = -(p - pₐ) / τₚ and dT/dt = -(T - Tₐ) / τ_T + κ (p - pₐ).
struct RelaxationProblem {
    let ambientPressure, startPressure, ambientTemperature, startTemperature: Double
    let pressureTime, temperatureTime, coupling, duration: Double

    /// The constants with their dimensions, in the order of the properties.
    static let constants: [(name: String, quantity: DynamicQuantity)] = [
        ("pa", Quantity<SI.Pressure>(1e5).dynamic), ("p0", Quantity<SI.Pressure>(1.5e5).dynamic),
        ("Ta", Quantity<SI.Temperature>(300).dynamic), ("T0", Quantity<SI.Temperature>(350).dynamic),
        ("tau_p", Quantity<SI.Time>(2).dynamic), ("tau_T", Quantity<SI.Time>(5).dynamic),
        ("kappa", DynamicQuantity(1e-4, TemperatureRate.exponents / SI.Pressure.exponents)),
        ("duration", Quantity<SI.Time>(10).dynamic),
    ]

    /// - Parameter numbers: One for each of `constants`.
    init(_ numbers: [Double]) {
        ambientPressure = numbers[0]
        startPressure = numbers[1]
        ambientTemperature = numbers[2]
        startTemperature = numbers[3]
        pressureTime = numbers[4]
        temperatureTime = numbers[5]
        coupling = numbers[6]
        duration = numbers[7]
    }

    init(in units: UnitSystem) { self.init(Self.constants.map { units.number(for: $0.quantity) }) }

    var pressureDrop: Double { startPressure - ambientPressure }
    var temperatureDrop: Double { startTemperature - ambientTemperature }

    /// Characteristic rates: constants of the problem.
    var pressureRate: Double { pressureDrop / duration }
    var temperatureRate: Double { temperatureDrop / duration }

    /// The same as types know them; the numbers count as if their unit were the coherent one.
    func scales() throws(NormalizationError) -> ResidualScales<PressureRate, TemperatureRate> {
        try ResidualScales(Quantity<PressureRate>(pressureRate), Quantity<TemperatureRate>(temperatureRate))
    }

    /// The solution in closed form: (p - pₐ) / (p₀ - pₐ) and (T - Tₐ) / (T₀ - Tₐ).
    func solution(at time: Double) -> (pressure: Double, temperature: Double) {
        let fast = exp(-time / pressureTime)
        let slow = exp(-time / temperatureTime)
        let driven = coupling * pressureDrop / (1 / temperatureTime - 1 / pressureTime) / temperatureDrop
        return (fast, slow + driven * (fast - slow))
    }

    /// What the equations leave over at points of [0, duration], and how that changes with the net's outputs.
    ///
    /// The net's outputs are p = p₀ + (p₀ - pₐ) s N₀(s) and T = T₀ + (T₀ - Tₐ) s N₁(s) with s = t / duration, so that
    /// initial values hold whatever the net does. Every step is a product or a sum of numbers of one dimension: a
    /// change of units by powers of two changes no bit of the significands.
    func residuals(_ outputs: RelaxationNet.Outputs) -> Residuals {
        let n = outputs.positions.count
        var r = Residuals(pressure: .init(repeating: 0, count: n), temperature: .init(repeating: 0, count: n))
        for i in 0..<n {
            let s = outputs.positions[i]
            let p = startPressure + pressureDrop * s * outputs.values[2 * i] - ambientPressure
            let t = startTemperature + temperatureDrop * s * outputs.values[2 * i + 1] - ambientTemperature
            let dp = pressureDrop * (outputs.values[2 * i] + s * outputs.slopes[2 * i]) / duration
            let dt = temperatureDrop * (outputs.values[2 * i + 1] + s * outputs.slopes[2 * i + 1]) / duration
            r.pressure[i] = dp + p / pressureTime
            r.temperature[i] = dt + t / temperatureTime - coupling * p
        }
        return r
    }

    /// Takes gradients of residuals to those of the net's outputs and of their slopes.
    func pullback(_ gradient: Residuals, at positions: [Double]) -> (values: [Double], slopes: [Double]) {
        var values = [Double](repeating: 0, count: 2 * positions.count)
        var slopes = values
        for (i, s) in positions.enumerated() {
            let (g, h) = (gradient.pressure[i], gradient.temperature[i])
            values[2 * i] = g * pressureDrop * (1 / duration + s / pressureTime) - h * coupling * pressureDrop * s
            values[2 * i + 1] = h * temperatureDrop * (1 / duration + s / temperatureTime)
            slopes[2 * i] = g * pressureDrop * s / duration
            slopes[2 * i + 1] = h * temperatureDrop * s / duration
        }
        return (values, slopes)
    }
}

/// One number a point for each equation.
struct Residuals {
    var pressure: [Double]
    var temperature: [Double]
}
