package import Tensors

/// The textbook: mean (0 for RMSNorm), variance, normalize, in the order of the formula, each sum from left to right.
///
/// It knows nothing of the contract. In `Double` it is the judge of accuracy; in `Float` it is the naive
/// evaluation that the kernels are compared with.
package enum PlainNorm<Scalar: BinaryFloatingPoint> {
    private static func moments(_ norm: RowNorm, _ x: ArraySlice<Scalar>, epsilon: Scalar) -> (mean: Scalar, rstd: Scalar) {
        let n = Scalar(x.count)
        let mean = norm == .layerNorm ? x.reduce(0, +) / n : 0
        let variance = x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / n
        return (mean, 1 / (variance + epsilon).squareRoot())
    }

    @_specialize(where Scalar == Float)
    @_specialize(where Scalar == Double)
    package static func forward(
        _ norm: RowNorm, _ x: [Scalar], columns: Int, weight: [Scalar]?, bias: [Scalar]?, epsilon: Scalar
    ) -> [Scalar] {
        var y: [Scalar] = []
        for first in stride(from: 0, to: x.count, by: columns) {
            let row = x[first..<first + columns]
            let (mean, rstd) = moments(norm, row, epsilon: epsilon)
            for (column, element) in row.enumerated() {
                y.append((element - mean) * rstd * (weight?[column] ?? 1) + (bias?[column] ?? 0))
            }
        }
        return y
    }

    @_specialize(where Scalar == Float)
    @_specialize(where Scalar == Double)
    package static func backward(
        _ norm: RowNorm, _ dy: [Scalar], x: [Scalar], columns: Int, weight: [Scalar]?, epsilon: Scalar
    ) -> (dx: [Scalar], dweight: [Scalar], dbias: [Scalar]) {
        var dx: [Scalar] = []
        var dweight = [Scalar](repeating: 0, count: columns)
        var dbias = dweight
        for first in stride(from: 0, to: x.count, by: columns) {
            let (mean, rstd) = moments(norm, x[first..<first + columns], epsilon: epsilon)
            var g: [Scalar] = []
            var xhat: [Scalar] = []
            for column in 0..<columns {
                g.append(dy[first + column] * (weight?[column] ?? 1))
                xhat.append((x[first + column] - mean) * rstd)
                dweight[column] += dy[first + column] * xhat[column]
                dbias[column] += dy[first + column]
            }
            let meanG = norm == .layerNorm ? g.reduce(0, +) / Scalar(columns) : 0
            let meanProjection = zip(g, xhat).reduce(0) { $0 + $1.0 * $1.1 } / Scalar(columns)
            for column in 0..<columns { dx.append(rstd * (g[column] - meanG - xhat[column] * meanProjection)) }
        }
        return (dx, dweight, dbias)
    }
}
