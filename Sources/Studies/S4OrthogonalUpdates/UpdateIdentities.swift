// What the orthogonal update is, exactly, in float64 and by the float32 kernels.

internal import Normalization
internal import NormalizationDiagnostics
private import TrainingKit

struct UpdateIdentities {
    private let x: [Double]
    private let f: [Double]
    private let g: [Double]
    private let backend: Backend

    private static let epsilon = 1e-6

    init(_ context: StudyContext) throws {
        var random = RandomStream(seed: 0, stream: 401)
        func vector() throws -> [Double] { try random.normal([32]).array.map { Double($0) } }
        // With a mean, so that the centred projection differs from the other.
        x = try vector().map { Double(Float($0 + 0.5)) }
        f = Vectors.sum(try vector(), Vectors.scaled(0.5, x)).map { Double(Float($0)) }
        g = try vector()
        backend = context.backend
    }

    func checks() throws -> [Check] {
        [pythagoras(), pythagorasWithEpsilon(), backward(), try kernel(), try kernelBackward()]
            + [try energyOfStream(), try zeroStream(), try smallStream(), try centred()]
    }

    private func pythagoras() -> Check {
        func residual(_ update: [Double]) -> Double {
            let h = Vectors.sum(x, update)
            return abs(1 - (Vectors.dot(x, x) + Vectors.dot(update, update)) / Vectors.dot(h, h))
        }
        return Check(
            .exact, "‖x + u‖² = ‖x‖² + ‖u‖² for the orthogonal update u at epsilon = 0, to 1e-12.", .atMost(1e-12),
            observed: residual(PlainUpdate(x, f, epsilon: 0).update), mutant: ("the linear update", residual(f)))
    }

    private func pythagorasWithEpsilon() -> Check {
        let epsilon = 0.125
        let plain = PlainUpdate(x, f, epsilon: epsilon)
        let h = Vectors.sum(x, plain.update)
        let excess = Vectors.dot(h, h) - Vectors.dot(x, x) - Vectors.dot(plain.update, plain.update)
        func residual(_ expected: Double) -> Double { abs(excess - expected) / Vectors.dot(h, h) }
        return Check(
            .exact, "With epsilon the two sides differ by 2 a epsilon, to 1e-12 of ‖x + u‖² at epsilon = 0.125.",
            .atMost(1e-12),
            observed: residual(2 * plain.share * epsilon), mutant: ("epsilon is ignored", residual(0)))
    }

    private func backward() -> Check {
        let plain = PlainUpdate(x, f, epsilon: Self.epsilon)
        let byX = Vectors.differences(at: x) { [Vectors.dot(g, PlainUpdate($0, f, epsilon: Self.epsilon).update)] }
        let byF = Vectors.differences(at: f) { [Vectors.dot(g, PlainUpdate(x, $0, epsilon: Self.epsilon).update)] }
        let measured = (byX + byF).flatMap { $0 }
        func error(_ gradients: (input: [Double], update: [Double])) -> Double {
            Vectors.error(gradients.input + gradients.update, measured)
        }
        return Check(
            .exact,
            "With b = <x, g>/(‖x‖² + epsilon) the gradients of u are g - b x by f and - a g - b f + 2ab x by x: they"
                + " agree with central differences to 1e-8 of the largest.",
            .atMost(1e-8), observed: error(plain.backward(g)),
            mutant: ("a is taken for a constant", error(plain.backward(g, isShareConstant: true))))
    }

    private func tensor(_ vector: [Double]) -> Tensor<Float> { Tensor(vector.map { Float($0) }) }

    private func kernel() throws -> Check {
        let h = try ResidualUpdate.orthogonal.join(tensor(x), update: tensor(f), backend: backend)
        func error(_ update: [Double]) -> Double { Vectors.error(h.array.map { Double($0) }, Vectors.sum(x, update)) }
        // Some five roundings of 6e-8.
        return Check(
            .exact, "The float32 kernel gives x + u to 5e-7 of its largest element.", .atMost(5e-7),
            observed: error(PlainUpdate(x, f, epsilon: Self.epsilon).update),
            mutant: ("compared with the linear update", error(f)))
    }

    private func kernelBackward() throws -> Check {
        let given = try ResidualUpdate.orthogonal.backward(tensor(g), x: tensor(x), update: tensor(f), backend: backend)
        let gradients = (given.input.array + given.update.array).map { Double($0) }
        func error(isShareConstant: Bool) -> Double {
            let plain = PlainUpdate(x, f, epsilon: Self.epsilon).backward(g, isShareConstant: isShareConstant)
            return Vectors.error(gradients, Vectors.sum(g, plain.input) + plain.update)
        }
        return Check(
            .exact, "The float32 kernel gives the exact gradients by stream and update to 1e-6 of the largest.",
            .atMost(1e-6),
            observed: error(isShareConstant: false),
            mutant: ("compared with a that is taken for a constant", error(isShareConstant: true)))
    }

    private func energyOfStream() throws -> Check {
        func residual(_ update: ResidualUpdate) throws -> Double {
            var random = RandomStream(seed: 0, stream: 402)
            var stream = try random.normal([8, 48])
            var expected = stream.dot(stream)
            for _ in 0..<12 {
                // A branch that writes half of the stream again.
                let branch = 0.5 * stream + (try random.normal([8, 48]))
                let next = try update.join(stream, update: branch, backend: backend)
                let added = next - stream
                expected += added.dot(added)
                stream = next
            }
            return abs(1 - expected / stream.dot(stream))
        }
        // Each of 12 blocks rounds the stream once more, by 6e-8 of each element in a random direction.
        return Check(
            .exact,
            "Over 12 blocks of orthogonal updates ‖x_L‖² = ‖x_0‖² + Σ‖u‖², to 1e-6 in float32, though the branch"
                + " writes x/2 again.",
            .atMost(1e-6), observed: try residual(.orthogonal), mutant: ("linear updates", try residual(.linear)))
    }

    private func zeroStream() throws -> Check {
        func different(_ x: Tensor<Float>) throws -> Double {
            let h = try ResidualUpdate.orthogonal.join(x, update: tensor(f), backend: backend)
            return Double(zip(h.array, tensor(f).array).count { $0.bitPattern != $1.bitPattern })
        }
        return Check(
            .exact, "A stream of zeros takes the update as it is, bit for bit.", .equal(0),
            observed: try different(Tensor(repeating: 0, shape: [32])),
            mutant: ("a stream of 0.01", try different(Tensor(repeating: 0.01, shape: [32]))))
    }

    private func smallStream() throws -> Check {
        /// The share of <x, f> that is left in what was added.
        func left(energy: Double) throws -> Double {
            let small = tensor(Vectors.scaled((energy / Vectors.dot(x, x)).squareRoot(), x))
            let h = try ResidualUpdate.orthogonal.join(small, update: tensor(f), backend: backend)
            return (h - small).dot(small) / small.dot(tensor(f))
        }
        return Check(
            .exact,
            "Where ‖x‖² is no larger than epsilon the projection is not complete: at ‖x‖² = epsilon = 1e-6 half of"
                + " <x, f> stays, to 1e-4.",
            .within(expected: 0.5, tolerance: 1e-4), observed: try left(energy: 1e-6),
            mutant: ("‖x‖² = 100 epsilon", try left(energy: 1e-4)))
    }

    private func centred() throws -> Check {
        func correlation(centred: Bool) throws -> Double {
            let h = try ResidualUpdate.orthogonal.join(tensor(x), update: tensor(f), centred: centred, backend: backend)
            let added = Vectors.difference(h.array.map { Double($0) }, x)
            return abs(Vectors.cosine(Vectors.centred(added), Vectors.centred(x)))
        }
        // The stream is rounded by 6e-8 of its elements, which are about as large as the update's.
        return Check(
            .exact,
            "Uncorrelated is more than orthogonal: the centred update has correlation 0 with a stream of mean 0.5,"
                + " to 1e-6.",
            .atMost(1e-6), observed: try correlation(centred: true),
            mutant: ("the update that is orthogonal but not centred", try correlation(centred: false)))
    }
}
