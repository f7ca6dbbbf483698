/// A number with a dimension that the compiler knows.
///
/// ```swift
/// let bar = try MeasurementUnit<SI.Pressure>("bar", size: 1e5)
/// let drop = Quantity(1.5, bar) - Quantity(1, bar)
/// let rate = try (drop / Quantity<SI.Time>(2)).quantity(of: PressureRate.self)      // checked at run time
/// ```
public struct Quantity<D: Dimension>: Hashable, Sendable {
    /// In coherent SI units.
    public let value: Double

    /// - Parameter value: In coherent SI units.
    public init(_ value: Double) { self.value = value }

    public init(_ value: Double, _ unit: MeasurementUnit<D>) { self.value = value * unit.size }

    public func value(in unit: MeasurementUnit<D>) -> Double { value / unit.size }

    public static func + (a: Self, b: Self) -> Self { Self(a.value + b.value) }
    public static func - (a: Self, b: Self) -> Self { Self(a.value - b.value) }
    public static func * (factor: Double, a: Self) -> Self { Self(factor * a.value) }

    /// A pure number: how many times `other` it is.
    public func ratio(to other: Self) -> Double { value / other.value }

    /// The same with a dimension that is known at run time.
    public var dynamic: DynamicQuantity { DynamicQuantity(value, D.exponents) }

    public static func * <Other>(a: Self, b: Quantity<Other>) -> DynamicQuantity { a.dynamic * b.dynamic }
    public static func / <Other>(a: Self, b: Quantity<Other>) -> DynamicQuantity { a.dynamic / b.dynamic }
}

/// A number with a dimension that is known at run time: what products and quotients give.
public struct DynamicQuantity: Hashable, Sendable {
    /// In coherent SI units.
    public let value: Double
    public let exponents: DimensionExponents

    /// - Parameter value: In coherent SI units.
    public init(_ value: Double, _ exponents: DimensionExponents) {
        self.value = value
        self.exponents = exponents
    }

    public static func * (a: Self, b: Self) -> Self { Self(a.value * b.value, a.exponents * b.exponents) }
    public static func / (a: Self, b: Self) -> Self { Self(a.value / b.value, a.exponents / b.exponents) }

    /// - Throws: `NormalizationError` with reason `dimensionMismatch` if the dimensions differ.
    public static func + (a: Self, b: Self) throws(NormalizationError) -> Self {
        try b.validate(is: a.exponents, argument: "b")
        return Self(a.value + b.value, a.exponents)
    }

    /// This as a quantity whose dimension the compiler knows.
    ///
    /// - Throws: `NormalizationError` with reason `dimensionMismatch` if this has other exponents.
    public func quantity<D>(of dimension: D.Type) throws(NormalizationError) -> Quantity<D> {
        try validate(is: D.exponents, argument: "dimension")
        return Quantity(value)
    }

    private func validate(is expected: DimensionExponents, argument: String) throws(NormalizationError) {
        guard exponents == expected else {
            throw NormalizationError(
                .dimensionMismatch, argument: argument, expected: "a quantity in \(expected)",
                given: "one in \(exponents)")
        }
    }
}
