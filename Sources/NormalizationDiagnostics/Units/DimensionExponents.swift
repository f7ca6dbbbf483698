/// What a quantity measures, as powers of the seven SI base quantities: pressure is mass¹ length⁻¹ time⁻².
///
/// Products are checked at run time by these exponents; sums at compile time, by ``Dimension``.
public struct DimensionExponents: Hashable, Sendable {
    public var length: Int
    public var mass: Int
    public var time: Int
    public var current: Int
    public var temperature: Int
    public var amount: Int
    public var luminousIntensity: Int

    public init(
        length: Int = 0, mass: Int = 0, time: Int = 0, current: Int = 0, temperature: Int = 0, amount: Int = 0,
        luminousIntensity: Int = 0
    ) {
        self.length = length
        self.mass = mass
        self.time = time
        self.current = current
        self.temperature = temperature
        self.amount = amount
        self.luminousIntensity = luminousIntensity
    }

    /// In the order of the initializer.
    public var array: [Int] { [length, mass, time, current, temperature, amount, luminousIntensity] }

    private init(_ array: [Int]) {
        self.init(
            length: array[0], mass: array[1], time: array[2], current: array[3], temperature: array[4],
            amount: array[5], luminousIntensity: array[6])
    }

    /// That of a pure number.
    public static let dimensionless = DimensionExponents()

    public static func * (a: Self, b: Self) -> Self { Self(zip(a.array, b.array).map { $0 + $1 }) }
    public static func / (a: Self, b: Self) -> Self { Self(zip(a.array, b.array).map { $0 - $1 }) }
    public func power(_ exponent: Int) -> Self { Self(array.map { $0 * exponent }) }
}

extension DimensionExponents: CustomStringConvertible {
    /// The coherent SI unit: "m^-1 kg s^-2" for pressure, "1" for a pure number.
    public var description: String {
        let factors = zip(["m", "kg", "s", "A", "K", "mol", "cd"], array).filter { $0.1 != 0 }
        return factors.isEmpty ? "1" : factors.map { $0.1 == 1 ? $0.0 : "\($0.0)^\($0.1)" }.joined(separator: " ")
    }
}

/// `base` to an integer power by repeated multiplication: exact for powers of two, the same on every machine.
func power(_ base: Double, _ exponent: Int) -> Double {
    var result = 1.0
    for _ in 0..<exponent.magnitude { result *= base }
    return exponent < 0 ? 1 / result : result
}
