// S2: residual paths and LayerNorm at great depth.

internal import NormalizationDiagnostics
internal import Plots

package struct DepthStudy: Study {
    package let number = 2
    package let name = "depth"

    package init() {}

    package func run(_ context: StudyContext) throws -> StudyResult {
        let isQuick = context.mode == .quick
        let seeds: [UInt64] = isQuick ? [0, 1] : [0, 1, 2, 3]
        context.progress("nets of random weights")
        let laws = try DepthLaws(depth: 50, seeds: seeds, backend: context.backend)
        context.progress("distances of inputs")
        let distance = try InputDistance(laws: laws)
        context.progress("overflow")
        let overflow = try Overflow(backend: context.backend)
        var result = StudyResult(
            seeds: seeds,
            parameters: [
                "\(DepthLaws.width) features, hidden width the same: κ = 1/2; \(laws.depth) blocks",
                "weights N(0, 2/(inputs + outputs)), no biases, norms without learned parameters",
                "\(DepthLaws.samples) inputs of energy 1 in orthogonal pairs, \(DepthLaws.batchNormSamples) for "
                    + "BatchNorm",
            ],
            checks: try laws.checks() + distance.checks() + overflow.checks(),
            tables: [try laws.table(), distance.table()],
            figures: [
                Figure(
                    caption:
                        "Random nets of \(DepthLaws.width) features: what comes back of the gradient, and what is "
                        + "left of "
                        + "the difference of two orthogonal inputs. Dashed: theory of infinite width.",
                    panels: [try laws.panel(), distance.panel()])
            ])
        if isQuick {
            result.notMeasured = "which nets learn the spirals at 8 and 64 blocks, at which rate, and their losses"
        } else {
            let training = try SpiralTraining(context)
            result.checks += training.checks()
            result.tables.append(training.table())
            result.figures.append(training.figure())
        }
        return result
    }
}
