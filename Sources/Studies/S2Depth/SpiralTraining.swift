// SpiralTraining: which nets learn at 8 and at 64 blocks. Chance is a loss of ln 2 = 0.693.

internal import Foundation
internal import Plots
internal import TrainingKit

struct SpiralTraining {
    private static let seeds: [UInt64] = [0, 1, 2]

    private struct Arm: Hashable, Sendable {
        let architecture: SpiralRun.Architecture
        let depth: Int
        let rate: Double
        let steps: Int
        let seed: UInt64
    }

    private static let arms =
        SpiralRun.Architecture.allCases.flatMap { architecture in
            [shallow(architecture)] + seeds.map { deep(architecture, seed: $0) }
        } + [SpiralRun.Architecture.normOnly, .post, .pre].map(slow)

    private static func shallow(_ architecture: SpiralRun.Architecture) -> Arm {
        Arm(architecture: architecture, depth: 8, rate: 1e-3, steps: 400, seed: 0)
    }

    private static func deep(_ architecture: SpiralRun.Architecture, seed: UInt64) -> Arm {
        Arm(architecture: architecture, depth: 64, rate: 1e-3, steps: 300, seed: seed)
    }

    private static func slow(_ architecture: SpiralRun.Architecture) -> Arm {
        Arm(architecture: architecture, depth: 64, rate: 1e-4, steps: 400, seed: 0)
    }

    private let runs: [Arm: SpiralRun]

    init(_ context: StudyContext) throws {
        context.progress("spirals")
        let results = try context.independentRuns(of: Self.arms) { arm, backend in
            try SpiralRun(
                arm.architecture, depth: arm.depth, rate: arm.rate, steps: arm.steps, seed: arm.seed, backend: backend)
        }
        runs = Dictionary(uniqueKeysWithValues: zip(Self.arms, results))
    }

    private func shallow(_ architecture: SpiralRun.Architecture) -> SpiralRun? { runs[Self.shallow(architecture)] }
    private func slow(_ architecture: SpiralRun.Architecture) -> SpiralRun? { runs[Self.slow(architecture)] }
    private func deep(_ architecture: SpiralRun.Architecture) -> [SpiralRun] {
        Self.seeds.compactMap { runs[Self.deep(architecture, seed: $0)] }
    }

    private func worst(_ architecture: SpiralRun.Architecture) -> Double {
        deep(architecture).map(\.final).max() ?? .nan
    }
    private func best(_ architecture: SpiralRun.Architecture) -> Double {
        deep(architecture).map(\.final).min() ?? .nan
    }

    func checks() -> [Check] {
        let pre = worst(.pre)
        let stuck = [
            (SpiralRun.Architecture.plain, "a plain net"), (.normOnly, "LayerNorm alone"), (.post, "post-norm"),
        ]
        return stuck.map { architecture, name in
            Check(
                .effect, "With 64 blocks and Adam at 1e-3 \(name) stays at chance, loss above 0.6 for each of 3 seeds.",
                .atLeast(0.6), observed: best(architecture), mutant: ("pre-norm", pre))
        } + [
            Check(
                .effect, "Pre-norm learns there: a loss below 0.1 for each of 3 seeds.", .atMost(0.1), observed: pre,
                mutant: ("post-norm", best(.post))),
            Check(
                .effect, "Post-norm learns too at a tenth of the learning rate: below 0.1.", .atMost(0.1),
                observed: slow(.post)?.final ?? .nan,
                mutant: ("LayerNorm alone at this rate", slow(.normOnly)?.final ?? .nan)),
            Check(
                .effect, "Residual paths alone pass through losses above 1000 on their way, for each of 3 seeds.",
                .atLeast(1000), observed: deep(.residual).map(\.peak).min() ?? .nan,
                mutant: ("pre-norm", deep(.pre).map(\.peak).max() ?? .nan)),
            Check(
                .effect, "Control: with 8 blocks all five learn, loss below 0.1: depth is the cause.", .atMost(0.1),
                observed: SpiralRun.Architecture.allCases.compactMap { shallow($0)?.final }.max() ?? .nan,
                mutant: ("64 blocks", worst(.plain))),
        ]
    }

    func table() -> Table {
        let rows = SpiralRun.Architecture.allCases.map { architecture in
            let runs = deep(architecture)
            return [
                architecture.rawValue, shallow(architecture).map { TableCell.significant($0.final) } ?? "-",
                runs.map { TableCell.significant($0.final) }.joined(separator: ", "),
                runs.map { TableCell.significant($0.peak) }.joined(separator: ", "),
                slow(architecture).map { TableCell.significant($0.final) } ?? "-",
            ]
        }
        return Table(
            "Spirals, width 32: loss, mean of the last 20 steps; chance is 0.693",
            columns: [
                "net", "8 blocks, Adam 1e-3", "64 blocks, Adam 1e-3 (3 seeds)", "its largest loss",
                "64 blocks, Adam 1e-4",
            ], rows: rows)
    }

    func figure() -> Figure {
        func curve(_ name: String, _ run: SpiralRun?) -> Series? {
            run.map { run in Series(name, run.losses.enumerated().map { (Double($0), max($1, 1e-4)) }) }
        }
        let architectures = SpiralRun.Architecture.allCases
        return Figure(
            caption: "Two spirals: the loss of nets of 8 and of 64 blocks, Adam at 1e-3, seed 0.",
            panels: [
                Panel(
                    "8 blocks",
                    .curves(
                        x: Axis("step"), y: Axis("loss", log: true),
                        series: architectures.compactMap { curve($0.rawValue, shallow($0)) })),
                Panel(
                    "64 blocks",
                    .curves(
                        x: Axis("step"), y: Axis("loss", log: true),
                        series: architectures.compactMap { curve($0.rawValue, deep($0).first) })),
            ])
    }
}
