// What a LayerNorm behind the addition sees of an update.

internal import Normalization
internal import NormalizationDiagnostics
private import TrainingKit

struct NormView {
    private let x: [Double]
    private let u: [Double]
    private let centred: [Double]
    private let jacobian: LayerNormJacobian

    init(_ context: StudyContext) throws {
        var random = RandomStream(seed: 0, stream: 411)
        let tensor = try random.normal([32])
        x = tensor.array.map { Double($0) }
        centred = Vectors.centred(x)
        // Half along x - mean, so that there is a parallel part to drop.
        let other = Vectors.orthogonal(random.normals(32), to: centred)
        let direction = Vectors.sum(
            Vectors.scaled(0.5 / Vectors.length(centred), centred),
            Vectors.scaled(0.75.squareRoot() / Vectors.length(other), other))
        u = Vectors.scaled(Vectors.length(x) / Vectors.length(direction), direction)
        jacobian = try LayerNormJacobian(at: tensor, epsilon: 0, backend: context.backend)
    }

    /// u without its parts along 1 and x - mean.
    private var visible: [Double] { Vectors.orthogonal(Vectors.centred(u), to: centred) }

    func run() -> (checks: [Check], table: Table) {
        let sizes = [1e-1, 1e-2, 1e-3]
        let table = Table(
            "What is missed of LN(x + u) - LN(x) if a part of u is dropped, relative to it",
            columns: ["‖u‖/‖x‖", "part along x - mean and 1 dropped", "part across dropped"],
            rows: sizes.map { size in
                [
                    TableCell.significant(size, 2), TableCell.significant(missed(size, keeping: visible), 2),
                    TableCell.significant(missed(size, keeping: Vectors.difference(u, visible)), 2),
                ]
            })
        return ([jacobianProduct(), firstOrder(), sameForBothProjections(), gradient()], table)
    }

    private func product(_ vector: [Double]) -> [Double] { jacobian.matrix.map { Vectors.dot($0, vector) } }

    private func jacobianProduct() -> Check {
        let image = product(u)
        func error(_ part: [Double]) -> Double { Vectors.error(Vectors.scaled(jacobian.spectrum.across, part), image) }
        return Check(
            .exact,
            "To first order LayerNorm sees of an update its part across 1 and x - mean, and all of that: J u = u⊥/s"
                + " to 1e-12 at epsilon = 0.",
            .atMost(1e-12), observed: error(visible),
            mutant: ("across x alone, the mean left in", error(Vectors.orthogonal(u, to: x))))
    }

    private func missed(_ size: Double, keeping part: [Double]) -> Double {
        func output(_ update: [Double]) -> [Double] {
            PlainRow(Vectors.sum(x, Vectors.scaled(size, update)), epsilon: 0).normalized
        }
        let whole = Vectors.difference(output(u), PlainRow(x, epsilon: 0).normalized)
        return Vectors.length(Vectors.difference(output(u), output(part))) / Vectors.length(whole)
    }

    private func firstOrder() -> Check {
        func ratio(_ part: [Double]) -> Double { missed(1e-2, keeping: part) / missed(1e-3, keeping: part) }
        return Check(
            .exact,
            "What is missed when the parallel part is dropped shrinks with the update: ten times (to 0.5) from ‖u‖ ="
                + " 0.01 ‖x‖ to 0.001 ‖x‖.",
            .within(expected: 10, tolerance: 0.5), observed: ratio(visible),
            mutant: ("the part across is dropped", ratio(Vectors.difference(u, visible))))
    }

    private func sameForBothProjections() -> Check {
        let raw = PlainUpdate(x, u, epsilon: 0).update
        func difference(_ other: [Double]) -> Double {
            Vectors.length(product(Vectors.difference(raw, other))) / Vectors.length(product(raw))
        }
        let stretched = Vectors.scaled(1.5, PlainUpdate(x, u, epsilon: 0, centred: true).update)
        return Check(
            .exact,
            "Centred or not, the orthogonal update is the same to LayerNorm to first order: J gives both the same,"
                + " to 1e-12.",
            .atMost(1e-12), observed: difference(PlainUpdate(x, u, epsilon: 0, centred: true).update),
            mutant: ("the centred update times 1.5", difference(stretched)))
    }

    private func gradient() -> Check {
        var random = RandomStream(seed: 0, stream: 412)
        let g = random.normals(32)
        let sum = Vectors.sum(x, u)
        func cosine(epsilon: Double) -> Double {
            abs(Vectors.cosine(PlainRow(sum, epsilon: epsilon).jacobianProduct(g), sum))
        }
        return Check(
            .exact,
            "The gradient that reaches x + u through a norm behind the addition is orthogonal to x + u at epsilon ="
                + " 0: cosine 0 to 1e-12.",
            .atMost(1e-12), observed: cosine(epsilon: 0), mutant: ("epsilon = 0.5", cosine(epsilon: 0.5)))
    }
}
