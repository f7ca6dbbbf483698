// S7: several modalities in one LayerNorm. The words; the measurements lie beside this file.

internal import Plots

package struct ModalityStudy: Study {
    package let number = 7
    package let name = "modalities"

    package init() {}

    package func run(_ context: StudyContext) throws -> StudyResult {
        var result = StudyResult(
            seeds: [0],
            parameters: [
                "two modalities of 64 features each unless said otherwise", "epsilon 0 in identities, 1e-5 elsewhere",
                "\(DynamicScale.rowCount(context.mode)) rows for readouts, half to fit and half to test",
                "400000 elements for the error tax",
            ], checks: [])
        for part in [SharedStatistics.measure, DynamicScale.measure, SharedAffine.measure, SegmentTraps.measure] {
            let found = try part(context)
            result.checks += found.checks
            result.tables += found.tables
            result.figures += found.figures
        }
        return result
    }

    package var story: StudyStory {
        StudyStory(
            title: "Several modalities in one LayerNorm",
            claim: """
                One LayerNorm over the features of all modalities lets the dominant one overwhelm the others, and \
                parameters that they share are a compromise that is optimal for none of them.
                """,
            question: "Which harm is lasting, which is only a matter of scale, and what does sharing cost in numbers?",
            prediction: [
                """
                Energies: modality m leaves the norm with (variance_m + (mean_m - mean)²) / variance a feature. Two \
                blocks of one width whose scales have ratio r: the root mean square of the quiet one is sqrt(2 / (1 \
                + r²)) for wide rows. At width d the loud one's mean leaks in: the energy never falls below about \
                1/d.
                """,
                """
                Coupling: |d y_A / d x_B|² = [d_A d_B + 2 sum(xhat_A) sum(xhat_B) + |xhat_A|² |xhat_B|²] / (d s)²; \
                exactly 0 with a norm for each segment.
                """,
                """
                Lasting harm: if the loud modality's scale varies from row to row (log normal, deviation w), the \
                best linear readout of the quiet one explains E[1/s]² / E[1/s²] of it, e^(-w²) while it \
                stays the loud one. A constant ratio harms nothing that a linear map cannot undo.
                """,
                """
                Error tax of a shared weight and bias: Var_w(a) + Var_w(b) over the ideals (a_m, b_m) with weights \
                w_m. With two modalities at distance D the parts are w_2² D² and w_1² D²: the minority pays more.
                """,
            ],
            method: """
                Normal numbers with known scales go through the package's layerNorm and segmentedLayerNorm. Readouts \
                are least squares in double precision, judged on rows that they have not seen. Identities are judged \
                in double precision against a Jacobian that is built column by column; the float32 kernels are held \
                against them too.
                """,
            verdict: .partly,
            verdictText: """
                Shared statistics do harm for good when a scale varies from row to row (explained variance falls as \
                e^(-w²)); a constant imbalance is undone by any linear map; sharing affine parameters costs Var(a) + \
                Var(b).
                """,
            corrections: [
                """
                "Optimal for no single modality" holds for two with different ideals. With three it can be false: of \
                ideals -1, 0 and 1 with equal weights the middle one is served exactly.
                """,
                """
                "The dominant modality overwhelms" names two things. A constant ratio slows gradient descent and \
                deepens the shrinkage of a penalised readout (study 8), and is recovered by a linear map. A ratio \
                that changes with the row is noise on the scale of all other features and cannot be recovered.
                """,
                """
                Separate norms are not free: the scale of one modality beside another's is gone. Where it means \
                something, pass it on as a feature. A segment of one column becomes its bias, one of two columns \
                keeps a sign only.
                """,
            ],
            tools: [
                "ModalityCouplingProbe(segments: segments)(activations)  // energies and couplings before you decide.",
                "SegmentedLayerNorm(segments: segments)  // a norm for each modality in one kernel, with its pullback.",
                """
                ErrorTax.estimate(perModality: pairs)  // what shared parameters cost on your targets, with standard \
                error.
                """,
            ],
            sources: [
                "Ba, Kiros, Hinton, Layer Normalization, 2016",
                "Chang, You, Seo, Kwak, Han, Domain-Specific Batch Normalization, 2019",
                "The closed forms are derived here; no published figure is quoted.",
            ])
    }
}

/// What one part of a study adds to its result.
struct Findings {
    var checks: [Check] = []
    var tables: [Table] = []
    var figures: [Figure] = []
}
