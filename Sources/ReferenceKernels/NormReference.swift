package import Tensors

/// LayerNorm and RMSNorm in plain Swift: for `Float` the bits of the C kernels.
///
/// Matrices are dense and row-major; what is stored otherwise is widened before and rounded after. The arithmetic is described in the article "One answer".
package enum NormReference<Scalar: ReferenceScalar> {
    /// Mean (as the pair centre + delta) and 1/sqrt(variance + epsilon) of a row times a power of two.
    private struct Moments {
        var centre: Scalar
        var delta: Scalar
        var rstd: Scalar
        /// Of the row before it was scaled.
        var savedRstd: Scalar = 0
        var scale: Scalar = 1
    }

    package struct Output {
        package var y: [Scalar]
        package var mean: [Scalar]
        package var meanLow: [Scalar]
        package var rstd: [Scalar]
    }

    /// y = (x - mean) * rstd * weight + bias for every row of `columns` elements.
    ///
    /// (Specialised here because callers are in other modules, where the generic code would run a hundred
    /// times slower.)
    @_specialize(where Scalar == Float)
    @_specialize(where Scalar == Double)
    package static func forward(
        _ norm: RowNorm, _ x: [Scalar], columns: Int, weight: [Scalar]?, bias: [Scalar]?, epsilon: Scalar
    ) -> Output {
        let rows = x.count / columns
        var output = Output(y: [], mean: [], meanLow: [], rstd: [])
        output.y.reserveCapacity(x.count)
        for row in 0..<rows {
            let elements = x[row * columns..<(row + 1) * columns]
            let r = moments(of: elements, norm, epsilon: epsilon)
            for (column, element) in elements.enumerated() {
                let normalized = normalized(centred(element, r), r.delta, r.rstd)
                output.y.append((bias?[column] ?? 0).addingProduct(normalized, weight?[column] ?? 1))
            }
            let mean = r.centre + r.delta
            output.mean.append(mean / r.scale)
            output.meanLow.append((r.delta - (mean - r.centre)) / r.scale)
            output.rstd.append(r.savedRstd)
        }
        return output
    }

    private static func centred(_ x: Scalar, _ r: Moments) -> Scalar { (-r.centre).addingProduct(x, r.scale) }

    /// A deviation from the larger part of a mean, less the smaller part, over the spread.
    static func normalized(_ deviation: Scalar, _ smallerPart: Scalar, _ rstd: Scalar) -> Scalar {
        (-(smallerPart * rstd)).addingProduct(deviation, rstd)
    }

    private static func moments(of row: ArraySlice<Scalar>, _ norm: RowNorm, epsilon: Scalar) -> Moments {
        var (r, variance) = unfinishedMoments(of: row, norm, scale: 1)
        let q = variance + epsilon
        if Scalar.ordinaryVariances.contains(q) {
            r.rstd = 1 / q.squareRoot()
            r.savedRstd = r.rstd
            return r
        }
        (r, variance) = unfinishedMoments(of: row, norm, scale: scale(for: row))
        (r.rstd, r.savedRstd) = Scalar.wideReciprocalRoot(variance: variance, epsilon: epsilon, scale: r.scale)
        return r
    }

    /// centre, delta and the variance of the row times `scale`: around the mean of a sample, or, if that was
    /// far off, around the mean that this gave.
    /// RMSNorm's are around 0.
    private static func unfinishedMoments(
        of row: ArraySlice<Scalar>, _ norm: RowNorm, scale: Scalar
    ) -> (Moments, variance: Scalar) {
        guard norm == .layerNorm else { return moments(of: row, norm, around: 0, scale: scale) }
        let sample = RowSample.mean(columns: row.count) { row[row.startIndex + $0] * scale }
        let (r, variance) = moments(of: row, norm, around: sample, scale: scale)
        let isFar = variance.addingProduct(-4 * r.delta, r.delta) < 0
        return isFar ? moments(of: row, norm, around: r.centre + r.delta, scale: scale) : (r, variance)
    }

    private static func moments(
        of row: ArraySlice<Scalar>, _ norm: RowNorm, around centre: Scalar, scale: Scalar
    ) -> (Moments, variance: Scalar) {
        let n = Scalar(row.count)
        var r = Moments(centre: centre, delta: 0, rstd: 0, scale: scale)
        var deviations = LaneSum<Scalar>()
        var squares = LaneSum<Scalar>()
        for x in row {
            let d = centred(x, r)
            deviations.add(d)
            squares.add(d, times: d)
        }
        r.delta = norm == .layerNorm ? deviations.total / n : 0
        let variance = (squares.total / n).addingProduct(-r.delta, r.delta)
        return (r, variance < 0 ? 0 : variance)
    }

    /// The power of two that brings the row's largest magnitude near 1; 1 where none does.
    static func scale(for row: ArraySlice<Scalar>) -> Scalar {
        var largest: Scalar = 0
        for x in row {
            if !x.isFinite { return 1 }
            largest = max(largest, abs(x))
        }
        if largest == 0 { return 1 }
        let limit = Scalar.scalingExponentLimit
        return Scalar(sign: .plus, exponent: Scalar.Exponent(-min(max(Int(largest.exponent), -limit), limit)), significand: 1)
    }
}
