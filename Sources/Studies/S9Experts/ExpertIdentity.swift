// S9: who made a row, guessed from its statistics and from all of it, before and after a shared norm.

internal import Normalization
internal import NormalizationDiagnostics
internal import Plots

enum ExpertIdentity {
    static func measure(_ context: StudyContext) throws -> Findings {
        context.progress("identity of experts")
        let (magnitude, direction) = (Experts.ofMagnitude(), Experts.ofDirection())
        func after(_ experts: Experts, epsilon: Float) throws -> [Double] {
            try layerNorm(
                Tensor(experts.outputs.map { Float($0) }, shape: [Experts.rows, Experts.features]), epsilon: epsilon,
                backend: context.backend
            ).array.map { Double($0) }
        }
        func report(
            _ rows: [Double], _ experts: Experts, resolution: Double = 1e-6
        ) throws -> ExpertDistinctnessReport {
            try ExpertDistinctnessReport(
                of: rows, features: Experts.features, experts: experts.routing, resolution: resolution)
        }
        let magnitudeAfter = try after(magnitude, epsilon: 0)
        let reports = [
            try report(magnitude.outputs, magnitude), try report(magnitudeAfter, magnitude),
            try report(direction.outputs, direction), try report(after(direction, epsilon: 0), direction),
        ]
        let fingerprint = try report(after(magnitude, epsilon: 1e-5), magnitude, resolution: 0)
        let exact = try report(magnitudeAfter, magnitude, resolution: 0)
        let checks = [
            Check(
                .law,
                """
                Experts of different means and scales cannot be told apart by (mean, log deviation) after a shared \
                norm with epsilon 0: accuracy below 0.30 on new rows, chance being 0.25.
                """, .atMost(0.3), observed: reports[1].statisticAccuracy,
                mutant: ("before the norm", reports[0].statisticAccuracy)),
            Check(
                .law,
                """
                Control: experts of direction are told apart by a linear readout of the whole row after the norm, \
                above 0.99.
                """,
                .atLeast(0.99), observed: reports[3].readoutAccuracy,
                mutant: ("experts of magnitude", reports[1].readoutAccuracy)),
            Check(
                .law,
                """
                The variance of (mean, log deviation) between experts of magnitude, 1.25 and 0.6 before, is below \
                1e-10 after the norm in float32, without any rounding of statistics.
                """, .atMost(1e-10), observed: max(exact.meanVariance, exact.scaleVariance),
                mutant: ("before the norm", max(reports[0].meanVariance, reports[0].scaleVariance))),
            Check(
                .law,
                "Before the norm the scale names the expert: eta² of the log deviation is above 0.95.", .atLeast(0.95),
                observed: reports[0].scaleDistinctness, mutant: ("after the norm", reports[1].scaleDistinctness)),
            Check(
                .law,
                """
                Trap: at epsilon 1e-5 the missing variance is a fingerprint; statistics that are not rounded name \
                the expert in more than 0.6 of new rows.
                """, .atLeast(0.6), observed: fingerprint.statisticAccuracy,
                mutant: ("epsilon 0", exact.statisticAccuracy)),
        ]
        let names = ["magnitude, before", "magnitude, after", "direction, before", "direction, after"]
        let table = Table(
            "Who made this row? Accuracy on new rows, chance 0.25",
            columns: [
                "experts differ in", "from (mean, log deviation)", "from the whole row", "eta² of mean",
                "eta² of log deviation",
            ],
            rows: zip(names, reports).map { name, report in
                [name]
                    + [
                        report.statisticAccuracy, report.readoutAccuracy, report.meanDistinctness,
                        report.scaleDistinctness,
                    ].map { TableCell.significant($0) }
            })
        return Findings(
            checks: checks, tables: [table],
            figures: [figure(magnitude, after: magnitudeAfter, names: names, reports: reports)])
    }

    private static func figure(
        _ experts: Experts, after: [Double], names: [String], reports: [ExpertDistinctnessReport]
    ) -> Figure {
        /// The first sixty rows of each expert.
        func scatter(_ title: String, _ rows: [Double]) -> Panel {
            let statistics = ExpertDistinctnessReport.statistics(of: rows, features: Experts.features, resolution: 1e-6)
            let series = Experts.means.indices.map { expert in
                Series(
                    "expert \(expert + 1)",
                    experts.routing.indices.filter { experts.routing[$0] == expert }.prefix(60).map {
                        (x: statistics[2 * $0], y: statistics[2 * $0 + 1])
                    }, .points)
            }
            return Panel(
                title,
                .curves(
                    x: Axis("mean of the row", range: -4...4), y: Axis("log of its deviation", range: -1.5...2),
                    series: series))
        }
        return Figure(
            caption: "A shared norm puts every row at (0, 0): magnitude is gone, direction is not.",
            panels: [
                scatter("Before the norm", experts.outputs), scatter("After", after),
                Panel(
                    "Who made this row?",
                    .bars(
                        categories: names,
                        y: Axis("accuracy on new rows", range: 0...1),
                        series: [
                            BarSeries("from mean and log deviation", reports.map(\.statisticAccuracy)),
                            BarSeries("from the whole row", reports.map(\.readoutAccuracy)),
                        ])),
            ])
    }
}
