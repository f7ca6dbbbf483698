internal import NormalizationDiagnostics
internal import Plots

/// The same net, the same start, the same problem: what the loss and the units make of it.
struct UnitsInTraining {
    static let seeds: [UInt64] = [0, 1, 2]
    static let stepCount = 1500

    private let units: [UnitSystem]
    private let runs: [(loss: ResidualLoss, unit: Int, run: RelaxationTraining)]
    private let repeats: [Repeat]
    private let powersOfTwo: RelaxationTraining

    /// The key rows under one seed.
    private struct Repeat {
        let seed: UInt64
        let pascal, megapascal, nondimensional, normalized, detached: RelaxationTraining
        let nondimensionalFromXavier, detachedFromXavier: RelaxationTraining
    }

    init(_ context: StudyContext) throws {
        units = try [
            UnitSystem("Pa, K"), UnitSystem("100 Pa, K", mass: 100), UnitSystem("1e4 Pa, K", mass: 1e4),
            UnitSystem("bar, K", mass: 1e5), UnitSystem("MPa, K", mass: 1e6),
            UnitSystem("MPa, µK", mass: 1e6, temperature: 1e-6),
        ]
        let plan: [(ResidualLoss, [Int])] = [
            (.raw, [0, 1, 2, 3, 4]), (.nondimensional, [0, 3, 5]), (.normalizedPerPoint, [0]),
            (.normalizedTogether, [0]),
            (.nondimensionalThenNormalized, [0]), (.detachedRootMeanSquare, [0]),
        ]
        var runs: [(ResidualLoss, Int, RelaxationTraining)] = []
        for (loss, indices) in plan {
            for unit in indices {
                context.progress("\(loss.rawValue), \(units[unit].name)")
                runs.append(
                    (loss, unit, try RelaxationTraining(loss, units: units[unit], seed: 0, steps: Self.stepCount)))
            }
        }
        self.runs = runs
        powersOfTwo = try RelaxationTraining(
            .nondimensional, units: Nondimensional.powersOfTwo(), seed: 0, steps: Self.stepCount)
        repeats = try Self.seeds.map { [units] seed in
            context.progress("seed \(seed)")
            func run(
                _ loss: ResidualLoss, _ unit: Int = 0, start: RelaxationNet.Start = .inputs
            ) throws -> RelaxationTraining {
                if seed == 0, start == .inputs, let known = runs.first(where: { $0.0 == loss && $0.1 == unit }) {
                    return known.2
                }
                return try RelaxationTraining(
                    loss, units: units[unit], seed: seed, start: start, steps: Self.stepCount)
            }
            return Repeat(
                seed: seed, pascal: try run(.raw), megapascal: try run(.raw, 4),
                nondimensional: try run(.nondimensional), normalized: try run(.normalizedPerPoint),
                detached: try run(.detachedRootMeanSquare),
                nondimensionalFromXavier: try run(.nondimensional, start: .xavier),
                detachedFromXavier: try run(.detachedRootMeanSquare, start: .xavier))
        }
    }

    private func run(_ loss: ResidualLoss, _ unit: Int = 0) -> RelaxationTraining {
        runs.first { $0.loss == loss && $0.unit == unit }!.run
    }

    // MARK: - Checks

    var checks: [Check] {
        let nondimensional = run(.nondimensional)
        let si = nondimensional.last.pressureError
        let spread = [3, 5].map { abs(run(.nondimensional, $0).last.pressureError / si - 1) }.max()!
        let rawSpread = abs(run(.raw, 3).last.pressureError / run(.raw).last.pressureError - 1)
        let bits = zip(powersOfTwo.parameters, nondimensional.parameters).count { $0.bitPattern != $1.bitPattern }
        let rawBits = zip(run(.raw, 1).parameters, run(.raw).parameters).count { $0.bitPattern != $1.bitPattern }
        let ratios = repeats.map { $0.megapascal.last.pressureError / $0.pascal.last.pressureError }
        let stalled = repeats.map(\.normalized)
        let largestGradient = stalled.flatMap(\.steps).map(\.gradientNorm).max()!
        let lossRange = stalled.flatMap(\.steps).map { abs($0.loss - 1) }.max()!
        return [
            Check(
                .effect,
                "The raw loss in MPa leaves more than 100 times the error in p of the same loss in Pa, for each of "
                    + "three seeds, though the unit means nothing to physics.",
                .atLeast(100), observed: ratios.min()!,
                mutant: ("nondimensional residuals, MPa against Pa", run(.nondimensional, 5).last.pressureError / si)),
            Check(
                .exact,
                "After \(Self.stepCount) steps nondimensional nets agree to 1e-9 in their error whether trained in Pa, "
                    + "bar, or MPa and µK.",
                .atMost(1e-9), observed: spread, mutant: ("the raw loss, Pa and bar", rawSpread)),
            Check(
                .exact,
                "After \(Self.stepCount) steps every parameter of the nondimensional net has the same bits in SI units "
                    + "and in units of 2^17 Pa and 2^-9 K.",
                .equal(0), observed: Double(bits), mutant: ("the raw loss, Pa and 100 Pa", Double(rawBits))),
            Check(
                .exact,
                "The loss that is LN over both residuals of a point stays within 1e-4 of 1 at all of "
                    + "\(Self.stepCount) steps, for each of three seeds.",
                .atMost(1e-4), observed: lossRange,
                mutant: ("the nondimensional loss", nondimensional.steps.map { abs($0.loss - 1) }.max()!)),
            Check(
                .exact, "Its gradient never has a norm above 1e-9.", .atMost(1e-9), observed: largestGradient,
                mutant: ("the nondimensional loss", nondimensional.steps.map(\.gradientNorm).max()!)),
            Check(
                .effect,
                "So it learns nothing: its error in p is more than 20 times that of the nondimensional loss, for each "
                    + "of three seeds.",
                .atLeast(20),
                observed: repeats.map {
                    $0.normalized.last.pressureError / $0.nondimensional.last.pressureError
                }.min()!,
                mutant: ("the raw loss in Pa", run(.raw).last.pressureError / si)),
            Check(
                .effect,
                "The raw loss ends lower in MPa than in Pa by more than 1000 times, where the net is more wrong: a "
                    + "loss with units cannot say how good a solution is.",
                .atLeast(1000), observed: run(.raw).last.loss / run(.raw, 4).last.loss,
                mutant: ("nondimensional residuals", nondimensional.last.loss / run(.nondimensional, 5).last.loss)),
            Check(
                .effect,
                "LN stays degenerate as a loss where residuals are dimensionless: its net is more than 20 times as "
                    + "wrong as the one without LN.",
                .atLeast(20), observed: run(.nondimensionalThenNormalized).last.pressureError / si,
                mutant: ("no LN, in bar", run(.nondimensional, 3).last.pressureError / si)),
            Check(
                .effect,
                "From Xavier's weights nondimensional residuals over their detached RMS end with more than 10 times "
                    + "the error in p of those residuals as they are, for each of three seeds.",
                .atLeast(10),
                observed: repeats.map {
                    $0.detachedFromXavier.last.pressureError / $0.nondimensionalFromXavier.last.pressureError
                }.min()!,
                mutant: (
                    "those residuals as they are, from both starts",
                    repeats.map {
                        $0.nondimensionalFromXavier.last.pressureError / $0.nondimensional.last.pressureError
                    }.max()!
                )),
        ]
    }

    // MARK: - Tables and pictures

    var tables: [Table] {
        let rows = runs.map { entry in
            let last = entry.run.last
            return [
                entry.loss.rawValue, units[entry.unit].name, TableCell.significant(last.pressureError, 4),
                TableCell.significant(last.temperatureError, 4), TableCell.significant(last.loss, 4),
                TableCell.significant(entry.run.steps[0].gradientNorm, 2),
            ]
        }
        func errors(_ runs: (Repeat) -> [RelaxationTraining]) -> [[String]] {
            repeats.map { entry in
                ["\(entry.seed)"] + runs(entry).map { TableCell.significant($0.last.pressureError, 3) }
            }
        }
        return [
            Table(
                "After \(Self.stepCount) steps, seed 0; errors are the largest over 41 points, of p₀ - pₐ and T₀ - Tₐ",
                columns: ["loss", "units", "error of p", "error of T", "loss at the end", "gradient at step 0"],
                rows: rows),
            Table(
                "Error of p for each seed",
                columns: ["seed", "raw, Pa", "raw, MPa", "nondimensional", "LN a point"],
                rows: errors { [$0.pascal, $0.megapascal, $0.nondimensional, $0.normalized] }),
            Table(
                "Error of p of nondimensional residuals, and of these over their detached RMS, by the variance that "
                    + "weights begin with",
                columns: [
                    "seed", "1 / inputs", "1 / inputs, over RMS", "2 / (inputs + outputs)",
                    "2 / (inputs + outputs), over RMS",
                ],
                rows: errors {
                    [$0.nondimensional, $0.detached, $0.nondimensionalFromXavier, $0.detachedFromXavier]
                }),
        ]
    }

    var figures: [Figure] {
        let sizes = [1, 100, 1e4, 1e5, 1e6]
        let raw = sizes.indices.map { (x: sizes[$0], y: run(.raw, $0).last.pressureError) }
        let pure = [(1.0, 0), (1e5, 3), (1e6, 5)].map { (x: $0.0, y: run(.nondimensional, $0.1).last.pressureError) }
        func curve(_ run: RelaxationTraining, _ value: (RelaxationTraining.Step) -> Double) -> [(x: Double, y: Double)]
        {
            stride(from: 0, through: Self.stepCount, by: 25).map { (Double($0), value(run.steps[$0])) }
        }
        let normalized = run(.normalizedPerPoint)
        return [
            Figure(
                caption: "The unit of pressure decides how wrong a net becomes whose loss adds residuals with units. "
                    + "LN of these residuals gives a loss of 1 at every step.",
                panels: [
                    Panel(
                        "Error against the unit of pressure",
                        .curves(
                            x: Axis("unit of pressure [Pa]", log: true),
                            y: Axis("largest error of p / (p₀ - pₐ)", log: true),
                            series: [
                                Series("raw loss", raw, .linesAndPoints),
                                Series("nondimensional loss", pure, .linesAndPoints),
                            ])),
                    Panel(
                        "Loss and error over training",
                        .curves(
                            x: Axis("step"), y: Axis("loss, or error of p / (p₀ - pₐ)", log: true),
                            series: [
                                Series("LN loss", curve(normalized, \.loss)),
                                Series("LN: error", curve(normalized, \.pressureError)),
                                Series("nondimensional loss", curve(run(.nondimensional), \.loss)),
                                Series("nondimensional: error", curve(run(.nondimensional), \.pressureError)),
                            ])),
                ])
        ]
    }
}
