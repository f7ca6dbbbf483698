package import Tensors

/// Gradients of rows that were normalized by given moments.
extension RowMomentsReference {
    /// What the gradients of every row, or part of one, need of its elements.
    @_specialize(where Scalar == Float)
    @_specialize(where Scalar == Double)
    package static func gradientMoments(
        _ dy: [Scalar], x: [Scalar], columns: Int, moments: [Moments], weight: [Scalar]?, epsilon: Scalar
    ) -> [GradientMoments] {
        let n = Double(columns)
        return moments.indices.map { row in
            let rule = SetRule<Scalar>(moments[row], epsilon: epsilon)
            let first = row * columns
            func w(_ column: Int) -> Scalar { weight?[column] ?? 1 }
            let centre = RowSample.mean(columns: columns) { dy[first + $0] * w($0) }
            var (sum, products, xhats) = (LaneSum<Scalar>(), LaneSum<Scalar>(), LaneSum<Scalar>())
            for column in 0..<columns {
                let t = (-centre).addingProduct(dy[first + column], w(column))
                let xhat = rule.deviation(x[first + column]) * rule.boundedFactor
                sum.add(t)
                products.add(t, times: xhat)
                xhats.add(xhat)
            }
            let normalized = Double(xhats.total) / n
            return GradientMoments(
                count: columns, gradient: Double(centre) + Double(sum.total) / n, normalized: normalized,
                comoment: Double(products.total) - Double(sum.total) * normalized)
        }
    }

    /// dx = (g - mean(g) - xhat * mean(g * xhat)) * rstd, and the sums over rows.
    @_specialize(where Scalar == Float)
    @_specialize(where Scalar == Double)
    package static func backward(
        _ dy: [Scalar], x: [Scalar], columns: Int, moments: [Moments], gradientMoments: [GradientMoments],
        weight: [Scalar]?, epsilon: Scalar
    ) -> NormReference<Scalar>.Gradients {
        var dx = [Scalar](repeating: 0, count: x.count)
        var weightSums = BlockedColumnSums<Scalar>(rows: moments.count, columns: columns)
        var biasSums = weightSums
        for row in moments.indices {
            let rule = SetRule<Scalar>(moments[row], epsilon: epsilon)
            let of = gradientMoments[row]
            let mean = Scalar(of.gradient)
            let low = Scalar(of.gradient - Double(mean))
            let h = Scalar(of.comoment / Double(of.count))
            let rstd = Scalar(rule.factor * Double(rule.scale))
            weightSums.begin(row: row)
            biasSums.begin(row: row)
            for column in 0..<columns {
                let element = row * columns + column
                let xhat = rule.deviation(x[element]) * rule.boundedFactor
                let t = (-mean).addingProduct(dy[element], weight?[column] ?? 1) - low
                dx[element] = t.addingProduct(-xhat, h) * rstd
                weightSums.add(dy[element], times: xhat, column: column)
                biasSums.add(dy[element], times: 1, column: column)
            }
        }
        return NormReference.Gradients(dx: dx, dweight: weightSums.totals, dbias: biasSums.totals)
    }
}
