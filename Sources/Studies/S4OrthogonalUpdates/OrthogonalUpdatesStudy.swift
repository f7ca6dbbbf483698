internal import Normalization
internal import Plots

/// S4: residual updates that are orthogonal to the stream: what is exact, for which aim they are best, what training
/// shows.
package struct OrthogonalUpdatesStudy: Study {
    package let number = 4
    package let name = "orthogonal-updates"

    package init() {}

    package func run(_ context: StudyContext) throws -> StudyResult {
        let seeds: [UInt64] = [0, 1, 2]
        context.progress("identities")
        let identities = try UpdateIdentities(context).checks()
        let view = try NormView(context).run()
        let optima = Optima.run()
        let training = try UpdateTraining(context: context, seeds: seeds).run()
        var result = StudyResult(
            seeds: seeds,
            parameters: [
                "Identities: float64, d = 32; kernels in float32 with epsilon 1e-6",
                "Optima: d = 32, 2001 values of rho",
                "Nets: 12 blocks of LayerNorm, Linear, ReLU, Linear, d = 48, 10 classes by a random teacher, 2048"
                    + " samples or 38400 seen once each, Adam at 0.001, batches of 128, 300 steps (in full mode)",
            ],
            checks: identities + view.checks + optima.checks + training.checks,
            tables: [optima.table, view.table] + training.tables,
            figures: [
                Figure(
                    caption: "Two aims, two best directions; and how branches of a net stand to their stream, means"
                        + " over samples and seeds.",
                    panels: optima.panels + [training.panel])
            ])
        if context.mode == .quick {
            result.notMeasured = "what training does to the branches, and the accuracy that it reaches"
        }
        return result
    }

    package let story = StudyStory(
        title: "Orthogonal residual updates",
        claim: "A branch should write only what is orthogonal to the residual stream: the optimal update is"
            + " uncorrelated with its input, and nets with orthogonal updates train better.",
        question: "For which aim is the orthogonal update optimal, what does LayerNorm see of it, and does it show"
            + " in training?",
        prediction: [
            "Symbols: stream x of length σ, branch f, update u of length tau, rho the cosine of u and x; the"
                + " orthogonal update is f - a x with the share a = <x, f>/(‖x‖² + epsilon).",
            "‖x + u‖² = ‖x‖² + ‖u‖² for the orthogonal update, up to 2 a epsilon.",
            "LN(x + u) = LN(x) + u⊥/s + O(‖u‖²): to first order LayerNorm sees only the orthogonal part anyway.",
            "Best for novelty at a given length: rho = 0. Best under a variance budget without forgetting: no part of u"
                + " along x.",
            "Best for turning x: rho = -tau/σ, not 0.",
            "Random branches have mean |cos| = sqrt(2/(pi d)) before any projection.",
        ],
        method: "Identities in float64 beside central differences and on the float32 kernels; three aims by search"
            + " on grids; pre-norm nets with both updates from the same weights on the same data, three seeds.",
        verdict: .partly,
        verdictText: "Optimal for novelty and under a variance budget that forbids forgetting; for turning the"
            + " stream the optimum is rho = -tau/σ.",
        corrections: [
            "Optimal needs an aim. Under novelty, or a variance budget with the condition that x is kept, rho = 0 is"
                + " exact. Without that condition the best update erases x. For turning x, which is all that a norm"
                + " behind the addition keeps, it is rho = -tau/σ: 0.5 % better at tau = 0.1 σ, 12.9 % at 0.5 σ.",
            "A norm behind the addition hides most of the difference: the parallel part of an update changes its"
                + " output only to second order. What the projection changes is the length of the stream, which sets"
                + " how much later blocks count.",
            "Orthogonal is not uncorrelated: that takes vectors without their means (centred: true). Both differ"
                + " along 1 and x - mean, which LayerNorm does not see to first order.",
            "Whether trained branches write along the stream or against it is no property of the update: on the same"
                + " task the linear update's mean cosine changes sign with whether samples are seen again (table).",
            "At initialisation both updates are almost the same, since random branches are nearly orthogonal:"
                + " compare trained nets.",
            "Gains of several points on ImageNet and CIFAR-100 are reported for vision transformers (Oh et al.,"
                + " 2025). Such nets are beyond this study. Full mode reports the accuracies of a small net for each"
                + " seed without a gate: three seeds tell only large differences.",
            "The projection's share a depends on x. A gradient that takes it for a constant is another training"
                + " algorithm.",
        ],
        tools: [
            "try ResidualUpdate.orthogonal.join(x, update: f)  // and its exact backward",
            "try probe.record(stream: x, update: f)  // cosine, novelty and growth of your own blocks",
        ],
        sources: [
            "Giyeong Oh, Woohyun Cho, Siyeol Kim, Suhwan Choi, Youngjae Yu, Revisiting Residual Connections:"
                + " Orthogonal Updates for Stable and Efficient Deep Networks, 2025"
        ])
}
