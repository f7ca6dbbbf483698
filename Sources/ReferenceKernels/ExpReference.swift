// exp and tanh as the kernels compute them, one number at a time, for `Float` with their bits.

/// e^x = 2^power · (1 + expm1), in the steps of the contract.
struct ExpParts {
    let power: Float
    let expm1: Float

    /// For |x| ≤ 2^16.
    init(_ x: Float) {
        power = Self.nearestPower(x)
        let high = x.addingProduct(-power, 0x1.62e43p-1)
        let low = power * 0x1.05c61p-29
        let r = high + low
        var q: Float = 0x1.6d4574p-10
        for coefficient: Float in [0x1.123fe2p-7, 0x1.5554f4p-5, 0x1.555492p-3, 0.5] {
            q = coefficient.addingProduct(q, r)
        }
        expm1 = high + low.addingProduct(q, r * r)
    }

    /// x / ln 2, rounded to an integer: a multiply-add onto 3 · 2^22, whose unit in the last place is 1.
    static func nearestPower(_ x: Float) -> Float {
        let rounding: Float = 0x1.8p23
        return rounding.addingProduct(x, 0x1.715476p0) - rounding
    }
}

package enum ElementaryReference {
    /// e^x.
    package static func exp(_ x: Float) -> Float {
        if x.isNaN { return x }
        let parts = ExpParts(min(max(x, -104), 89))
        return (1 + parts.expm1).scaled(byPower: parts.power)
    }

    /// The hyperbolic tangent.
    package static func tanh(_ x: Float) -> Float {
        if x.isNaN { return x }
        let a = abs(x)
        if a < 0.5625 {
            let square = a * a
            var p: Float = -0x1.95001cp-8
            for coefficient: Float in [0x1.582fbp-6, -0x1.b90946p-5, 0x1.110c72p-3, -0x1.555548p-2] {
                p = coefficient.addingProduct(p, square)
            }
            return Float(signOf: x, magnitudeOf: a.addingProduct(a * square, p))
        }
        let parts = ExpParts(2 * min(a, 10))
        let power = Float(1).scaled(byPower: parts.power)
        return Float(signOf: x, magnitudeOf: 1 - 2 / (power + 1).addingProduct(power, parts.expm1))
    }
}

extension Float {
    /// This number times 2^power, rounded once: in two steps, of which the first one is exact.
    func scaled(byPower power: Float) -> Float {
        let half = Int(power) / 2
        return self * Float(sign: .plus, exponent: half, significand: 1)
            * Float(sign: .plus, exponent: Int(power) - half, significand: 1)
    }
}
