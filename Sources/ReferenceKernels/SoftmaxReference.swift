package import Tensors

/// Softmax in plain Swift, with the bits of the C kernels. Rows are dense.
package enum SoftmaxReference {
    /// A common power of 2 below the exponentials of a row, as the article "One answer" has it.
    struct Shift {
        /// The largest element; 0 if that is -∞ or -0.
        let most: Float
        let anchor: Float
        let low: Float
        let power: Float

        init(most m: Float) {
            most = m == -.infinity ? 0 : m + 0
            anchor = abs(most) > 0x1p16 ? most : 0
            low = most - anchor - 105
            power = ExpParts.nearestPower(most - anchor)
        }

        /// e(m).
        var largest: Float { exp(most) }

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
        package var state: SoftmaxState
    }

    /// e^x / sum(e^x), or its logarithm.
    package static func forward(_ x: ArraySlice<Float>, logarithmic: Bool) -> Row {
        let most = x.reduce(-.infinity) { $1 > $0 ? $1 : $0 }
        let shift = Shift(most: most)
        var sums = LaneSum<Float>()
        for x in x { sums.add(shift.exp(x)) }
        let sum = sums.total
        let state =
            sum == 0 ? SoftmaxState() : SoftmaxState(max: shift.most, sum: Double(sum) / Double(shift.largest))
        return Row(y: forward(x, with: state, logarithmic: logarithmic), state: state)
    }

    /// e^(x - max) / sum, or its logarithm.
    package static func forward(_ x: ArraySlice<Float>, with state: SoftmaxState, logarithmic: Bool) -> [Float] {
        let shift = Shift(most: state.max)
        let wide = state.max < .infinity ? state.sum : .nan
        if logarithmic {
            let logSum = wide == 0 ? 0 : wide.isNaN ? .nan : Float(WideFunctions.log(wide))
            return x.map { $0 > state.max ? .nan : $0 - shift.most - logSum }
        }
        let sum = Float(wide * Double(shift.largest))
        let factor = sum == 0 ? 0 : 1 / sum
        let isQuotient = sum > 0 && sum == shift.largest
        return x.map { x in
            if x > state.max { return .nan }
            return isQuotient ? shift.exp(x) / sum : shift.exp(x) * factor
        }
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
}
