// S9: a task that needs each expert's own scale and offset, under one affine map and under one for each expert.

internal import Normalization
internal import NormalizationDiagnostics
internal import ReferenceKernels

enum ExpertScaleTask {
    static func measure(_ context: StudyContext) throws -> Findings {
        context.progress("scale task")
        let experts = Experts.ofMagnitude()
        let normalized = PlainNorm<Double>.forward(
            .layerNorm, experts.outputs, columns: Experts.features, weight: nil, bias: nil, epsilon: 0)
        /// Pairs of normalized elements and targets of each expert.
        func tax(_ inputs: [Double], target: (_ index: Int, _ expert: Int) -> Double) throws -> ErrorTax {
            try ErrorTax.estimate(
                perModality: Experts.means.indices.map { expert in
                    let own = inputs.indices.filter { experts.routing[$0 / Experts.features] == expert }
                    return (own.map { inputs[$0] }, own.map { target($0, expert) })
                })
        }
        let exact = try tax(normalized) { Experts.deviations[$1] * normalized[$0] + Experts.means[$1] }
        let law = variance(experts.frequencies)
        let raw = try tax(normalized) { index, _ in experts.outputs[index] }

        // The layer itself, with the weight and bias that the task asks for.
        let x = try Tensor(experts.outputs.map { Float($0) }, shape: [Experts.rows, Experts.features])
        var layer = try PerExpertLayerNorm(
            experts: 4, featureCount: Experts.features, epsilon: 0, backend: context.backend)
        layer.weight = try Tensor(
            (0..<4 * Experts.features).map { Float(Experts.deviations[$0 / Experts.features]) },
            shape: layer.weight.shape)
        layer.bias = try Tensor(
            (0..<4 * Experts.features).map { Float(Experts.means[$0 / Experts.features]) }, shape: layer.bias.shape)
        func error(_ routing: [Int]) throws -> Double {
            let y = try layer(x, experts: routing).array
            return y.indices.reduce(0) { sum, index in
                let expert = experts.routing[index / Experts.features]
                let wanted = Experts.deviations[expert] * normalized[index] + Experts.means[expert]
                return sum + (Double(y[index]) - wanted) * (Double(y[index]) - wanted)
            } / Double(y.count)
        }
        let shared = exact.tax + exact.separateError
        let checks = [
            Check(
                .exact,
                """
                The target s_k xhat + m_k under one shared weight and bias costs Var_p(s) + Var_p(m) = \
                \(TableCell.significant(law, 7)), p being the frequencies of these 8000 rows, to 1e-12 of it: each \
                row is exactly standardised.
                """, .relative(law, 1e-12), observed: shared,
                mutant: ("equal frequencies are assumed", variance([0.25, 0.25, 0.25, 0.25]))),
            Check(
                .exact, "With a weight and a bias for each expert it costs 0, to 1e-20.", .atMost(1e-20),
                observed: exact.separateError, mutant: ("one for all", shared)),
            Check(
                .exact,
                """
                PerExpertLayerNorm with these weights and biases solves the task: a mean square error below 1e-12, \
                float32 rounding of numbers of the order of 10.
                """, .atMost(1e-12), observed: try error(experts.routing),
                mutant: ("the next expert's", try error(experts.routing.map { ($0 + 1) % 4 }))),
            Check(
                .law,
                """
                Where the target is the raw output of the expert, shared parameters cost the law more than separate \
                ones, within 5 %; what separate ones miss is each row's own statistics.
                """, .relative(law, 0.05), observed: raw.tax,
                mutant: ("separate parameters' error", raw.separateError)),
        ]
        let table = Table(
            "Mean square error of the scale task",
            columns: ["target", "shared affine", "affine of each expert", "difference", "law"],
            rows: [("s_k xhat + m_k", exact), ("raw output", raw)].map { name, tax in
                [name]
                    + [tax.tax + tax.separateError, tax.separateError, tax.tax, law].map {
                        TableCell.significant($0, 5)
                    }
            })
        return Findings(checks: checks, tables: [table])
    }

    /// Of deviations and means over experts with these frequencies, added.
    private static func variance(_ frequencies: [Double]) -> Double {
        [Experts.deviations, Experts.means].reduce(0) { sum, values in
            let mean = zip(frequencies, values).reduce(0) { $0 + $1.0 * $1.1 }
            return sum + zip(frequencies, values).reduce(0) { $0 + $1.0 * ($1.1 - mean) * ($1.1 - mean) }
        }
    }
}
