internal import Normalization
internal import Plots

/// S1: what LayerNorm is, exactly: its derivatives, its outputs, what it does not notice, how precisely float32
/// gives it.
package struct CoreStudy: Study {
    package let number = 1
    package let name = "core"

    package init() {}

    package func run(_ context: StudyContext) throws -> StudyResult {
        context.progress("identities")
        let invariances = try InvarianceChecks(backend: context.backend).run()
        var checks = try JacobianChecks(context).checks() + OutputChecks(backend: context.backend).checks()
        checks += invariances.checks
        context.progress("float32 kernels beside float64")
        let seeds: [UInt64] = context.mode == .quick ? [0] : [0, 1, 2, 3, 4]
        let variances = try VarianceErrors(backend: context.backend, seeds: seeds).run()
        let kernels = try KernelErrors(backend: context.backend, seeds: seeds).run()
        checks += variances.checks + kernels.checks
        return StudyResult(
            seeds: seeds,
            parameters: [
                "Identities: float64, epsilon 0.125 unless said, so that its terms show; floats as inputs",
                "Kernels: float32, 64 rows, unit variance, epsilon 1e-5, \(seeds.count) seeds",
                "Invariances: 12 outputs, 10 inputs, 9 samples, epsilon 0, factor 3",
            ],
            checks: checks,
            tables: invariances.tables + [variances.table] + kernels.tables + [GradientCheckSteps.table()],
            figures: [
                Figure(
                    caption: "Ba, Kiros and Hinton's invariance table as measured. A strong"
                        + " colour at the lower end of the scale is invariant.",
                    panels: [invariances.panel]),
                Figure(
                    caption: "A variance by one pass loses all digits once the mean is a thousand deviations; what"
                        + " it costs LayerNorm. Largest errors over rows and seeds.",
                    panels: [variances.panel, kernels.panel]),
            ])
    }

    package let story = StudyStory(
        title: "What LayerNorm does, exactly",
        claim: "LayerNorm gives every vector mean 0 and variance 1, which makes a net insensitive to the scale and"
            + " shift of its inputs and weights and keeps gradients healthy.",
        question: "Which of this is an identity, where does epsilon break it, and how much of it survives float32?",
        prediction: [
            "J = (I - 1 1ᵀ/d - xhat xhatᵀ/d) / s, with eigenvalues 0, epsilon/s³ and d - 2 times 1/s.",
            "Gradients leave with Σ dx = 0 and <dx, x - mean> = (epsilon/s²) <g, xhat>.",
            "‖xhat‖² = d σ²/(σ² + epsilon); no output exceeds sqrt(d - 1).",
            "LN(a x + b 1) = sign(a) LN(x) at epsilon = 0; else LN(c x) = LN(x) sqrt((1 + epsilon/σ²)/(1 +"
                + " epsilon/(c²σ²))).",
            "Six cells of invariances, which differ from those of BatchNorm and of weight normalization.",
            "E[x²] - mean² in float32 errs by about 2^-24 sqrt(d) M² of the variance at a mean of M deviations,"
                + " summed from left to right (pairwise sums: without sqrt(d)).",
        ],
        method: "Every identity is evaluated in float64 beside central differences or an independent evaluation;"
            + " each check has a mutant, the same measurement on a false variant, which must fail. The float32"
            + " kernels run on rows of 1 to 4096 features with means from 0 to 1e5 and are compared with float64 on"
            + " the same floats.",
        verdict: .partly,
        verdictText: "Exact for one common scale and shift of a whole row, and only at epsilon = 0; a scale or shift"
            + " of single features or of one unit's weights passes.",
        corrections: [
            "Insensitive to shifts of the input is false for data: a vector added to every sample changes"
                + " LayerNorm's outputs, since the product with the weights makes it different for each unit."
                + " BatchNorm is the norm that ignores it.",
            "LayerNorm does not bound gradients: it multiplies them by 1/s. A row with a deviation of 0.01 amplifies"
                + " them by about 100, a row without spread by 316 at epsilon = 1e-5.",
            "Scale invariance is lost where variances are not far above epsilon: at σ² = 100 epsilon outputs have"
                + " variance 0.990, at σ² = epsilon one half. Raise the scale or lower epsilon.",
            "Two features carry one bit: outputs are (1, -1) or (-1, 1), with a gradient only as far as epsilon is"
                + " felt. Do not normalize groups of one or two.",
            "Two passes are not safe by themselves: the rounded mean leaves an error of its square, which"
                + " subtracting mean(x - m)² removes. The package's kernels sum deviations from a sample and keep"
                + " the mean as two floats.",
            "A gradient check in float32 sees 1e-3 at best. Differentiate float64 with steps of 1e-5.",
        ],
        tools: [
            "try LayerNormJacobian(at: row).spectrum  // the gain of gradients through a row of yours",
            "try InvarianceReport(weights: w, data: x) { … }  // which changes your own layer does not notice",
            "try rowMoments(x)  // means and variances that hold under any offset",
        ],
        sources: [
            "Jimmy Lei Ba, Jamie Ryan Kiros, Geoffrey E. Hinton, Layer Normalization, 2016",
            "Jingjing Xu, Xu Sun, Zhiyuan Zhang, Guangxiang Zhao, Junyang Lin, Understanding and Improving Layer"
                + " Normalization, 2019",
            "Tony F. Chan, Gene H. Golub, Randall J. LeVeque, Algorithms for Computing the Sample Variance, 1983",
        ])
}
