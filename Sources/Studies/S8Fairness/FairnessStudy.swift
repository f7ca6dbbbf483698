// S8: weights that give every modality its part of the energy. The words; the measurements lie beside this file.

package struct FairnessStudy: Study {
    package let number = 8
    package let name = "fairness"

    package init() {}

    package func run(_ context: StudyContext) throws -> StudyResult {
        var result = StudyResult(
            seeds: context.mode == .quick ? [0] : TwoModalities.seeds,
            parameters: [
                "64 text features of scale 1 and 64 audio features of scale r in one LayerNorm",
                "a target that depends on both alike; 4000 rows to fit and 4000 to test",
                "ridge penalty 100; 1e-6 where it is said to vanish",
                "balanced: one weight for each modality, of equal energy a feature",
            ], checks: [])
        var parts = [EnergyBalance.measure, ConstrainedWeights.measure, LearningSpeed.measure]
        if context.mode == .full {
            parts.append(BalancedOutcomes.measure)
        } else {
            result.notMeasured = "outcomes of fitted models, balanced and not"
        }
        for part in parts {
            let found = try part(context)
            result.checks += found.checks
            result.tables += found.tables
            result.figures += found.figures
        }
        return result
    }

    package var story: StudyStory {
        StudyStory(
            title: "Energy-balanced weights and fairness between modalities",
            claim: """
                A constraint on the weights of a LayerNorm, which gives every modality the same energy, keeps a \
                quiet modality from being ignored and so makes a model fair to it.
                """,
            question: """
                What does equal energy change in what a learner makes of each modality, and when does it change \
                nothing?
                """,
            prediction: [
                """
                Energy of a feature under weight g and bias b: g² e + 2 g b m + b², with the mean square e and the \
                mean m of the normalized feature. Equal energy a feature: g_m = 1 / sqrt(e_m); equal sums: g_m = \
                sqrt(d / (M d_m e_m)).
                """,
                """
                Ridge with N rows and penalty l keeps N e / (N e + l) of a modality's coefficients, e its energy \
                from signal: 0.44 of text at r = 10, N = 4000, l = 100; 0.08 at r = 30.
                """,
                """
                Gradient descent learns audio about r² times as fast as text; with balanced weights about equally \
                fast.
                """,
                """
                A readout by least squares without a penalty gives the same predictions under any weights: it undoes \
                them. Normalized features add up to 0, so its coefficients are not unique, and neither is what each \
                modality adds to a prediction.
                """,
            ],
            method: """
                Text and audio go through the package's layerNorm. Ridge, least squares and gradient descent run on \
                the normal equations in double precision. A modality's outcome is the share of its own part of the \
                target, on new rows, that its own features explain.
                """,
            verdict: .partly,
            verdictText: """
                Equal energy is conditioning: it repairs what a penalty or a short training does to a quiet \
                modality, changes nothing for a converged readout without penalty, and cannot help where the \
                modality is mostly noise.
                """,
            corrections: [
                """
                Energy is not an outcome. At r = 10 the gap between audio and text under ridge nearly closes; \
                without penalty there was none to close; with noisy text it stays, and the noise is amplified with \
                the signal.
                """,
                """
                "Equal energy" is two constraints. For each feature and for each modality differ where modalities \
                differ in width; the designer has to choose, and to say so.
                """,
                """
                Rescaling weights to the constraint is not the projection on it: it moves farther. A decayed \
                optimizer step leaves the constraint, so project after it; or use the weight-norm form, which cannot \
                leave it. The bias carries energy too.
                """,
                """
                Energies belong to training data: a moving average of the squares of normalized features, frozen for \
                test. Energies of the batch at hand make one sample's output depend on the others (study 10).
                """,
            ],
            tools: [
                """
                EnergyReport(of: y, segments: segments, gradient: g)  // energies, disparity, Jain index, gradient \
                shares.
                """,
                """
                EnergyBalancedAffine(segments:target:statistics:)  // balanced weights, `project(gamma:)`, the \
                weight-norm form.
                """,
                "OutcomeGap.explainedVariance(groups)  // the outcome of each group, which belongs beside any energy.",
            ],
            sources: [
                "Jain, Chiu, Hawe, A quantitative measure of fairness, 1984",
                "Salimans, Kingma, Weight Normalization, 2016",
                "Wang, Tran, Feiszli, What Makes Training Multi-modal Classification Networks Hard?, 2020",
                "Peng, Wei, Deng, Wang, Hu, Balanced Multimodal Learning via On-the-fly Gradient Modulation, 2022",
            ])
    }
}
