// LeastSquares: linear readouts by the normal equations, in double precision and in a fixed order.

/// Sums over rows of xᵀx and xᵀt, from which a readout with any penalty follows.
package struct NormalEquations {
    package let features: Int
    /// [features, features], symmetric.
    package private(set) var gram: [Double]
    /// One vector of `features` sums for each target.
    package private(set) var moments: [[Double]]

    /// - Parameters:
    ///   - rows: [count, features] in row-major order; a column of ones has to be among them if an offset is wanted.
    ///   - targets: `count` numbers each.
    package init(rows: [Double], features: Int, targets: [[Double]]) {
        precondition(features > 0 && rows.count % features == 0)
        precondition(targets.allSatisfy { $0.count == rows.count / features })
        self.features = features
        gram = Self.gram(rows, features: features)
        moments = targets.map { target in
            var sums = [Double](repeating: 0, count: features)
            for row in target.indices {
                let (t, first) = (target[row], row * features)
                for column in 0..<features { sums[column] += t * rows[first + column] }
            }
            return sums
        }
    }

    /// The sums as they are where feature i is multiplied by `factors[i]`.
    package func scaled(by factors: [Double]) -> NormalEquations {
        var result = self
        for row in 0..<features {
            for column in 0..<features { result.gram[row * features + column] *= factors[row] * factors[column] }
        }
        result.moments = moments.map { moment in zip(moment, factors).map { $0 * $1 } }
        return result
    }

    /// Those of the first `count` features alone.
    package func leading(_ count: Int) -> NormalEquations {
        var result = NormalEquations(rows: [], features: count, targets: moments.map { _ in [] })
        for row in 0..<count {
            for column in 0..<count { result.gram[row * count + column] = gram[row * features + column] }
        }
        result.moments = moments.map { Array($0[0..<count]) }
        return result
    }

    /// The minimiser of |X w - t|² + penalty |w|² for each target; nil if there is no unique one.
    package func solve(penalty: Double = 0) -> [[Double]]? {
        var matrix = gram
        for index in 0..<features { matrix[index * features + index] += penalty }
        guard let cholesky = Cholesky(matrix, order: features) else { return nil }
        return moments.map(cholesky.solve)
    }

    /// Lanes of eight columns, of which the lower triangle is summed: the order of the rows is that of the sums.
    private static func gram(_ rows: [Double], features: Int) -> [Double] {
        let lanes = (features + 7) / 8
        var packed = [SIMD8<Double>](repeating: .zero, count: lanes)
        var sums = [SIMD8<Double>](repeating: .zero, count: features * lanes)
        for first in stride(from: 0, to: rows.count, by: features) {
            for column in 0..<features { packed[column / 8][column % 8] = rows[first + column] }
            for row in 0..<features {
                let x = SIMD8(repeating: rows[first + row])
                for lane in 0...row / 8 { sums[row * lanes + lane] += x * packed[lane] }
            }
        }
        var result = [Double](repeating: 0, count: features * features)
        for row in 0..<features {
            for column in 0...row {
                let sum = sums[row * lanes + column / 8][column % 8]
                result[row * features + column] = sum
                result[column * features + row] = sum
            }
        }
        return result
    }
}

/// A = L Lᵀ of a symmetric positive definite matrix.
package struct Cholesky {
    private let order: Int
    private var lower: [Double]

    /// - Parameter matrix: [order, order] in row-major order; its lower triangle is read.
    /// - Returns: nil if a pivot is not positive: the matrix is not positive definite.
    package init?(_ matrix: [Double], order: Int) {
        precondition(matrix.count == order * order)
        self.order = order
        lower = matrix
        for row in 0..<order {
            for column in 0...row {
                var sum = lower[row * order + column]
                for k in 0..<column { sum -= lower[row * order + k] * lower[column * order + k] }
                if row == column {
                    guard sum > 0 else { return nil }
                    lower[row * order + row] = sum.squareRoot()
                } else {
                    lower[row * order + column] = sum / lower[column * order + column]
                }
            }
        }
    }

    package func solve(_ right: [Double]) -> [Double] {
        precondition(right.count == order)
        var x = right
        for row in 0..<order {
            for k in 0..<row { x[row] -= lower[row * order + k] * x[k] }
            x[row] /= lower[row * order + row]
        }
        for row in stride(from: order - 1, through: 0, by: -1) {
            for k in row + 1..<order { x[row] -= lower[k * order + row] * x[k] }
            x[row] /= lower[row * order + row]
        }
        return x
    }
}

/// 1 - |prediction - target|² / |target - mean|²: the share of a target's variance that a prediction explains.
package func coefficientOfDetermination(_ prediction: [Double], of target: [Double]) -> Double {
    precondition(prediction.count == target.count)
    let mean = target.reduce(0, +) / Double(target.count)
    var (residual, total) = (0.0, 0.0)
    for (p, t) in zip(prediction, target) {
        residual += (p - t) * (p - t)
        total += (t - mean) * (t - mean)
    }
    return 1 - residual / total
}
