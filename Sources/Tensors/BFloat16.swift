// BFloat16: the upper half of a float, with its conversions, order and constants.

/// A 16-bit float with the range of `Float`: 1 bit of sign, 8 of exponent, 7 of fraction.
///
/// It is the upper half of a `Float`, so that widening is exact. It is for storage only and has no
/// arithmetic: widen to `Float`, compute, and round once. Comparisons are those of the values: NaN
/// differs from everything, and the two zeros are equal.
public struct BFloat16: BitwiseCopyable, Sendable {
    public var bitPattern: UInt16

    @inlinable public init(bitPattern: UInt16) { self.bitPattern = bitPattern }

    /// The nearest value to `value`, of two equally near ones that with an even last bit. From halfway
    /// between `greatestFiniteMagnitude` and 2^128 on, that is infinity. NaN stays NaN: it becomes quiet
    /// and keeps its sign and the upper bits of its payload.
    @inlinable public init(_ value: Float) {
        let bits = value.bitPattern
        if value.isNaN {
            bitPattern = UInt16(truncatingIfNeeded: bits >> 16) | 0x0040
        } else {
            // Just below half a unit, and half a unit where the upper half is odd: the carry rounds up.
            bitPattern = UInt16(truncatingIfNeeded: (bits &+ 0x7fff &+ (bits >> 16 & 1)) >> 16)
        }
    }

    @inlinable public var isNaN: Bool { bitPattern & 0x7fff > 0x7f80 }
    @inlinable public var isFinite: Bool { bitPattern & 0x7f80 != 0x7f80 }
}

extension Float {
    /// The value of `value`, exactly.
    @inlinable public init(_ value: BFloat16) { self.init(bitPattern: UInt32(value.bitPattern) << 16) }
}

// MARK: - Constants

extension BFloat16 {
    @inlinable public static var zero: BFloat16 { BFloat16(bitPattern: 0) }
    @inlinable public static var infinity: BFloat16 { BFloat16(bitPattern: 0x7f80) }
    /// A quiet NaN.
    @inlinable public static var nan: BFloat16 { BFloat16(bitPattern: 0x7fc0) }
    /// (2 - 2^-7) · 2^127.
    @inlinable public static var greatestFiniteMagnitude: BFloat16 { BFloat16(bitPattern: 0x7f7f) }
    /// 2^-126, as of `Float`.
    @inlinable public static var leastNormalMagnitude: BFloat16 { BFloat16(bitPattern: 0x0080) }
    /// 2^-7, from 1 to the next larger value.
    @inlinable public static var ulpOfOne: BFloat16 { BFloat16(bitPattern: 0x3c00) }
}

// MARK: - Equality and order

extension BFloat16: Hashable {
    @inlinable public static func == (a: BFloat16, b: BFloat16) -> Bool { Float(a) == Float(b) }
    @inlinable public func hash(into hasher: inout Hasher) { hasher.combine(Float(self)) }
}

extension BFloat16: Comparable {
    @inlinable public static func < (a: BFloat16, b: BFloat16) -> Bool { Float(a) < Float(b) }
    // The standard library would take these from `!(b < a)`, which is true of NaN.
    @inlinable public static func <= (a: BFloat16, b: BFloat16) -> Bool { Float(a) <= Float(b) }
    @inlinable public static func >= (a: BFloat16, b: BFloat16) -> Bool { Float(a) >= Float(b) }
}

// MARK: - Literals and text

extension BFloat16: ExpressibleByFloatLiteral, ExpressibleByIntegerLiteral {
    /// The literal as a `Float`, rounded.
    @inlinable public init(floatLiteral value: Float) { self.init(value) }
    /// The literal as a `Float`, rounded.
    @inlinable public init(integerLiteral value: Float) { self.init(value) }
}

extension BFloat16: CustomStringConvertible {
    public var description: String { Float(self).description }
}
