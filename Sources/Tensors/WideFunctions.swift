/// exp and the natural logarithm in `Double`, in the contract's steps: each operation rounded, none of them contracted.
package enum WideFunctions {
    /// e^x for x ≤ 700, off by 2^-51 of itself; 0 below -700. With k = x / ln 2, rounded to an integer, and r = x - k ln
    /// 2, it is 2^k (1 + r (1 + r/2 (1 + r/3 (… (1 + r/13))))).
    package static func exp(_ x: Double) -> Double {
        if !(x >= -700) { return x.isNaN ? x : 0 }
        let k = (x * 0x1.71547652b82fep0).rounded(.toNearestOrEven)
        let r = (x - k * 0x1.62e42feep-1) - k * 0x1.a39ef35793c76p-33
        var series = 1.0
        for n in stride(from: 13.0, through: 1, by: -1) { series = 1 + series * r / n }
        return series * Double(sign: .plus, exponent: Int(k), significand: 1)
    }

    /// ln of a ratio from 0.5 on: with ratio = 2^e a, 1/√2 ≤ a < √2 and f = (a - 1) / (a + 1), it is
    /// e ln 2 + 2 f (1 + f²/3 + f⁴/5 + … + f¹²/13).
    package static func log(_ ratio: Double) -> Double {
        var exponent = Double(ratio.exponent)
        var a = ratio.significand
        if a >= 0x1.6a09e667f3bcdp0 {
            a /= 2
            exponent += 1
        }
        let f = (a - 1) / (a + 1)
        let z = f * f
        var series = 1.0 / 13
        for odd: Double in [11, 9, 7, 5, 3, 1] { series = 1 / odd + z * series }
        return exponent * 0x1.62e42fefa39efp-1 + 2 * f * series
    }
}
