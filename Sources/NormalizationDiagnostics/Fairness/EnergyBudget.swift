// EnergyBudget: the Euclidean projection on an ellipsoid, sum e_i g_i² = total, of one modality.

struct EnergyBudget {
    let energies: [Double]
    let total: Double

    /// The nearest point: g_i / (1 + lambda e_i), with one lambda above -1 / max(e).
    ///
    /// With `t = 1 + lambda max(e)` and shares `s_i = e_i / max(e)` the factor is 1 / (1 + (t - 1) s_i), and the
    /// energy falls steadily in t > 0. Where all features of the largest energy have g_i = 0 it stays finite at t =
    /// 0; what the budget then lacks goes to the first of these features, which is one of the nearest points.
    func nearest(to gamma: [Double]) -> [Double] {
        let largest = energies.max() ?? 0
        let shares = energies.map { $0 / largest }
        func point(_ t: Double) -> [Double] {
            zip(gamma, shares).map { $0 == 0 ? 0 : $0 / (1 + (t - 1) * $1) }
        }
        func energy(_ point: [Double]) -> Double { zip(energies, point).reduce(0) { $0 + $1.0 * $1.1 * $1.1 } }

        let heaviest = shares.firstIndex(of: 1) ?? 0
        if !zip(gamma, shares).contains(where: { $0 != 0 && $1 == 1 }) {
            var limit = point(0)
            let missing = total - energy(limit)
            if missing >= 0 {
                limit[heaviest] = (missing / largest).squareRoot()
                return limit
            }
        }
        var (low, high) = (0.0, 1.0)
        while energy(point(high)) > total { high *= 2 }
        while true {
            let middle = low + (high - low) / 2
            if middle <= low || middle >= high { return point(high) }
            if energy(point(middle)) > total { low = middle } else { high = middle }
        }
    }
}
