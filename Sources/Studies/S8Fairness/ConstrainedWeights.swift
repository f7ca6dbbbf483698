// S8: weights on the constraint: the projection, and the form that needs none.

internal import Normalization
internal import NormalizationDiagnostics
internal import TrainingKit

enum ConstrainedWeights {
    static func measure(_ context: StudyContext) throws -> Findings {
        context.progress("projections")
        var random = RandomStream(seed: 0, stream: 94)
        let segments = try SegmentOffsets(widths: [20, 12])
        var balance = try EnergyBalancedAffine(segments: segments, target: .perFeature)
        try balance.observe(energies: (0..<32).map { _ in random.uniform(in: 0.05..<3) })
        let gamma = random.normals(32).map { 1 + 0.5 * $0 }
        let gradient = random.normals(32)
        return Findings(
            checks: try projection(balance, gamma: gamma)
                + weightNorm(balance, direction: gamma, gradient: gradient))
    }

    /// How far the worst modality is from its budget, as a part of it.
    private static func violation(_ balance: EnergyBalancedAffine, _ weight: [Double]) -> Double {
        guard let energies = balance.energies else { return .nan }
        return balance.budgets.enumerated().reduce(0) { worst, budget in
            let energy = balance.segments.range(budget.offset).reduce(0) {
                $0 + energies[$1] * weight[$1] * weight[$1]
            }
            return max(worst, abs(energy / budget.element - 1))
        }
    }

    private static func projection(_ balance: EnergyBalancedAffine, gamma: [Double]) throws -> [Check] {
        guard let energies = balance.energies else { return [] }
        let nearest = try balance.project(gamma: gamma)
        let radial = try balance.weight(direction: gamma)
        func distance(_ weight: [Double]) -> Double {
            zip(weight, gamma).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }.squareRoot()
        }
        /// At the nearest point gamma - g is normal to the constraint: (gamma_i - g_i) / (e_i g_i) is one number a
        /// modality.
        func spread(_ weight: [Double]) -> Double {
            (0..<2).reduce(0) { worst, segment in
                let multipliers = balance.segments.range(segment).map {
                    (gamma[$0] - weight[$0]) / (energies[$0] * weight[$0])
                }
                return max(worst, multipliers.max()! - multipliers.min()!)
            }
        }
        return [
            Check(
                .exact,
                "The projected weight meets the budget of energies of both modalities, to 1e-12.", .atMost(1e-12),
                observed: violation(balance, nearest),
                mutant: (
                    "the projected weight after a step of weight decay, 1 %",
                    violation(balance, nearest.map { 0.99 * $0 }))),
            Check(
                .exact,
                """
                It is the Euclidean projection: what it moved is normal to the constraint, one multiplier for each \
                modality to 1e-9. It moved \(TableCell.significant(distance(nearest), 5)); rescaling moves \
                \(TableCell.significant(distance(radial), 5)).
                """, .atMost(1e-9), observed: spread(nearest),
                mutant: ("the weight is rescaled instead", spread(radial))),
            Check(
                .exact, "The projection moves less than rescaling does.", .atMost(0.999),
                observed: distance(nearest) / distance(radial),
                mutant: ("the weight is rescaled instead", distance(radial) / distance(radial))),
        ]
    }

    private static func weightNorm(
        _ balance: EnergyBalancedAffine, direction: [Double], gradient: [Double]
    ) throws -> [Check] {
        guard let energies = balance.energies else { return [] }
        let derived = try balance.directionGradient(of: gradient, at: direction)
        func loss(_ v: [Double]) throws -> Double {
            zip(try balance.weight(direction: v), gradient).reduce(0) { $0 + $1.0 * $1.1 }
        }
        var (error, wrongError) = (0.0, 0.0)
        for index in direction.indices {
            var (up, down) = (direction, direction)
            up[index] += 1e-5
            down[index] -= 1e-5
            let difference = (try loss(up) - loss(down)) / (up[index] - down[index])
            // The identity instead of the energies as metric: the gradient of plain weight norm.
            let segment = index < balance.segments.range(0).upperBound ? 0 : 1
            let range = balance.segments.range(segment)
            let square = range.reduce(0) { $0 + energies[$1] * direction[$1] * direction[$1] }
            let projection = range.reduce(0) { $0 + gradient[$1] * direction[$1] } / square
            let wrong =
                (balance.budgets[segment] / square).squareRoot() * (gradient[index] - projection * direction[index])
            error = max(error, abs(derived[index] - difference))
            wrongError = max(wrongError, abs(wrong - difference))
        }
        var (v, gamma) = (direction, try balance.weight(direction: direction))
        for _ in 0..<50 {
            let step = try balance.directionGradient(of: gradient, at: v)
            for index in v.indices {
                v[index] -= 0.05 * step[index]
                gamma[index] -= 0.05 * gradient[index]
            }
        }
        return [
            Check(
                .exact,
                """
                The gradient of the weight-norm form, sqrt(T) / rho (g_j - <g, v> e_j v_j / rho²), agrees with \
                central differences of step 1e-5 in double precision to 1e-8.
                """, .atMost(1e-8), observed: error,
                mutant: ("without e_j in the second term", wrongError)),
            Check(
                .exact, "The weight-norm form meets the budgets after 50 steps without any projection, to 1e-12.",
                .atMost(1e-12), observed: violation(balance, try balance.weight(direction: v)),
                mutant: ("the same steps on the weight itself", violation(balance, gamma))),
        ]
    }
}
