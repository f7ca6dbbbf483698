// LinearDiscriminant: which group a row belongs to, by a linear readout (Fisher, 1936). One covariance for all groups.

private import Foundation

enum LinearDiscriminant {
    /// The share of rows that are named right: fitted on every other row of each group, judged on the rest.
    ///
    /// Features are standardised; those that do not vary are left out. 1e-6 on the diagonal of the covariance lets
    /// features depend on each other, as those of a normalized row do. Without any feature the most frequent group is
    /// named.
    static func accuracy(_ rows: [Double], features: Int, members: [[Int]]) -> Double {
        let training = members.map { own in stride(from: 0, to: own.count, by: 2).map { own[$0] } }
        let test = members.map { own in stride(from: 1, to: own.count, by: 2).map { own[$0] } }
        let count = Double(training.reduce(0) { $0 + $1.count })

        var (kept, means, deviations) = ([Int](), [Double](), [Double]())
        for column in 0..<features {
            let values = training.joined().map { rows[$0 * features + column] }
            let mean = values.reduce(0, +) / count
            let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / count
            guard variance > 0 else { continue }
            kept.append(column)
            means.append(mean)
            deviations.append(variance.squareRoot())
        }
        func standardised(_ row: Int) -> [Double] {
            kept.indices.map { (rows[row * features + kept[$0]] - means[$0]) / deviations[$0] }
        }
        var centres: [[Double]] = []
        var within: [Double] = []
        for own in training {
            let points = own.map(standardised)
            let centre = kept.indices.map { column in points.reduce(0) { $0 + $1[column] } / Double(own.count) }
            for point in points { within += zip(point, centre).map { $0 - $1 } }
            centres.append(centre)
        }
        var weights = centres
        if !kept.isEmpty {
            let equations = NormalEquations(rows: within, features: kept.count, targets: [])
            var covariance = equations.gram.map { $0 / count }
            for index in kept.indices { covariance[index * kept.count + index] += 1e-6 }
            guard let cholesky = Cholesky(covariance, order: kept.count) else { return .nan }
            weights = centres.map(cholesky.solve)
        }
        func dot(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
        let offsets = members.indices.map { group in
            log(Double(training[group].count) / count) - dot(weights[group], centres[group]) / 2
        }
        var right = 0
        for (group, own) in test.enumerated() {
            for row in own {
                let point = standardised(row)
                let scores = members.indices.map { dot(weights[$0], point) + offsets[$0] }
                let named = scores.indices.reduce(0) { scores[$1] > scores[$0] ? $1 : $0 }
                if named == group { right += 1 }
            }
        }
        return Double(right) / Double(test.reduce(0) { $0 + $1.count })
    }
}
