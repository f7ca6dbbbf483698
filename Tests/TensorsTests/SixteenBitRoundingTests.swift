// The 16-bit types widened and rounded, against their definition evaluated in Double.

internal import Tensors
import Testing

/// A 16-bit float of a sign, an exponent and `fractionBits`; its values come from that alone.
private protocol SixteenBitFloat: KernelElement {
    static var fractionBits: Int { get }
    static var exponentBias: Int { get }
    init(bitPattern: UInt16)
    var bitPattern: UInt16 { get }
}

extension SixteenBitFloat {
    static var infinityCode: UInt16 { 0x8000 - (1 << Self.fractionBits) }

    /// What a pattern without its sign stands for. The code of infinity gives the power of two that rounding
    /// takes in its place.
    static func magnitude(_ code: UInt16) -> Double {
        let unit = 1 << Self.fractionBits
        let (exponent, fraction) = Int(code).quotientAndRemainder(dividingBy: unit)
        let significand = exponent == 0 ? fraction : fraction + unit
        let power = max(exponent, 1) - Self.exponentBias - Self.fractionBits
        return Double(sign: .plus, exponent: power, significand: Double(significand))
    }

    /// The pattern of the nearer of the two neighbours `code` and `code + 1`, of which `value` is none or one;
    /// of the even one if they are equally near.
    static func nearest(_ value: Float, from code: UInt16) -> UInt16 {
        let below = Double(value.magnitude) - Self.magnitude(code)
        let above = Self.magnitude(code + 1) - Double(value.magnitude)
        precondition(below >= 0 && above >= 0)
        let magnitude = below < above || (below == above && code % 2 == 0) ? code : code + 1
        return value.sign == .minus ? magnitude | 0x8000 : magnitude
    }
}

extension BFloat16: SixteenBitFloat {
    static var fractionBits: Int { 7 }
    static var exponentBias: Int { 127 }
}

#if !((os(macOS) || targetEnvironment(macCatalyst)) && arch(x86_64))
    extension Float16: SixteenBitFloat {
        static var fractionBits: Int { 10 }
        static var exponentBias: Int { 15 }
    }
#endif

/// Every pattern widens to the value it stands for, and rounds back to itself; NaN to some NaN, because the
/// compiler may or may not make one quiet on its way through `Float16`.
private func checkPatterns<Element: SixteenBitFloat>(of _: Element.Type) {
    var wrong: [UInt16] = []
    for pattern in UInt16.min...UInt16.max {
        let widened = Element(bitPattern: pattern).widened
        let code = pattern & 0x7fff
        let back = Element(rounding: widened).bitPattern
        let isRight =
            if code > Element.infinityCode {
                widened.isNaN && back & 0x7fff > Element.infinityCode
            } else {
                Double(widened.magnitude) == (code == Element.infinityCode ? .infinity : Element.magnitude(code))
                    && (widened.sign == .minus) == (pattern != code) && back == pattern
            }
        if !isRight { wrong.append(pattern) }
    }
    #expect(wrong.prefix(8) == [])
}

/// Between all neighbours: at each, next to each, halfway between them and next to that.
private func checkRounding<Element: SixteenBitFloat>(to _: Element.Type) {
    var wrong: [Float] = []
    for code in 0..<Element.infinityCode {
        let low = Element.magnitude(code)
        let high = Element.magnitude(code + 1)
        let middle = Float((low + high) / 2)
        var samples = [Float(low), Float(low).nextUp, middle.nextDown, middle, middle.nextUp]
        // Above the largest finite value, 2^128 is no float.
        samples.append(min(Float(high), .greatestFiniteMagnitude).nextDown)
        for value in samples.flatMap({ [$0, -$0] })
        where Element(rounding: value).bitPattern != Element.nearest(value, from: code) { wrong.append(value) }
    }
    #expect(wrong.prefix(8) == [])
    for value in [Float.greatestFiniteMagnitude, .infinity] {
        #expect(Element(rounding: value).bitPattern == Element.infinityCode)
        #expect(Element(rounding: -value).bitPattern == Element.infinityCode | 0x8000)
    }
}

@Suite struct SixteenBitRoundingTests {
    @Test func everyBFloat16WidensExactlyAndRoundsBack() { checkPatterns(of: BFloat16.self) }
    @Test func floatsRoundToTheNearestBFloat16() { checkRounding(to: BFloat16.self) }

    #if !((os(macOS) || targetEnvironment(macCatalyst)) && arch(x86_64))
        @Test func everyFloat16WidensExactlyAndRoundsBack() { checkPatterns(of: Float16.self) }
        @Test func floatsRoundToTheNearestFloat16() { checkRounding(to: Float16.self) }
    #endif

    /// The lower half of a float decides: all upper halves with the lower ones about zero, half and one unit.
    @Test(arguments: [0, 1, 0x7fff, 0x8000, 0x8001, 0xffff] as [UInt32])
    func everyUpperHalfRoundsByTheLowerOne(lower: UInt32) {
        var wrong: [UInt16] = []
        for upper in UInt16.min...UInt16.max {
            let value = Float(bitPattern: UInt32(upper) << 16 | lower)
            let code = upper & 0x7fff
            let expected =
                if value.isNaN { upper | 0x0040 } else if code == 0x7f80 { upper } else {
                    BFloat16.nearest(value, from: code)
                }
            if BFloat16(value).bitPattern != expected { wrong.append(upper) }
        }
        #expect(wrong.prefix(8) == [])
    }
}
