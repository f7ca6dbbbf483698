/// Numbers of one dimension. Vectors of different dimensions cannot be added or put together, and only pure numbers can
/// be normalized: each of these mistakes is an error of the compiler.
///
/// ```swift
/// let pressures = DimensionedVector([1.2, 1.4, 1.1], in: bar)
/// let temperatures = DimensionedVector<SI.Temperature>([290, 310, 300])
/// let features = try pressures.nondimensionalised(by: Quantity(0.5, bar))
///     .concatenated(with: temperatures.nondimensionalised(by: Quantity(50)))
/// let y = try features.layerNorm()
/// ```
///
/// A mean over pascals and kelvins depends on which unit the pressures were written in, and so does everything that is
/// divided by such a deviation. Divided by characteristic values, constants of the problem, the numbers have no unit
/// left.
///
/// The type is gone where ``values`` are taken out; nothing checks what becomes of plain numbers.
public struct DimensionedVector<D: Dimension>: Hashable, Sendable {
    private let coherent: [Double]

    /// - Parameter values: In coherent SI units.
    public init(_ values: [Double]) { coherent = values }

    public init(_ values: [Double], in unit: MeasurementUnit<D>) { coherent = values.map { $0 * unit.size } }

    public var count: Int { coherent.count }
    public subscript(index: Int) -> Quantity<D> { Quantity(coherent[index]) }
    public func values(in unit: MeasurementUnit<D>) -> [Double] { coherent.map { $0 / unit.size } }

    /// - Throws: `NormalizationError` if the counts differ.
    public static func + (a: Self, b: Self) throws(NormalizationError) -> Self {
        guard a.count == b.count else {
            throw NormalizationError(
                .shapeMismatch, argument: "b", expected: "\(a.count) elements", given: "\(b.count)")
        }
        return Self(zip(a.coherent, b.coherent).map { $0 + $1 })
    }

    public static func * (factor: Double, a: Self) -> Self { Self(a.coherent.map { factor * $0 }) }

    /// This vector and then the other.
    public func concatenated(with other: Self) -> Self { Self(coherent + other.coherent) }

    /// Pure numbers: how many times `scale` each element is.
    ///
    /// - Parameter scale: A characteristic value: a constant of the problem, not a statistic of this vector. A change
    ///   of units then cancels; by powers of two it does so to the last bit.
    /// - Throws: `NormalizationError` if `scale` is not a finite number above 0.
    public func nondimensionalised(
        by scale: Quantity<D>
    ) throws(NormalizationError) -> DimensionedVector<Dimensionless> {
        try validate(positive: scale.value, argument: "scale")
        return DimensionedVector<Dimensionless>(coherent.map { $0 / scale.value })
    }

    @available(*, unavailable, message: "numbers with a dimension are plain numbers only in a unit: values(in:)")
    public var values: [Double] { coherent }

    @available(
        *, unavailable, message: "a mean of numbers with a unit depends on the unit; use nondimensionalised(by:) first"
    )
    public func layerNorm(epsilon: Float = 1e-5, backend: Backend = .automatic) throws(NormalizationError) -> Self {
        self
    }
}

extension DimensionedVector where D == Dimensionless {
    /// The plain numbers.
    public var values: [Double] { values(in: .coherent) }

    /// `(x - mean) / sqrt(variance + epsilon)` over the whole vector, rounded to float32 before and computed there.
    ///
    /// - Parameter epsilon: A pure number too. (With units it would have that of the variance: 1e-5 Pa² is not 1e-5
    ///   MPa².)
    /// - Throws: `NormalizationError` for an empty vector, an epsilon that is negative, infinite or NaN, or a backend
    ///   that is not here.
    public func layerNorm(epsilon: Float = 1e-5, backend: Backend = .automatic) throws(NormalizationError) -> Self {
        let x = Tensor(values.map { Float($0) })
        return Self(try Normalization.layerNorm(x, epsilon: epsilon, backend: backend).array.map { Double($0) })
    }
}
