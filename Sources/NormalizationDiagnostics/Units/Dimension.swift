/// A physical dimension as a type without values, so that the compiler refuses to add pressures to temperatures.
///
/// ```swift
/// enum PressureRate: Dimension {
///     static var exponents: DimensionExponents { SI.Pressure.exponents / SI.Time.exponents }
/// }
/// ```
/// Two types are two dimensions, even if their exponents agree: a torque is no energy. Where Foundation is imported
/// too, which has a class of this name, write `NormalizationDiagnostics.Dimension`.
public protocol Dimension: Sendable {
    static var exponents: DimensionExponents { get }
}

/// Pure numbers: the only dimension that can be normalized.
public enum Dimensionless: Dimension {
    public static var exponents: DimensionExponents { .dimensionless }
}

/// Dimensions that the SI has a name for.
public enum SI {
    public enum Length: Dimension {
        public static var exponents: DimensionExponents { DimensionExponents(length: 1) }
    }
    public enum Mass: Dimension {
        public static var exponents: DimensionExponents { DimensionExponents(mass: 1) }
    }
    public enum Time: Dimension {
        public static var exponents: DimensionExponents { DimensionExponents(time: 1) }
    }
    public enum Temperature: Dimension {
        public static var exponents: DimensionExponents { DimensionExponents(temperature: 1) }
    }
    public enum Velocity: Dimension {
        public static var exponents: DimensionExponents { DimensionExponents(length: 1, time: -1) }
    }
    public enum Force: Dimension {
        public static var exponents: DimensionExponents { DimensionExponents(length: 1, mass: 1, time: -2) }
    }
    public enum Pressure: Dimension {
        public static var exponents: DimensionExponents { DimensionExponents(length: -1, mass: 1, time: -2) }
    }
    public enum Energy: Dimension {
        public static var exponents: DimensionExponents { DimensionExponents(length: 2, mass: 1, time: -2) }
    }
}

/// What numbers of one dimension count: the bar is 1e5 of the coherent SI unit.
///
/// A unit is a factor alone. Degrees Celsius, which have another zero, are none: convert to kelvin first.
public struct MeasurementUnit<D: Dimension>: Hashable, Sendable {
    public let symbol: String
    /// How many coherent SI units it is.
    public let size: Double

    /// - Throws: `NormalizationError` if `size` is not a finite number above 0.
    public init(_ symbol: String, size: Double) throws(NormalizationError) {
        try validate(positive: size, argument: "size")
        self.symbol = symbol
        self.size = size
    }

    private init(coherent symbol: String) {
        self.symbol = symbol
        size = 1
    }

    /// The coherent SI unit.
    public static var coherent: Self { Self(coherent: D.exponents.description) }
}

func validate(positive number: Double, argument: String) throws(NormalizationError) {
    guard number > 0, number.isFinite else {
        throw NormalizationError(
            .invalidParameter, argument: argument, expected: "a finite number above 0", given: "\(number)")
    }
}
