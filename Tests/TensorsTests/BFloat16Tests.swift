// BFloat16 beside its rounding: literals, constants, equality, order, text.

internal import Tensors
import Testing

@Suite struct BFloat16Tests {
    @Test func literalsAreRounded() {
        let third: BFloat16 = 0.333333333
        #expect(third.bitPattern == 0x3eab)
        let negative: BFloat16 = -1.5
        #expect(negative.bitPattern == 0xbfc0)
        let integer: BFloat16 = 257  // halfway between 256 and 258
        #expect(integer.bitPattern == 0x4380)
        let mixed: [BFloat16] = [1, 2.5, -3]
        #expect(mixed.map { Float($0) } == [1, 2.5, -3])
    }

    @Test func constantsAreTheirFloats() {
        #expect(Float(BFloat16.zero).bitPattern == 0)
        #expect(Float(BFloat16.infinity) == .infinity)
        #expect(Float(BFloat16.nan).isNaN)
        #expect(Float(BFloat16.greatestFiniteMagnitude) == 0x1.fep127)
        #expect(Float(BFloat16.leastNormalMagnitude) == .leastNormalMagnitude)
        #expect(Float(BFloat16.ulpOfOne) == 0x1p-7)
    }

    @Test func overflowIsInfinity() {
        #expect(BFloat16(0x1.fefffep127) == .greatestFiniteMagnitude)
        #expect(BFloat16(0x1.ffp127) == .infinity)
        #expect(BFloat16(-0x1.ffp127) == BFloat16(-.infinity))
        #expect(BFloat16(0x1p-133).bitPattern == 1)
        #expect(BFloat16(0x1p-134).bitPattern == 0)
    }

    @Test func everyPatternIsFiniteOrNaNAsItsFloatIs() {
        let wrong = (UInt16.min...UInt16.max).map(BFloat16.init(bitPattern:)).filter {
            $0.isNaN != Float($0).isNaN || $0.isFinite != Float($0).isFinite
        }
        #expect(wrong.map(\.bitPattern) == [])
    }

    @Test func zerosAreEqualAndNaNsAreNot() {
        let negativeZero = BFloat16(bitPattern: 0x8000)
        #expect(negativeZero == .zero)
        #expect(negativeZero.hashValue == BFloat16.zero.hashValue)
        #expect(Set([.zero, negativeZero, 1]).count == 2)
        #expect(!(BFloat16.nan == .nan))
        #expect(BFloat16.nan != .nan)
        #expect(BFloat16(1) != BFloat16(bitPattern: 0x3f81))
    }

    @Test func orderIsThatOfTheFloats() {
        let values: [BFloat16] = [BFloat16(-.infinity), -2, -1, BFloat16(bitPattern: 0x8000), 0, 1, 2, .infinity, .nan]
        for a in values {
            for b in values {
                #expect((a < b) == (Float(a) < Float(b)))
                #expect((a <= b) == (Float(a) <= Float(b)))
                #expect((a > b) == (Float(a) > Float(b)))
                #expect((a >= b) == (Float(a) >= Float(b)))
            }
        }
    }

    @Test func descriptionsAreTheFloats() {
        #expect("\(BFloat16(3.140625))" == "3.140625")
        #expect("\(BFloat16.nan)" == "nan")
    }
}
