// S9: one LayerNorm over the outputs of several experts. The words; the measurements lie beside this file.

package struct ExpertStudy: Study {
    package let number = 9
    package let name = "experts"

    package init() {}

    package func run(_ context: StudyContext) throws -> StudyResult {
        var result = StudyResult(
            seeds: [0],
            parameters: [
                "\(Experts.rows) rows of \(Experts.features) features, 4 experts drawn at random",
                "experts of magnitude: means 0, 1, -1, 2 and deviations 0.5, 1, 2, 4",
                "experts of direction: a mean vector of their own, deviation 1", "epsilon 0 unless said otherwise",
            ], checks: [])
        for part in [
            ErasedStatistics.measure, ExpertIdentity.measure, ExpertScaleTask.measure, CombinedExperts.measure,
        ] {
            let found = try part(context)
            result.checks += found.checks
            result.tables += found.tables
            result.figures += found.figures
        }
        return result
    }

    package var story: StudyStory {
        StudyStory(
            title: "A shared LayerNorm behind a mixture of experts",
            claim: """
                A LayerNorm with shared parameters behind the experts gives their outputs exactly the same mean and \
                variance and so destroys their specialisation.
                """,
            question: """
                What of an expert survives the norm, what does a task lose that needs the rest, and where should the \
                norm stand?
                """,
            prediction: [
                """
                Every row leaves with mean 0 and variance s² / (s² + epsilon): mean and scale say nothing of the \
                expert at epsilon 0.
                """,
                "Two of d degrees of freedom are lost. The direction of the centred row stays: a cosine of 1.",
                """
                A target a_k xhat + b_k under one shared weight and bias costs Var_p(a) + Var_p(b), p being the \
                experts' frequencies; with a weight and bias for each expert 0.
                """,
                """
                The sum of normalized orthogonal experts with gates g has |y|² = d sum g_k², whatever the experts' \
                scales. A norm behind the sum keeps their relative magnitudes.
                """,
                """
                A silent expert of norm 0.05 at d = 32 and epsilon 1e-5 leaves with norm 5.33: amplified 107 times, \
                noise and all.
                """,
            ],
            method: """
                Rows of four experts go through layerNorm, PerExpertLayerNorm and MoECombine. Who made a row is \
                guessed by a linear discriminant from (mean, log deviation) and from the whole row, judged on other \
                rows than it was fitted on. The exact error of the scale task is judged in double precision.
                """,
            verdict: .partly,
            verdictText: """
                The norm erases mean and scale of each row, and nothing else: experts that differ in direction are \
                told apart as perfectly as before, and a weight and bias for each expert give magnitudes back.
                """,
            corrections: [
                """
                "Destroys specialisation" is too much: it destroys specialisation in magnitude and offset. Experts \
                of different directions lose nothing that a linear readout could use.
                """,
                """
                "Exactly the same mean and variance" holds before weight and bias. With weights that differ from \
                feature to feature the outputs' means and variances differ between experts again.
                """,
                """
                "Erased" means up to epsilon. At epsilon = 1e-5 the missing variance, epsilon / variance, is a \
                fingerprint of the scale: tiny, but a standardising classifier reads it. Test with epsilon 0, or \
                round statistics before you classify.
                """,
                """
                Statistics over the concatenation of all experts' outputs are another operation (study 7). Here each \
                expert's row has its own.
                """,
            ],
            tools: [
                """
                ExpertDistinctnessReport(of: outputs, experts: routing)  // what tells experts apart, before and \
                after a norm.
                """,
                "PerExpertLayerNorm(experts:featureCount:)  // a weight and bias for each expert.",
                "MoECombine(norm: .afterCombine, experts:featureCount:)  // the four places of a norm, with pullback.",
            ],
            sources: [
                "Ba, Kiros, Hinton, Layer Normalization, 2016",
                "Fisher, The use of multiple measurements in taxonomic problems, 1936",
                """
                Chi, Dong, Huang, Dai, Ma, Patra, Singhal, Bajaj, Song, Wei, On the Representation Collapse of \
                Sparse Mixture of Experts, 2022
                """,
            ])
    }
}
