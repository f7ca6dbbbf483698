// CopyTraining: who learns to copy, with and without warm-up.

internal import Normalization
internal import Plots
internal import TrainingKit

struct CopyTraining {
    private struct Arm: Sendable {
        let name: String
        let placement: NormPlacement?
        let schedule: WarmupSchedule
        let seeds: [UInt64]
    }

    private static let seeds: [UInt64] = [0, 1, 2]
    private static let arms = [
        Arm(name: NormPlacement.postNorm.term, placement: .postNorm, schedule: .constant(3e-3), seeds: seeds),
        Arm(
            name: "post-norm, 200 steps of warm-up", placement: .postNorm, schedule: .linear(peak: 3e-3, steps: 200),
            seeds: seeds),
        Arm(name: "post-norm, a tenth of the rate", placement: .postNorm, schedule: .constant(3e-4), seeds: [0]),
        Arm(name: NormPlacement.preNorm.term, placement: .preNorm, schedule: .constant(3e-3), seeds: seeds),
        Arm(name: NormPlacement.branchOutputNorm.term, placement: .branchOutputNorm, schedule: .constant(3e-3), seeds: seeds),
        Arm(name: NormPlacement.periNorm.term, placement: .periNorm, schedule: .constant(3e-3), seeds: seeds),
        Arm(name: "no norm", placement: nil, schedule: .constant(3e-3), seeds: seeds),
    ]

    private var runs: [[CopyTask]] = []

    init(_ context: StudyContext) throws {
        context.progress("copy task")
        let items = Self.arms.flatMap { arm in arm.seeds.map { (arm, $0) } }
        var results = try context.independentRuns(of: items) { item, backend in
            try CopyTask(item.0.placement, schedule: item.0.schedule, seed: item.1, backend: backend)
        }[...]
        for arm in Self.arms {
            runs.append(Array(results.prefix(arm.seeds.count)))
            results = results.dropFirst(arm.seeds.count)
        }
    }

    private func runs(_ name: String) -> [CopyTask] {
        Self.arms.firstIndex { $0.name == name }.map { runs[$0] } ?? []
    }

    private func largest(_ name: String) -> Double { runs(name).map(\.final).max() ?? .nan }
    private func smallest(_ name: String) -> Double { runs(name).map(\.final).min() ?? .nan }

    func checks() -> [Check] {
        [
            Check(
                .effect, "Post-norm without warm-up stays at chance (2.708): a loss above 2.4 for each of 3 seeds.",
                .atLeast(2.4), observed: smallest("post-norm"), mutant: ("pre-norm", smallest("pre-norm"))),
            Check(
                .effect, "Control: the same net learns with 200 steps of warm-up, a loss below 1 for each seed.",
                .atMost(1),
                observed: largest("post-norm, 200 steps of warm-up"),
                mutant: ("without warm-up", largest("post-norm"))),
            Check(
                .effect, "Pre-norm learns without warm-up: a loss below 0.1 for each seed.", .atMost(0.1),
                observed: largest("pre-norm"), mutant: ("post-norm", largest("post-norm"))),
            Check(
                .effect, "Without a norm the loss passes 100 on its way, for each seed.", .atLeast(100),
                observed: runs("no norm").map(\.peak).min() ?? .nan,
                mutant: ("pre-norm", runs("pre-norm").map(\.peak).max() ?? .nan)),
        ]
    }

    func table() -> Table {
        let rows = zip(Self.arms, runs).map { arm, runs in
            [
                arm.name, runs.map { TableCell.significant($0.final) }.joined(separator: ", "),
                runs.map { TableCell.significant($0.peak) }.joined(separator: ", "),
            ]
        }
        return Table(
            "Copy task: loss, mean of the last 20 of \(CopyTask.steps) steps; chance is 2.708",
            columns: ["placement", "loss at the end, a seed each", "its largest"], rows: rows)
    }

    func panel() -> Panel {
        let series = zip(Self.arms, runs).compactMap { arm, runs in
            runs.first.map { run in
                let points = run.losses.enumerated().filter { $0.element.isFinite }
                return Series(arm.name, points.map { (Double($0.offset), max($0.element, 1e-4)) })
            }
        }
        return Panel("Copy task", .curves(x: Axis("step"), y: Axis("loss", log: true), series: series))
    }
}

extension NormPlacement {
    /// As tables and curves call it.
    var term: String {
        switch self {
        case .preNorm: "pre-norm"
        case .postNorm: "post-norm"
        case .branchOutputNorm: "branch-output norm"
        case .periNorm: "peri-norm"
        }
    }
}
