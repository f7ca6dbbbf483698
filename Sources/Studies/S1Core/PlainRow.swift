/// LayerNorm of one vector with weight 1, in double precision: its statistics and the derivatives that this study
/// claims.
struct PlainRow {
    let epsilon: Double
    let variance: Double
    /// s = sqrt(variance + epsilon).
    let deviation: Double
    let centred: [Double]
    /// xhat = (x - mean) / s.
    let normalized: [Double]

    init(_ x: [Double], epsilon: Double) {
        self.epsilon = epsilon
        centred = Vectors.centred(x)
        variance = Vectors.dot(centred, centred) / Double(x.count)
        deviation = (variance + epsilon).squareRoot()
        normalized = Vectors.scaled(1 / deviation, centred)
    }

    /// mean(v xhat).
    func projection(_ v: [Double]) -> Double { Vectors.dot(v, normalized) / Double(v.count) }

    /// J v, which is J ᵀ v, the backward pass.
    func jacobianProduct(_ v: [Double]) -> [Double] {
        let share = projection(v)
        let mean = Vectors.mean(v)
        return v.indices.map { (v[$0] - mean - normalized[$0] * share) / deviation }
    }

    /// The gradient by x of <v, J g>. `repeats` is 3; another number is a mutant.
    func doubleBackward(_ v: [Double], _ g: [Double], repeats: Double = 3) -> [Double] {
        let (pv, pg) = (Vectors.centred(v), Vectors.centred(g))
        let (shareV, shareG) = (projection(v), projection(g))
        let covariance = Vectors.dot(pv, pg) / Double(v.count)
        return v.indices.map { index in
            -(shareG * pv[index] + shareV * pg[index]
                + normalized[index] * (covariance - repeats * shareV * shareG)) / (deviation * deviation)
        }
    }
}
