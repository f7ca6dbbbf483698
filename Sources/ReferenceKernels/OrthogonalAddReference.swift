/// The orthogonal residual addition in plain Swift: for `Float` the bits of the C kernels.
///
/// Matrices are dense and row-major. The arithmetic is described in the article "One answer".
package enum OrthogonalAddReference<Scalar: ReferenceScalar> {
    /// One of the rows x, f (the update) and g (the gradient), about its mean if they are centred.
    private struct Part {
        let row: ArraySlice<Scalar>
        var scale: Scalar = 1
        var centre: Scalar = 0
        var delta: Scalar = 0

        func deviation(_ column: Int) -> Scalar {
            (-centre).addingProduct(row[row.startIndex + column], scale)
        }
        func value(_ column: Int) -> Scalar { deviation(column) - delta }
    }

    /// The rows and how far f and g lie along x.
    private struct Projected {
        var x, f, g: Part
        var a: Scalar = 0
        var b: Scalar = 0
        var isScaled = false

        func orthogonalF(_ column: Int) -> Scalar { f.value(column).addingProduct(-a, x.value(column)) }
        func orthogonalG(_ column: Int) -> Scalar { g.value(column).addingProduct(-b, x.value(column)) }
    }

    /// Sums over a row, about the means.
    private struct Sums {
        var xx, xf, ff, xg, gg: Scalar
        var isFar = false
    }

    package static func forward(
        _ x: [Scalar], update: [Scalar], columns: Int, centred: Bool, epsilon: Scalar
    ) -> [Scalar] {
        var h: [Scalar] = []
        h.reserveCapacity(x.count)
        for first in stride(from: 0, to: x.count, by: columns) {
            let range = first..<first + columns
            let r = project(x[range], f: update[range], g: nil, centred: centred, epsilon: epsilon)
            for column in 0..<columns { h.append(x[first + column] + r.orthogonalF(column) * (1 / r.f.scale)) }
        }
        return h
    }

    package static func backward(
        _ dh: [Scalar], x: [Scalar], update: [Scalar], columns: Int, centred: Bool, epsilon: Scalar
    ) -> (dx: [Scalar], dupdate: [Scalar]) {
        var dx: [Scalar] = []
        var dupdate: [Scalar] = []
        for first in stride(from: 0, to: x.count, by: columns) {
            let range = first..<first + columns
            let r = project(x[range], f: update[range], g: dh[range], centred: centred, epsilon: epsilon)
            let exponent = min(
                max(Int(r.x.scale.exponent) - Int(r.f.scale.exponent) - Int(r.g.scale.exponent), -252), 252)
            for column in 0..<columns {
                let (g, f) = (r.orthogonalG(column), r.orthogonalF(column))
                if r.isScaled {
                    let both = (r.b * f).addingProduct(r.a, g)
                    dx.append(
                        dh[first + column] - both * powerOfTwo(exponent / 2) * powerOfTwo(exponent - exponent / 2))
                } else {
                    dx.append(dh[first + column].addingProduct(-r.b, f).addingProduct(-r.a, g))
                }
                dupdate.append(g * (1 / r.g.scale))
            }
        }
        return (dx, dupdate)
    }

    private static func powerOfTwo(_ exponent: Int) -> Scalar {
        Scalar(sign: .plus, exponent: Scalar.Exponent(exponent), significand: 1)
    }

    private static func project(
        _ x: ArraySlice<Scalar>, f: ArraySlice<Scalar>, g: ArraySlice<Scalar>?, centred: Bool, epsilon: Scalar
    ) -> Projected {
        var r = Projected(x: Part(row: x), f: Part(row: f), g: Part(row: g ?? []))
        var s = sums(&r, centred: centred, afresh: true)
        let q = s.xx + epsilon
        let isOrdinary = [q, s.ff].allSatisfy(Scalar.ordinaryVariances.contains)
        if isOrdinary, g == nil || Scalar.ordinaryVariances.contains(s.gg), !s.isFar {
            r.a = s.xf / q
            r.b = s.xg / q
            return r
        }
        r.isScaled = true
        r.x.scale = NormReference<Scalar>.scale(for: x)
        r.f.scale = NormReference<Scalar>.scale(for: f)
        r.g.scale = NormReference<Scalar>.scale(for: g ?? [])
        s = sums(&r, centred: centred, afresh: true)
        if s.isFar {
            r.x.centre += r.x.delta
            r.f.centre += r.f.delta
            r.g.centre += r.g.delta
            s = sums(&r, centred: centred, afresh: false)
        }
        r.a = Scalar.wideProjection(product: s.xf, squares: s.xx, epsilon: epsilon, scale: r.x.scale)
        r.b = Scalar.wideProjection(product: s.xg, squares: s.xx, epsilon: epsilon, scale: r.x.scale)
        if !centred, r.a == 0 { r.f.scale = 1 }
        if !centred, r.b == 0 { r.g.scale = 1 }
        return r
    }

    /// Finds the means if the rows are centred (`afresh`: about those of samples), and sums about them.
    private static func sums(_ r: inout Projected, centred: Bool, afresh: Bool) -> Sums {
        let columns = r.x.row.count
        let hasGradient = !r.g.row.isEmpty
        if centred, afresh {
            for path in [\Projected.x, \.f] + (hasGradient ? [\.g] : []) {
                let part = r[keyPath: path]
                r[keyPath: path].centre = RowSample.mean(columns: columns) {
                    part.row[part.row.startIndex + $0] * part.scale
                }
            }
        }
        var (xx, xf, ff, xg, gg) = (
            LaneSum<Scalar>(), LaneSum<Scalar>(), LaneSum<Scalar>(), LaneSum<Scalar>(), LaneSum<Scalar>()
        )
        var (sumX, sumF, sumG) = (LaneSum<Scalar>(), LaneSum<Scalar>(), LaneSum<Scalar>())
        for column in 0..<columns {
            let x = r.x.deviation(column)
            let f = r.f.deviation(column)
            xx.add(x, times: x)
            xf.add(x, times: f)
            ff.add(f, times: f)
            sumX.add(x)
            sumF.add(f)
            guard hasGradient else { continue }
            let g = r.g.deviation(column)
            xg.add(x, times: g)
            gg.add(g, times: g)
            sumG.add(g)
        }
        var s = Sums(xx: xx.total, xf: xf.total, ff: ff.total, xg: xg.total, gg: gg.total)
        guard centred else { return s }
        let n = Scalar(columns)
        func squares(_ total: Scalar, _ sum: Scalar, _ delta: Scalar) -> Scalar {
            let rest = total.addingProduct(-delta, sum)
            let floored = rest < 0 ? 0 : rest
            if floored.addingProduct(-4 * delta, sum) < 0 { s.isFar = true }
            return floored
        }
        r.x.delta = sumX.total / n
        r.f.delta = sumF.total / n
        s.xx = squares(s.xx, sumX.total, r.x.delta)
        s.ff = squares(s.ff, sumF.total, r.f.delta)
        s.xf.addProduct(-r.x.delta, sumF.total)
        guard hasGradient else { return s }
        r.g.delta = sumG.total / n
        s.gg = squares(s.gg, sumG.total, r.g.delta)
        s.xg.addProduct(-r.x.delta, sumG.total)
        return s
    }
}
