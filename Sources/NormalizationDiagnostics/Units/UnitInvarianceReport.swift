/// The sizes of base units, in those of the SI: `UnitSystem("bar", mass: 1e5)` measures pressures in bar.
public struct UnitSystem: Hashable, Sendable {
    public let name: String
    /// In the order of ``DimensionExponents/array``.
    public let sizes: [Double]

    /// - Throws: `NormalizationError` if a size is not a finite number above 0.
    public init(
        _ name: String, length: Double = 1, mass: Double = 1, time: Double = 1, current: Double = 1,
        temperature: Double = 1, amount: Double = 1, luminousIntensity: Double = 1
    ) throws(NormalizationError) {
        self.name = name
        sizes = [length, mass, time, current, temperature, amount, luminousIntensity]
        for size in sizes { try validate(positive: size, argument: "sizes") }
    }

    /// The number that stands for `quantity` in these units. Exact where sizes are powers of two.
    public func number(for quantity: DynamicQuantity) -> Double {
        quantity.value / zip(sizes, quantity.exponents.array).reduce(1) { $0 * power($1.0, $1.1) }
    }
}

/// Whether a function of numbers depends on the units that its arguments were written in.
///
/// ```swift
/// let report = try UnitInvarianceReport(
///     of: [pressureRate.dynamic, temperatureRate.dynamic],
///     in: [UnitSystem("bar", mass: 1e5), UnitSystem("powers of two", mass: 0x1p17, temperature: 0x1p-9)]
/// ) { numbers in [myLoss(numbers)] }
/// print(report.largestDeviation, report.worst)
/// ```
/// A result that changes says that the function adds numbers of different dimensions, or compares them with constants
/// that have a unit, as an epsilon does.
public struct UnitInvarianceReport: Hashable, Sendable {
    public struct Row: Hashable, Sendable {
        public let units: UnitSystem
        public let outputs: [Double]
        /// The largest difference from the outputs in SI units, relative to the largest of these; infinite if an output
        /// is NaN in one of both or outputs are missing.
        public let deviation: Double
        /// Whether every output has the bits that it has in SI units.
        public let isBitwiseEqual: Bool
    }

    /// The function's values in SI units.
    public let outputs: [Double]
    public let rows: [Row]

    /// Calls `function` once in SI units and once in each of `systems`.
    ///
    /// - Parameters:
    ///   - quantities: The arguments.
    ///   - function: Takes the arguments as plain numbers. Its own results must be pure numbers.
    /// - Throws: What `function` throws.
    public init<Failure: Error>(
        of quantities: [DynamicQuantity], in systems: [UnitSystem],
        function: ([Double]) throws(Failure) -> [Double]
    ) throws(Failure) {
        let expected = try function(quantities.map(\.value))
        let largest = expected.lazy.map(\.magnitude).max() ?? 0
        var rows: [Row] = []
        for units in systems {
            let given = try function(quantities.map(units.number(for:)))
            var deviation = given.count == expected.count ? 0 : Double.infinity
            var isBitwiseEqual = given.count == expected.count
            for (given, expected) in zip(given, expected) where given.bitPattern != expected.bitPattern {
                isBitwiseEqual = false
                let difference = abs(given - expected) / (largest > 0 ? largest : 1)
                deviation = difference.isNaN ? .infinity : max(deviation, difference)
            }
            rows.append(Row(units: units, outputs: given, deviation: deviation, isBitwiseEqual: isBitwiseEqual))
        }
        outputs = expected
        self.rows = rows
    }

    public var worst: Row? { rows.max { $0.deviation < $1.deviation } }
    public var largestDeviation: Double { worst?.deviation ?? 0 }
    public var isBitwiseInvariant: Bool { rows.allSatisfy(\.isBitwiseEqual) }
}
