// Nets with linear and orthogonal updates, before and after training: geometry and accuracy.

internal import Normalization
internal import NormalizationDiagnostics
internal import Plots
internal import TrainingKit

struct UpdateTraining {
    let context: StudyContext
    let seeds: [UInt64]

    private static let updates: [(name: String, update: ResidualUpdate)] = [
        ("linear", .linear), ("orthogonal", .orthogonal),
    ]
    private static let (samples, batch, steps) = (2048, 128, 300)
    /// So many samples are seen once each.
    private static let freshSamples = batch * steps

    private struct Run {
        let before: [UpdateGeometryProbe.Block]
        let after: [UpdateGeometryProbe.Block]
        let accuracy: Double
    }

    /// In `.quick` mode nets are not trained, and their geometry is that at initialisation.
    func run() throws -> (checks: [Check], tables: [Table], panel: Panel) {
        let isTrained = context.mode == .full
        let runs = try allRuns(samples: Self.samples)
        let freshRuns = isTrained ? try allRuns(samples: Self.freshSamples) : [:]
        func added(_ name: String) -> Double { runs[name]!.flatMap(\.after).map(\.absoluteAddedCosine).max()! }
        let checks = [
            Check(
                .exact,
                "In a net of 12 pre-norm blocks, \(isTrained ? "trained for 300 steps" : "not trained yet"), what"
                    + " orthogonal"
                    + " updates add has a mean |cos| to the stream below 1e-6 in every block.",
                .atMost(1e-6), observed: added("orthogonal"), mutant: ("linear updates", added("linear"))),
            try randomBranches(),
        ]
        return (
            checks, [geometry(runs, fresh: freshRuns)] + (isTrained ? [accuracies(runs, fresh: freshRuns)] : []),
            panel(runs)
        )
    }

    private func allRuns(samples: Int) throws -> [String: [Run]] {
        var runs: [String: [Run]] = [:]
        for (name, update) in Self.updates {
            runs[name] = try seeds.map { seed in
                context.progress("\(name) updates, \(samples) samples, seed \(seed)")
                return try run(update, samples: samples, seed: seed)
            }
        }
        return runs
    }

    private func run(_ update: ResidualUpdate, samples: Int, seed: UInt64) throws -> Run {
        let test = try TeacherTask(count: 1024, seed: seed, stream: 434, backend: context.backend)
        let net = try UpdateNet(update, seed: seed, backend: context.backend)
        let before = try net.geometry(at: test.inputs).blocks
        guard context.mode == .full else { return Run(before: before, after: before, accuracy: .nan) }
        let training = try TeacherTask(count: samples, seed: seed, stream: 433, backend: context.backend)
        let layers = net.layers
        var optimizer = Adam()
        var random = RandomStream(seed: seed, stream: 435)
        var order: [Int] = []
        for _ in 0..<Self.steps {
            if order.isEmpty { order = random.permutation(samples) }
            let batch = try training.rows(order.suffix(Self.batch))
            order.removeLast(Self.batch)
            let traced = try layers(batch.inputs)
            let (_, gradient) = try Loss.crossEntropy(traced.value, labels: batch.labels, backend: context.backend)
            _ = try traced.pullback(gradient)
            optimizer.step(layers.parameters, rate: 1e-3)
        }
        return Run(
            before: before, after: try net.geometry(at: test.inputs).blocks, accuracy: try test.accuracy(of: net))
    }

    /// Branches with random weights are nearly orthogonal anyway.
    private func randomBranches() throws -> Check {
        func cosine(isTied: Bool) throws -> Double {
            var random = RandomStream(seed: 0, stream: 436)
            var probe = UpdateGeometryProbe()
            for _ in 0..<20 {
                let x = try random.normal([128, 48])
                let (w1, w2) = (try random.normal([48, 48]), try random.normal([48, 48]))
                let hidden = try matmul(x, w1.transposed(0, 1), backend: context.backend).map { max($0, 0) }
                let f = try matmul(hidden, isTied ? w1 : w2.transposed(0, 1), backend: context.backend)
                try probe.record(stream: x, update: f)
            }
            return Vectors.mean(probe.blocks.map(\.absoluteCosine))
        }
        let expected = (2 / (48 * Double.pi)).squareRoot()
        return Check(
            .law,
            "Branches with random weights are nearly orthogonal to the stream from the start: mean |cos| ="
                + " sqrt(2/(pi d)) = \(TableCell.fixed(expected, 3)) at d = 48, to 5 % over 20 draws.",
            .relative(expected, 0.05), observed: try cosine(isTied: false),
            mutant: ("second weights that are the first's transpose", try cosine(isTied: true)))
    }

    private func mean(_ runs: [Run], _ value: (Run) -> Double) -> Double { Vectors.mean(runs.map(value)) }

    private func range(_ values: [Double], digits: Int) -> String {
        TableCell.fixed(values.min()!, digits) + " to " + TableCell.fixed(values.max()!, digits)
    }

    private func geometry(_ runs: [String: [Run]], fresh: [String: [Run]]) -> Table {
        var rows: [[String]] = []
        for (name, _) in Self.updates {
            var phases = [("at initialisation", runs[name]!.map(\.before))]
            if context.mode == .full {
                phases.append(("trained on \(Self.samples) samples", runs[name]!.map(\.after)))
                phases.append(("trained on \(Self.freshSamples), each seen once", fresh[name]!.map(\.after)))
            }
            for (phase, all) in phases {
                rows.append([
                    name, phase, range(all.map { Vectors.mean($0.map(\.cosine)) }, digits: 3),
                    range(all.map { Vectors.mean($0.map(\.absoluteCosine)) }, digits: 3),
                    range(all.map { Vectors.mean($0.map(\.novelty)) }, digits: 3),
                    range(all.map { $0.reduce(1) { $0 * $1.growth } }, digits: 1),
                ])
            }
        }
        return Table(
            "Branch outputs before projection, means over 12 blocks, range over seeds",
            columns: [
                "update", "phase", "cos(x, f)", "|cos(x, f)|", "‖f⊥‖²/‖f‖²", "product of blocks' mean ‖h‖²/‖x‖²",
            ],
            rows: rows)
    }

    private func accuracies(_ runs: [String: [Run]], fresh: [String: [Run]]) -> Table {
        let trained = [(Self.samples, runs), (Self.freshSamples, fresh)].flatMap { samples, runs in
            Self.updates.map { name, _ in (name, samples, runs[name]!.map(\.accuracy)) }
        }
        let rows = trained.map { name, samples, values in
            let mean = Vectors.mean(values)
            let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
            let deviation = (squares / Double(max(values.count - 1, 1))).squareRoot()
            return [name, "\(samples)"] + values.map { TableCell.fixed($0, 3) }
                + [TableCell.fixed(mean, 3) + " ± " + TableCell.fixed(deviation, 3)]
        }
        return Table(
            "Accuracy on 1024 unseen samples after 300 steps (reported, not gated)",
            columns: ["update", "samples"] + seeds.map { "seed \($0)" } + ["mean ± deviation over seeds"], rows: rows)
    }

    private func panel(_ runs: [String: [Run]]) -> Panel {
        let series = Self.updates.map { name, _ in
            Series(
                name + " updates",
                (0..<UpdateNet.depth).map { block in
                    (x: Double(block + 1), y: mean(runs[name]!) { $0.after[block].cosine })
                }, .linesAndPoints)
        }
        return Panel(
            "cos(x, f) of branches, \(context.mode == .full ? "\(Self.samples) samples" : "not trained")",
            .curves(x: Axis("block"), y: Axis("mean cos(x, f) before projection"), series: series))
    }
}
