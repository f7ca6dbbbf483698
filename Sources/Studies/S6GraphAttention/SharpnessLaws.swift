// How sharp attention over normalized scores is: its laws in Double, their cap found by an optimiser.

internal import NormalizationDiagnostics
internal import Plots
internal import TrainingKit
private import Foundation

struct SharpnessLaws {
    private static let draws = 1500
    /// Normal scores, by the number of neighbours.
    private let scores: [Int: [[Double]]]
    private let seed: UInt64

    init(seed: UInt64) {
        self.seed = seed
        scores = Dictionary(
            uniqueKeysWithValues: [16, 32, 64].map { n in
                var random = RandomStream(seed: seed, stream: 600 + UInt64(n))
                return (n, (0..<Self.draws).map { _ in random.normals(n) })
            })
    }

    func checks() -> [Check] { [bias, scale, rawScale, entropy, neighbours, cap, worstDegree, leastEntropy] }

    private func mean(_ n: Int, _ value: ([Double]) -> Double) -> Double {
        let rows = scores[n] ?? []
        return rows.reduce(0) { $0 + value($1) } / Double(rows.count)
    }

    // MARK: - Invariance

    private var bias: Check {
        func change(_ bias: (Int) -> Double) -> Double {
            (scores[16] ?? []).prefix(100).map { row in
                zip(
                    PlainNeighbourhood.attention(normalizing: row, weight: 1.5, bias: bias),
                    PlainNeighbourhood.attention(normalizing: row, weight: 1.5)
                ).map { abs($0 - $1) }.max() ?? .nan
            }.max() ?? .nan
        }
        return Check(
            .exact, "A bias of 3 behind the norm of scores changes no attention: at most 1e-14 in float64.",
            .atMost(1e-14), observed: change { _ in 3 },
            mutant: ("the bias differs between edges", change { 0.3 * Double($0) }))
    }

    /// The largest relative change of entropy over factors of 0.1 to 100 on the scores.
    private func entropyChange(_ attention: ([Double]) -> [Double]) -> Double {
        (scores[16] ?? []).prefix(100).map { row in
            let entropies = [0.1, 1, 10, 100].map { c in PlainNeighbourhood.entropy(attention(row.map { c * $0 })) }
            return (entropies.max() ?? .nan) / (entropies.min() ?? .nan) - 1
        }.max() ?? .nan
    }

    private var scale: Check {
        Check(
            .exact,
            "With the norm of scores entropy does not depend on their scale: factors of 0.1 to 100 change it by at "
                + "most 1e-12 of itself at epsilon 0.",
            .atMost(1e-12), observed: entropyChange { PlainNeighbourhood.attention(normalizing: $0, weight: 1) },
            mutant: ("raw scores", entropyChange { PlainNeighbourhood.attention($0) }))
    }

    private var rawScale: Check {
        let last = mean(16) { PlainNeighbourhood.entropy(PlainNeighbourhood.attention($0.map { 100 * $0 })) }
        let normalized = mean(16) {
            PlainNeighbourhood.entropy(PlainNeighbourhood.attention(normalizing: $0.map { 100 * $0 }, weight: 1))
        }
        return Check(
            .law, "Raw scores of 16 neighbours times 100 leave nearly no entropy: at most 0.1 of ln 16 = 2.77 nats.",
            .atMost(0.1), observed: last, mutant: ("scores are normalized", normalized))
    }

    // MARK: - Laws for small weights

    private func lawEntropy(_ n: Int, _ weight: Double) -> Double {
        mean(n) { row in
            let z = PlainNeighbourhood.standardised(row)
            let third = z.reduce(0) { $0 + $1 * $1 * $1 } / Double(n)
            let fourth = z.reduce(0) { $0 + $1 * $1 * $1 * $1 } / Double(n)
            return ScoreNormLaws.entropy(
                neighbours: n, weight: weight, skewness: third, excessKurtosis: fourth - 3)
        }
    }

    private func measuredEntropy(_ n: Int, _ weight: Double) -> Double {
        mean(n) { PlainNeighbourhood.entropy(PlainNeighbourhood.attention(normalizing: $0, weight: weight)) }
    }

    private var entropy: Check {
        let measured = measuredEntropy(32, 0.5)
        return Check(
            .law,
            "Entropy of attention over 32 neighbours at weight 0.5 is ln n - w²/2 - w³ skewness/3 - w⁴ excess/8: "
                + "within 0.001 nats in the mean of 1500 draws.",
            .atMost(0.001), observed: abs(measured - lawEntropy(32, 0.5)),
            mutant: ("without the half of w²", abs(measured - (lawEntropy(32, 0.5) - 0.125))))
    }

    private func inverseNeighbours(_ weight: Double) -> Double {
        64
            * mean(64) {
                PlainNeighbourhood.sumOfSquares(PlainNeighbourhood.attention(normalizing: $0, weight: weight))
            }
    }

    private var neighbours: Check {
        let measured = [0.25, 0.5].map { ($0, inverseNeighbours($0)) }
        func error(_ law: (Double) -> Double) -> Double {
            measured.map { weight, value in abs(value * law(weight) / 64 - 1) }.max() ?? .nan
        }
        return Check(
            .law,
            "Of 64 neighbours 64 exp(-w²) take part at weights of 0.25 and 0.5: 1/Σp² within 1%.", .atMost(0.01),
            observed: error { ScoreNormLaws.effectiveNeighbours(neighbours: 64, weight: $0) },
            mutant: ("exp(-w²/2)", error { 64 * exp(-$0 * $0 / 2) }))
    }

    // MARK: - The cap

    private static let capNeighbours = 6
    private static let capWeight = 1.3

    /// Follows `gradient` of weight · z from random scores; the best value of `goal` over the starts.
    private func best(
        _ goal: ([Double]) -> Double, gradient: ([Double]) -> [Double]
    ) -> Double {
        var random = RandomStream(seed: seed, stream: 610)
        return (0..<8).map { _ in
            var scores = PlainNeighbourhood.standardised(random.normals(Self.capNeighbours))
            for _ in 0..<2000 {
                let p = PlainNeighbourhood.attention(normalizing: scores, weight: Self.capWeight)
                let step = PlainNeighbourhood.backward(gradient(p), scores: scores, weight: Self.capWeight)
                scores = PlainNeighbourhood.standardised(zip(scores, step).map { $0 + 0.5 * $1 })
            }
            return goal(PlainNeighbourhood.attention(normalizing: scores, weight: Self.capWeight))
        }.max() ?? .nan
    }

    private var cap: Check {
        let most = best({ $0[0] }, gradient: { p in p.enumerated().map { ($0 == 0 ? 1 : 0) - $1 } })
        let n = Double(Self.capNeighbours)
        let law = ScoreNormLaws.sharpnessCap(neighbours: Self.capNeighbours, weight: Self.capWeight)
        let wrong = 1 / (1 + (n - 1) * exp(-Self.capWeight * (n - 1).squareRoot()))
        return Check(
            .exact,
            "The most attention that an optimiser of the scores can give one of 6 neighbours at weight 1.3 is the cap "
                + "1 / (1 + (n - 1) exp(-w n / sqrt(n - 1))) = 0.86748: within 1e-10.",
            .atMost(1e-10), observed: abs(most - law),
            mutant: ("n - 1 in place of n in the exponent", abs(most - wrong)))
    }

    private var worstDegree: Check {
        func worst(_ cap: (Int) -> Double) -> Double { Double((2...200).min { cap($0) < cap($1) } ?? 0) }
        return Check(
            .exact, "At weight 1 the cap is lowest for 7 neighbours (0.744), not for the largest neighbourhood.",
            .equal(7),
            observed: worst { ScoreNormLaws.sharpnessCap(neighbours: $0, weight: 1) },
            mutant: (
                "n - 1 in place of n in the exponent",
                worst { 1 / (1 + Double($0 - 1) * exp(-Double($0 - 1).squareRoot())) }
            ))
    }

    private var leastEntropy: Check {
        let least = -best(
            { -PlainNeighbourhood.entropy($0) },
            gradient: { p in
                let entropy = PlainNeighbourhood.entropy(p)
                return p.map { $0 * (log(max($0, .leastNormalMagnitude)) + entropy) }
            })
        let law = ScoreNormLaws.leastEntropy(neighbours: Self.capNeighbours, weight: Self.capWeight)
        let pair = PlainNeighbourhood.entropy(
            PlainNeighbourhood.attention(normalizing: [1, 1, 0, 0, 0, 0], weight: Self.capWeight))
        return Check(
            .law,
            "The least entropy that an optimiser finds from 8 starts (6 neighbours, weight 1.3) is that of one high "
                + "score among equal ones, 0.60444 nats: within 1e-8. Numerical evidence, no proof.",
            .atMost(1e-8), observed: abs(least - law), mutant: ("two high scores", abs(pair - law)))
    }

    // MARK: - What is shown

    func tables() -> [Table] {
        [
            Table(
                "Entropy of 16 neighbours in nats (ln 16 = 2.773) against the scale c of their scores",
                columns: ["c", "raw", "normalized, weight 1"],
                rows: [0.1, 1, 10, 100].map { c in
                    [
                        TableCell.significant(c),
                        TableCell.fixed(
                            mean(16) {
                                PlainNeighbourhood.entropy(PlainNeighbourhood.attention($0.map { c * $0 }))
                            }, 3),
                        TableCell.fixed(
                            mean(16) {
                                PlainNeighbourhood.entropy(
                                    PlainNeighbourhood.attention(normalizing: $0.map { c * $0 }, weight: 1))
                            }, 4),
                    ]
                }),
            Table(
                "Laws for small weights, and where they end",
                columns: ["weight", "entropy, n = 32", "law", "n Σp², n = 64", "exp(w²)"],
                rows: [0.25, 0.5, 1, 2].map { weight in
                    [
                        TableCell.significant(weight), TableCell.fixed(measuredEntropy(32, weight), 4),
                        TableCell.fixed(lawEntropy(32, weight), 4), TableCell.fixed(inverseNeighbours(weight), 4),
                        TableCell.fixed(exp(weight * weight), 4),
                    ]
                }),
            Table(
                "The most attention that one of n neighbours can get",
                columns: ["n"] + [0.5, 1, 2, 4].map { "weight \(TableCell.significant($0))" },
                rows: [2, 3, 7, 16, 64].map { n in
                    ["\(n)"]
                        + [0.5, 1, 2, 4].map {
                            TableCell.fixed(ScoreNormLaws.sharpnessCap(neighbours: n, weight: $0), 3)
                        }
                }),
        ]
    }

    var panel: Panel {
        let weights = (1...24).map { Double($0) / 8 }
        return Panel(
            "Entropy of 32 neighbours",
            .curves(
                x: Axis("weight of the normalized scores"), y: Axis("entropy in nats", range: 0...3.6),
                series: [
                    Series("normal scores", weights.map { ($0, measuredEntropy(32, $0)) }, .linesAndPoints),
                    Series(
                        "law to the fourth order", weights.filter { $0 < 2.2 }.map { ($0, lawEntropy(32, $0)) }, .theory
                    ),
                    Series(
                        "least entropy (the cap)",
                        weights.map { ($0, ScoreNormLaws.leastEntropy(neighbours: 32, weight: $0)) }, .theory),
                ]))
    }
}
