/// Softmax in plain Swift, with the bits of the C kernels. Rows are dense.
package enum SoftmaxReference {
    /// A common power of 2 below the exponentials of a row, as the article "One answer" has it.
    struct Shift {
        let anchor: Float
        let low: Float
        let power: Float

        init(most m: Float) {
            anchor = abs(m) > 0x1p16 ? m : 0
            low = m - anchor - 105
            power = ExpParts.nearestPower(m - anchor)
        }

        /// e^x without that power.
        func exp(_ x: Float) -> Float {
            let u = x - anchor
            if u.isNaN { return u }
            let parts = ExpParts(u < low ? low : u)
            return parts.power.isFinite ? (1 + parts.expm1).scaled(byPower: parts.power - power) : .nan
        }
    }

    package struct Row {
        package var y: [Float]
        package var logSumExp: Float
    }

    /// e^x / sum(e^x), or its logarithm.
    package static func forward(_ x: ArraySlice<Float>, logarithmic: Bool) -> Row {
        var most = x.reduce(-.infinity) { $1 > $0 ? $1 : $0 }
        most = most == -.infinity ? 0 : most + 0
        let shift = Shift(most: most)
        let largest = shift.exp(most)
        let exponentials = x.map(shift.exp)
        var sums = LaneSum<Float>()
        for e in exponentials { sums.add(e) }
        let sum = sums.total

        var logSum: Float = 0
        var logSumExp = -Float.infinity
        if sum != 0 {
            let log = sum.isNaN ? .nan : naturalLog(Double(sum) / Double(largest))
            logSum = Float(log)
            logSumExp = Float(Double(most) + log)
        }
        if logarithmic { return Row(y: x.map { $0 - most - logSum }, logSumExp: logSumExp) }
        if sum > 0, sum == largest { return Row(y: exponentials.map { $0 / sum }, logSumExp: logSumExp) }
        let factor = sum == 0 ? 0 : 1 / sum
        return Row(y: exponentials.map { $0 * factor }, logSumExp: logSumExp)
    }

    /// The gradient of x from the output y and its gradient.
    package static func backward(_ dy: ArraySlice<Float>, y: ArraySlice<Float>, logarithmic: Bool) -> [Float] {
        let dy = Array(dy)
        let y = Array(y)
        var sums = LaneSum<Float>()
        if logarithmic {
            for (dy, y) in zip(dy, y) { sums.add(y == -.infinity ? 0 : dy) }
            let sum = sums.total
            return zip(dy, y).map { dy, y in
                y == -.infinity ? 0 : dy.addingProduct(-ElementaryReference.exp(y), sum)
            }
        }
        let counted = RowSample.sum(columns: y.count) { y[$0] == 0 ? Float(0) : 1 }
        let sample = RowSample.sum(columns: y.count) { y[$0] == 0 ? 0 : dy[$0] }
        let centre = counted > 0 ? sample / counted : 0
        for (dy, y) in zip(dy, y) { sums.add(y == 0 ? 0 : dy - centre, times: y) }
        let mean = sums.total
        return zip(dy, y).map { dy, y in y == 0 ? 0 : y * (dy - centre - mean) }
    }

    /// ln of a ratio from 0.5 on: with ratio = 2^e a, 1/√2 ≤ a < √2 and f = (a - 1) / (a + 1), it is
    /// e ln 2 + 2 f (1 + f²/3 + f⁴/5 + … + f¹²/13).
    static func naturalLog(_ ratio: Double) -> Double {
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
