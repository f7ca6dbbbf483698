// S5: LayerNorm of time series, over the features of each step. What drifts it removes, which not, and at what price.

internal import Plots

package struct TimeSeriesStudy: Study {
    package init() {}

    package var number: Int { 5 }
    package var name: String { "time-series" }

    package func run(_ context: StudyContext) throws -> StudyResult {
        let identities = DriftIdentities(seed: 0)
        let kernels = try SeriesKernels(seed: 0, backend: context.backend)
        let (deviations, panel) = try kernels.deviations()
        var result = StudyResult(
            seeds: [0],
            parameters: [
                "\(DriftIdentities.features) features, \(DriftIdentities.steps) steps, epsilon 0 in float64 and 1e-5 "
                    + "in float32"
            ],
            checks: identities.checks + (try kernels.checks()), tables: [deviations],
            figures: [
                Figure(
                    caption: "Each normalizer removes one family of drifts and is blind to the other; epsilon bounds "
                        + "how quiet a step may be.", panels: [panel, identities.figurePanel])
            ])
        guard context.mode == .full else {
            result.notMeasured = "accuracies of classifiers under drift, and errors of forecasts with RevIN"
            return result
        }
        let training = try SeriesTraining(context: context).run()
        let forecasts = try ForecastAnchor(context: context).run()
        result.seeds = ForecastAnchor.seeds
        result.parameters += [
            "classifiers: 32 hidden units, 2048 clean series, 150 Adam steps of 64 at 1e-2, 2000 test series, seeds 0 "
                + "and 1",
            "forecasts: linear, 48 values to 8, 600 Adam steps of 128, 2000 test windows, seeds 0 to 2",
        ]
        result.checks += training.checks + forecasts.checks
        result.tables += training.tables + [forecasts.table]
        result.figures.append(
            Figure(
                caption: "A net that was trained without drift, used under drift. LayerNorm per step holds under "
                    + "drifts that all features share. None holds under offsets of single features: the norm that "
                    + "removes them erases this label too.",
                panels: [training.panel]))
        return result
    }

    package var story: StudyStory {
        StudyStory(
            title: "Time series: what LayerNorm of each step removes",
            claim: "Sensors drift: their level and their scale change slowly. LayerNorm at each time step removes "
                + "both, so that a model behind it does not notice.",
            question: "Which drifts are removed exactly, which are not, and what is lost on the way?",
            prediction: [
                "LN(a[t] x[t] + b[t] 1) = LN(x[t]) for all a[t] > 0 and b[t], exactly at epsilon 0: the drift may be "
                    + "as fast as it likes.",
                "With epsilon e and variance v the length changes by sqrt((1 + e/v) / (1 + e/(a² v))), about (e / 2v) "
                    + "|1 - 1/a²|.",
                "No invariance to offsets or scales of single features, nor to a[t] < 0, which changes the sign.",
                "Instance norm over time: invariant to offset and positive scale of each feature, and blind to "
                    + "whatever is constant.",
                "A label that is a function of mean and variance of the step cannot be learned behind LN; one feature "
                    + "becomes 0, two become a sign.",
                "A forecast between RevIN's halves follows: f(a x + b) = a f(x) + b.",
            ],
            method: "Identities in float64 on plain formulas, then on the package's float32 layers; a classifier is "
                + "trained on clean series and used on drifting ones; a linear forecaster with and without RevIN "
                + "meets a new level and outliers.",
            verdict: .partly,
            verdictText: "LN per step removes drift that all features share, at any speed; it is blind to drift of "
                + "single features and destroys labels that are a level.",
            corrections: [
                "That the drift is slow is neither needed nor enough: LN has no memory, so a common drift may jump at "
                    + "every step, and a drift of single features is not removed however slow it is.",
                "LN per step and instance norm over time remove complementary things. Choose by where the label is: in "
                    + "differences between features (LN), or in differences between steps (instance norm).",
                "If level or scale mean something, keep them beside the normalized features (LevelScaleSkip), and "
                    + "then they drift.",
                "Features must share a unit, or their mean means nothing: standardise each feature on the training "
                    + "set first.",
                "A quiet step is amplified: below a variance of about epsilon the output fades, just above it noise "
                    + "is turned into energy 1. Choose epsilon as the variance of a sensor that says nothing.",
                "A norm over the window sees the future of each step: in forecasting, take the window of the past "
                    + "alone. LN per step is causal.",
                "RevIN helps under shift and hurts under outliers: they move the mean and the deviation that it gives "
                    + "back. The literature reports both signs; so do we.",
            ],
            tools: [
                "try DriftInvarianceReport(at: x) { x in try model(x) }  // which drifts move the output of a model, "
                    + "and how far",
                "try TimeStepLayerNorm(featureCount: 16)(x)  // removes drift that the features share",
                "try InstanceNormOverTime(featureCount: 16)(x)  // removes constant offset and scale of each feature",
                "try ReversibleInstanceNorm(featureCount: 16).normalize(x)  // the same for forecasts, with "
                    + "denormalize",
                "try LevelScaleSkip(featureCount: 16)(x)  // keeps mean and log s beside the normalized features",
            ],
            sources: [
                "Ba, Kiros, Hinton, Layer Normalization, 2016",
                "Kim et al., Reversible Instance Normalization for Accurate Time-Series Forecasting against "
                    + "Distribution Shift, 2022",
                "Fu, Yang, arXiv:2510.04667, 2025 (RevIN under extreme outliers)",
            ])
    }
}
