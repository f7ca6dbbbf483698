internal import Normalization
internal import Plots

/// Seven discriminators on the ring, three seeds each.
struct RingEffects {
    static let seeds: [UInt64] = [0, 1, 2]
    static let iterations = 3000

    private let runs: [(norm: DiscriminatorNorm, runs: [RingTraining])]

    init(_ context: StudyContext) throws {
        // Matrices of 128 x 64: a second thread costs more than it gains. Bits are the same.
        let backend = context.backend == .automatic ? Backend.kernels(threads: 1) : context.backend
        runs = try DiscriminatorNorm.allCases.map { norm in
            (
                norm,
                try Self.seeds.map { seed in
                    context.progress("\(norm.rawValue), seed \(seed)")
                    return try RingTraining(norm, seed: seed, iterations: Self.iterations, backend: backend)
                }
            )
        }
    }

    private subscript(norm: DiscriminatorNorm) -> [RingTraining] { runs.first { $0.norm == norm }!.runs }

    var checks: [Check] {
        func fewest(_ norm: DiscriminatorNorm) -> Double { self[norm].map(\.meanModes).min()! }
        func most(_ norm: DiscriminatorNorm) -> Double { self[norm].map(\.meanModes).max()! }
        return [
            Check(
                .effect,
                "With LayerNorm in the discriminator the generator holds at least 3 of 8 modes on average over the "
                    + "second half of training, for each of three seeds.",
                .atLeast(3), observed: fewest(.layerNorm),
                mutant: ("BatchNorm over the joint batch, the best seed", most(.joint))),
            Check(
                .effect, "With BatchNorm over the joint batch it holds at most 2, for each of three seeds.", .atMost(2),
                observed: most(.joint), mutant: ("LayerNorm, the worst seed", fewest(.layerNorm))),
            Check(
                .effect,
                "With BatchNorm over separate batches of real and generated samples, without any leak between them, it "
                    + "holds at most 2 too.",
                .atMost(2), observed: most(.perSource), mutant: ("LayerNorm, the worst seed", fewest(.layerNorm))),
            Check(
                .effect,
                "Control: BatchNorm over the joint batch without the gradient through its statistics, the same outputs "
                    + "otherwise, holds at least 3, for each of three seeds.",
                .atLeast(3), observed: fewest(.detached), mutant: ("with that gradient, the best seed", most(.joint))),
            Check(
                .effect,
                "Control: virtual BatchNorm, by the moments of a fixed batch of real samples, holds at least 3, for "
                    + "each of three seeds.",
                .atLeast(3), observed: fewest(.reference), mutant: ("the joint batch, the best seed", most(.joint))),
            Check(
                .effect,
                "Noise alone does not explain the loss of modes: with statistics detached drawing real samples again "
                    + "changes the generator's gradient by more than 0.5 of it, for each of three seeds.",
                .atLeast(0.5), observed: self[.detached].map(\.gradientNoise).min()!,
                mutant: ("LayerNorm", self[.layerNorm].map(\.gradientNoise).max()!)),
            Check(
                .exact,
                "After training with LayerNorm or virtual BatchNorm, drawing the real samples again changes no bit of "
                    + "the generator's gradient.",
                .equal(0), observed: (self[.layerNorm] + self[.reference]).map(\.gradientNoise).max()!,
                mutant: ("BatchNorm over the joint batch", self[.joint].map(\.gradientNoise).min()!)),
            Check(
                .effect,
                "With BatchNorm over the joint batch it changes that gradient by more than 0.1 of it (relative "
                    + "standard deviation), for each of three seeds.",
                .atLeast(0.1), observed: self[.joint].map(\.gradientNoise).min()!,
                mutant: ("BatchNorm over separate batches", self[.perSource].map(\.gradientNoise).max()!)),
        ]
    }

    var tables: [Table] {
        func list(_ runs: [RingTraining], _ value: (RingTraining) -> Double) -> String {
            runs.map { TableCell.fixed(value($0), 2) }.joined(separator: ", ")
        }
        return [
            Table(
                "Modes of 8, mean over the second half of \(Self.iterations) iterations; seeds 0, 1, 2",
                columns: ["norm of the discriminator", "modes", "gradient noise", "leak / own derivative"],
                rows: runs.map { entry in
                    [
                        entry.norm.rawValue, list(entry.runs, \.meanModes), list(entry.runs, \.gradientNoise),
                        list(entry.runs, \.leak),
                    ]
                })
        ]
    }

    var figures: [Figure] {
        let series = runs.map { entry in
            let count = entry.runs[0].modes.count
            let points = (0..<count).map { index in
                let sum = entry.runs.reduce(0) { $0 + $1.modes[index] }
                return (
                    x: Double((index + 1) * RingTraining.evaluationInterval), y: Double(sum) / Double(entry.runs.count)
                )
            }
            return Series(entry.norm.rawValue, points)
        }
        return [
            Figure(
                caption: "Modes of the ring that the generator holds, mean of three seeds.",
                panels: [
                    Panel(
                        "Modes over training",
                        .curves(x: Axis("iteration"), y: Axis("modes of 8", range: 0...8), series: series))
                ])
        ]
    }
}
