// For which aim is the orthogonal update the best one? Three aims, each searched on a grid.

internal import Plots
private import Foundation
private import TrainingKit

/// u = a x + v, v orthogonal to x; ‖x‖ = 1, ‖u‖ = tau, rho = cos(x, u).
enum Optima {
    private static let sizes = [0.1, 0.5]
    private static let grid = (0...2000).map { Double($0) / 1000 - 1 }

    /// A unit vector x in 32 dimensions and the updates u of every rho.
    private static func updates(size: Double) -> (x: [Double], updates: [[Double]]) {
        var random = RandomStream(seed: 0, stream: 421)
        func unit(_ vector: [Double]) -> [Double] { Vectors.scaled(1 / Vectors.length(vector), vector) }
        let x = unit(random.normals(32))
        let v = unit(Vectors.orthogonal(random.normals(32), to: x))
        let updates = grid.map { rho in
            Vectors.sum(Vectors.scaled(size * rho, x), Vectors.scaled(size * (1 - rho * rho).squareRoot(), v))
        }
        return (x, updates)
    }

    /// The share of ‖u‖² that is across x.
    private static func novelties(size: Double) -> [Double] {
        let (x, updates) = updates(size: size)
        return updates.map { u in
            let across = Vectors.orthogonal(u, to: x)
            return Vectors.dot(across, across) / Vectors.dot(u, u)
        }
    }

    /// The angle between x and x + u in radians, all that a norm behind the addition keeps.
    private static func angles(size: Double) -> [Double] {
        let (x, updates) = updates(size: size)
        return updates.map { u in
            let sum = Vectors.sum(x, u)
            return atan2(Vectors.length(Vectors.orthogonal(sum, to: x)), Vectors.dot(x, sum))
        }
    }

    private static func best(_ values: [Double]) -> Double { grid[values.indices.max { values[$0] < values[$1] }!] }

    /// The slope a that gives the largest ‖v‖² = V - (1 + a)² at a variance V = 2 of x + u.
    private static func bestSlope(mayForget: Bool) -> Double {
        let slopes = grid.map { 1.5 * $0 }.filter { mayForget || 1 + $0 >= 1 }
        return slopes.max { 2 - (1 + $0) * (1 + $0) < 2 - (1 + $1) * (1 + $1) }!
    }

    static func run() -> (checks: [Check], table: Table, panels: [Panel]) {
        let angles = sizes.map { Self.angles(size: $0) }
        let novelties = Self.novelties(size: 0.5)
        let novel = best(novelties)
        let turned = angles.map { best($0) }
        func distance(_ optima: [Double]) -> Double { zip(optima, sizes).map { abs($0 + $1) }.max()! }
        let gains = angles.map { $0.max()! / $0[1000] - 1 }
        let checks = [
            Check(
                .exact,
                "A, novelty: of updates of one length the one with most variance across x has rho = 0, to 0.001 on a"
                    + " grid of 2001.",
                .within(expected: 0, tolerance: 1e-3), observed: novel,
                mutant: ("the best rho for rotation, tau = 0.5", turned[1])),
            Check(
                .exact,
                "B, variance budget: if Var(x + u) may not exceed 2 and x may not be forgotten (slope at least 1),"
                    + " most new variance enters at slope 1, a = 0 to 0.0015.",
                .within(expected: 0, tolerance: 1.5e-3), observed: bestSlope(mayForget: false),
                mutant: ("x may be forgotten: it is erased", bestSlope(mayForget: true))),
            Check(
                .exact,
                "C, rotation: x turns most not at rho = 0 but at rho = -tau/σ: -0.1 and -0.5 for updates of 0.1 and"
                    + " 0.5 of ‖x‖, to 0.001.",
                .atMost(1e-3), observed: distance(turned), mutant: ("orthogonal updates", distance([novel, novel]))),
            Check(
                .exact,
                "At tau = 0.5 σ the best update turns x by asin(0.5)/atan(0.5) - 1 = 12.9 % more than the orthogonal"
                    + " one, to 0.001.",
                .within(expected: asin(0.5) / atan(0.5) - 1, tolerance: 1e-3), observed: gains[1],
                mutant: ("tau = 0.1 σ, where it is 0.5 %", gains[0])),
        ]
        let table = Table(
            "Which update turns x most",
            columns: ["tau/σ", "best rho", "-tau/σ", "angle at best (°)", "at rho = 0 (°)", "gain"],
            rows: sizes.indices.map { index in
                [
                    "\(sizes[index])", TableCell.fixed(turned[index], 3), TableCell.fixed(-sizes[index], 3),
                    TableCell.fixed(angles[index].max()! * 180 / .pi, 3),
                    TableCell.fixed(angles[index][1000] * 180 / .pi, 3),
                    TableCell.fixed(100 * gains[index], 2) + " %",
                ]
            })
        return (checks, table, [panel(angles), panel(novelties: novelties)])
    }

    /// Every twentieth point of the grid is enough for a picture.
    private static func points(_ values: [Double]) -> [(x: Double, y: Double)] {
        stride(from: 0, to: grid.count, by: 20).map { (x: grid[$0], y: values[$0]) }
    }

    private static func panel(_ angles: [[Double]]) -> Panel {
        let curves = zip(sizes, angles).map { size, angles in
            Series("tau = \(size) σ", points(angles.map { $0 * 180 / .pi }))
        }
        let optima = Series(
            "rho = -tau/σ", sizes.map { (x: -$0, y: asin($0) * 180 / .pi) }, .points)
        return Panel(
            "C: how far the update turns x",
            .curves(x: Axis("rho = cos(x, u)"), y: Axis("angle between x and x + u (°)"), series: curves + [optima]))
    }

    private static func panel(novelties: [Double]) -> Panel {
        Panel(
            "A: how much of the update is new",
            .curves(
                x: Axis("rho = cos(x, u)"), y: Axis("‖u⊥‖²/‖u‖²"),
                series: [
                    Series("measured", points(novelties)),
                    Series("1 - rho²", points(grid.map { 1 - $0 * $0 }), .theory),
                    Series("best", [(x: 0, y: 1)], .points),
                ]))
    }
}
