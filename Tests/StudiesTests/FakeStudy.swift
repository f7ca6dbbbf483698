import Foundation
import Plots
import Studies

/// A study with content of every kind, and with characters that HTML and XML give a meaning.
struct FakeStudy: Study {
    var number = 1
    var name = "fake-study"
    var checks = FakeStudy.passingChecks
    var error: (any Error)?

    struct Failure: Error {}

    static let passingChecks = [
        Check(
            .exact, "Adding the same constant to every feature changes no output by more than 1e-12.", .atMost(1e-12),
            observed: 3.1e-16, mutant: ("the mean is not subtracted", 4.2)),
        Check(
            .law,
            "A residual branch with Xavier weights multiplies the energy by 1 + κ = 1.32 & no more, for d < 1000.",
            .within(expected: 1.32, tolerance: 0.04), observed: 1.3124, mutant: ("κ of a branch with d_ff = d", 1.5)),
        Check(
            .exact, "The gradient that leaks to other samples is 0 to the bit.", .equal(0), observed: 0,
            mutant: ("BatchNorm in place of LayerNorm", 0.0123)),
        Check(
            .effect, "With warm-up the copy task is learnt to at least 99 % over seeds 0 to 3.", .atLeast(0.99),
            observed: 0.9987, mutant: ("without warm-up", 0.11)),
    ]

    var story: StudyStory {
        StudyStory(
            title: "Residual networks <deep> & \"normalized\"",
            claim:
                "LayerNorm keeps signals of a deep network at one scale, so that gradients neither vanish nor explode.",
            question: "Which of `x + F(LN(x))` and `LN(x + F(x))` keeps a gradient's size over 128 blocks?",
            prediction: [
                "Pre-norm: ‖x_l‖²/d = 1 + κl, and early layers get gradients that are larger by √(L/l).",
                "Post-norm: ‖∂L/∂x_0‖ shrinks by (1 + κ)^(−L/2).",
            ],
            method: "Width 512, 128 blocks, four seeds; forward and backward through the package's kernels in float32.",
            verdict: .partly, verdictText: "True for norms at initialisation, but no guarantee for training.",
            corrections: [
                "The common story speaks of norms alone. What decides is whether two inputs can still be told apart: "
                    + "under post-norm their cosine tends to one within some forty blocks."
            ],
            tools: [
                "try probe.record(activation: x, layer: l)  // energies of your own layers & what they mean",
                "A tool without code.",
            ],
            sources: ["Xiong et al., On Layer Normalization in the Transformer Architecture, 2020"])
    }

    func run(_ context: StudyContext) throws -> StudyResult {
        context.progress("measuring")
        if let error { throw error }
        return StudyResult(
            seeds: [0, 1, 2, 3], parameters: ["d = 512", "L = 128", "η = 0.1"], checks: checks,
            tables: [
                Table(
                    "Energy after L blocks",
                    columns: [
                        "placement", "L = 8", "L = 32", "L = 128", "predicted at 128", "seeds", "difference in σ",
                    ],
                    rows: [
                        ["pre-norm", "3.61", "11.3", "42.1", "41.96", "0–3", "0.4"],
                        ["post-norm", "1.00", "1.00", "1.00", "1", "0–3", "0"],
                        ["no norm & <none>", "9.2", "7.2×10³", "2.8×10¹⁵", "2.7×10¹⁵", "0–3", "1.1"],
                    ])
            ],
            figures: FakeStudy.figures)
    }

    static let figures = [
        Figure(
            caption: "Energy over depth & what the <law> says; without a norm it leaves float32 after 290 blocks.",
            panels: [
                Panel(
                    "Energy ‖x‖²/d",
                    .curves(
                        x: Axis("block l", log: true), y: Axis("energy", log: true),
                        series: [
                            curve("no norm") { pow(1.32, $0) }, curve("pre-norm") { 1 + 0.32 * $0 },
                            curve("post-norm") { _ in 1 },
                            Series("1 + κl", points { 1.02 + 0.32 * $0 }, .theory),
                        ])),
                Panel(
                    "Cosine between two inputs",
                    .curves(
                        x: Axis("block l"), y: Axis("cosine"),
                        series: (0..<7).map { index in
                            Series(
                                "network \(index) with a long name", points { 1 - exp(-$0 * 0.01 * Double(index + 1)) },
                                index % 2 == 0 ? .linesAndPoints : .line)
                        } + [Series("law", points { $0 > 80 ? .nan : 1 - exp(-$0 * 0.03) }, .theory)])),
            ]),
        Figure(
            caption: "Bars and matrices.",
            panels: [
                Panel(
                    "Accuracy by placement",
                    .bars(
                        categories: ["pre-norm", "post-norm", "peri-norm", "no norm at all"], y: Axis("accuracy"),
                        series: [
                            BarSeries("warm-up", [0.98, 0.97, 0.99, 0.12]),
                            BarSeries("none", [0.97, 0.11, 0.98, .nan]),
                        ])),
                Panel(
                    "Which modality's error moves which output",
                    .heatMap(
                        rows: ["audio", "text", "vision"], columns: ["audio", "text", "vision"],
                        values: [[0.9, -0.2, 0.05], [-0.2, 0.7, .nan], [0.01, -0.1, 1]], range: -1...1,
                        legend: "Jacobian")),
                Panel(
                    "Time",
                    .curves(
                        x: Axis("step"), y: Axis("loss"),
                        series: [Series("seed 0", points { 3 * exp(-$0 / 30) + 0.1 * sin($0) }, .points)])),
            ]),
    ]

    private static func points(_ value: (Double) -> Double) -> [(x: Double, y: Double)] {
        stride(from: 1.0, through: 128, by: 4).map { ($0, value($0)) }
    }

    private static func curve(_ name: String, _ value: (Double) -> Double) -> Series { Series(name, points(value)) }
}
