package import Tensors

/// Tangents of the norms and gradients of their gradients, from the statistics that the forward pass saved.
extension NormReference {
    /// What `doubleBackward` needs of the passes before it.
    package struct Passes {
        package var x: [Scalar]
        package var columns: Int
        package var weight: [Scalar]?
        package var mean: [Scalar]
        package var meanLow: [Scalar]
        package var rstd: [Scalar]

        package init(
            x: [Scalar], columns: Int, weight: [Scalar]?, mean: [Scalar], meanLow: [Scalar], rstd: [Scalar]
        ) {
            self.x = x
            self.columns = columns
            self.weight = weight
            self.mean = mean
            self.meanLow = meanLow
            self.rstd = rstd
        }

        func xhat(_ row: Int, _ column: Int) -> Scalar {
            NormReference.normalized(x[row * columns + column] - mean[row], meanLow[row], rstd[row])
        }
    }

    package struct SecondGradients {
        package var dy: [Scalar]
        package var dx: [Scalar]
        package var dweight: [Scalar]
    }

    /// A row of numbers about its mean, centre + tau; slope is the mean of its product with xhat.
    private struct SlopedRow {
        var element: (Int) -> Scalar
        var centre: Scalar
        var tau: Scalar = 0
        var slope: Scalar = 0

        init(_ norm: RowNorm, _ passes: Passes, row: Int, _ element: @escaping (Int) -> Scalar) {
            let n = Scalar(passes.columns)
            self.element = element
            centre = norm == .layerNorm ? RowSample.mean(columns: passes.columns, element) : 0
            var (sum, product) = (LaneSum<Scalar>(), LaneSum<Scalar>())
            for column in 0..<passes.columns {
                sum.add(aboutCentre(column))
                product.add(aboutCentre(column), times: passes.xhat(row, column))
            }
            tau = norm == .layerNorm ? sum.total / n : 0
            slope = product.total / n
        }

        func aboutCentre(_ column: Int) -> Scalar { element(column) - centre }
        func aboutMean(_ column: Int) -> Scalar { aboutCentre(column) - tau }
    }

    /// J(v) * w + xhat * p + q: the tangent of the output for tangents v of x, p of the weight, q of the bias.
    package static func tangent(
        _ norm: RowNorm, _ v: [Scalar], weightTangent p: [Scalar]?, biasTangent q: [Scalar]?, passes: Passes
    ) -> [Scalar] {
        var result: [Scalar] = []
        for row in 0..<v.count / passes.columns {
            let of = SlopedRow(norm, passes, row: row) { v[row * passes.columns + $0] }
            for column in 0..<passes.columns {
                result.append(tangent(of, p, q, passes: passes, row: row, column: column).output)
            }
        }
        return result
    }

    private static func tangent(
        _ v: SlopedRow, _ p: [Scalar]?, _ q: [Scalar]?, passes: Passes, row: Int, column: Int
    ) -> (jacobian: Scalar, output: Scalar) {
        let xhat = passes.xhat(row, column)
        let jacobian = v.aboutMean(column).addingProduct(-xhat, v.slope) * passes.rstd[row]
        let output = (q?[column] ?? 0).addingProduct(jacobian, passes.weight?[column] ?? 1)
        return (jacobian, p.map { output.addingProduct(xhat, $0[column]) } ?? output)
    }

    /// The gradients of the backward pass from dy, for cotangents v of dx, p of dweight and q of dbias.
    package static func doubleBackward(
        _ norm: RowNorm, _ v: [Scalar], weightCotangent p: [Scalar]?, biasCotangent q: [Scalar]?, dy: [Scalar],
        passes: Passes
    ) -> SecondGradients {
        let columns = passes.columns
        let rows = v.count / columns
        var result = SecondGradients(dy: [], dx: [], dweight: [])
        var weightSums = BlockedColumnSums<Scalar>(rows: rows, columns: columns)
        for row in 0..<rows {
            let first = row * columns
            let ofG = SlopedRow(norm, passes, row: row) { dy[first + $0] * (passes.weight?[$0] ?? 1) }
            let ofV = SlopedRow(norm, passes, row: row) { v[first + $0] }
            let ofK = p.map { p in SlopedRow(norm, passes, row: row) { p[$0] * dy[first + $0] } }
            var product = LaneSum<Scalar>()
            for column in 0..<columns { product.add(ofV.aboutCentre(column), times: ofG.aboutCentre(column)) }
            let c = (product.total / Scalar(columns)).addingProduct(-ofV.tau, ofG.tau)
            let along = c.addingProduct(-3 * ofV.slope, ofG.slope)

            weightSums.begin(row: row)
            for column in 0..<columns {
                let xhat = passes.xhat(row, column)
                let (jacobian, output) = tangent(ofV, p, q, passes: passes, row: row, column: column)
                result.dy.append(output)
                weightSums.add(dy[first + column], times: jacobian, column: column)
                let inner = (xhat * along).addingProduct(ofG.aboutMean(column), ofV.slope)
                    .addingProduct(ofV.aboutMean(column), ofG.slope)
                let outer = ofK.map { $0.aboutMean(column).addingProduct(-xhat, $0.slope) } ?? 0
                result.dx.append(outer.addingProduct(-inner, passes.rstd[row]) * passes.rstd[row])
            }
        }
        result.dweight = weightSums.totals
        return result
    }
}
