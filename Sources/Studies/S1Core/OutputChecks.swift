// What LayerNorm's outputs are: their norm, their bounds, widths and rows at which nothing is left, what stays in a
// row.

internal import Normalization
private import ReferenceKernels
private import TrainingKit

struct OutputChecks {
    let backend: Backend

    func checks() throws -> [Check] {
        [
            norm(), try oneHot(), try oneFeature(), twoFeatures(), try storedVector(), try noSpread(),
            try noSpreadGradient(),
        ]
            + [try inPlace(), try notANumber()]
    }

    private func norm() -> Check {
        var random = RandomStream(seed: 0, stream: 111)
        let (width, epsilon) = (4, 0.125)
        let row = random.normals(width)
        let plain = PlainRow(row, epsilon: epsilon)
        let y = PlainNorm<Double>.forward(.layerNorm, row, columns: width, weight: nil, bias: nil, epsilon: epsilon)
        let unbiased = (plain.variance * Double(width) / Double(width - 1) + epsilon).squareRoot()
        func residual(_ y: [Double]) -> Double {
            abs(Vectors.dot(y, y) / (Double(width) * plain.variance / (plain.variance + epsilon)) - 1)
        }
        return Check(
            .exact,
            "‖xhat‖² = d σ²/(σ² + epsilon), σ² the biased variance, to 1e-12 at d = 4: outputs lie inside a sphere"
                + " of radius sqrt(d).",
            .atMost(1e-12), observed: residual(y),
            mutant: (
                "the unbiased variance, 3/4 of that norm at d = 4 (at d = 768 it hides)",
                residual(Vectors.scaled(1 / unbiased, plain.centred))
            ))
    }

    private func oneHot() throws -> Check {
        var hot = [Float](repeating: 0, count: 64)
        hot[5] = 1
        let x = Tensor(hot)
        func largest(_ y: Tensor<Float>) -> Double { Double(y.array.max() ?? 0) }
        return Check(
            .exact,
            "No output is larger than sqrt(d - 1), which a one-hot row attains: 7.9373 at d = 64, where the kernel"
                + " errs by at most 2e-6.",
            .within(expected: 63.0.squareRoot(), tolerance: 2e-6),
            observed: largest(try layerNorm(x, epsilon: 0, backend: backend)),
            mutant: ("RMSNorm, which keeps the mean: sqrt(d)", largest(try rmsNorm(x, epsilon: 0, backend: backend))))
    }

    private func oneFeature() throws -> Check {
        let x = try Tensor<Float>([-3, 0.5, 7], shape: [3, 1])
        func largest(_ y: Tensor<Float>) -> Double { y.array.reduce(0) { max($0, abs(Double($1))) } }
        return Check(
            .exact, "LayerNorm of one feature is 0 whatever the feature.", .equal(0),
            observed: largest(try layerNorm(x, backend: backend)),
            mutant: ("RMSNorm, which gives the sign", largest(try rmsNorm(x, backend: backend))))
    }

    private func twoFeatures() -> Check {
        func residual(width: Int) -> Double {
            var random = RandomStream(seed: 0, stream: 112)
            return (0..<20).reduce(0) { worst, _ in
                let row = PlainRow(random.normals(width), epsilon: 0)
                let gradient = row.jacobianProduct(random.normals(width))
                let fromOne = row.normalized.map { abs(abs($0) - 1) }.max() ?? 0
                return max(worst, fromOne, Vectors.length(gradient) * row.deviation)
            }
        }
        return Check(
            .exact,
            "LayerNorm of two features at epsilon = 0 is (1, -1) or (-1, 1) and has no gradient, to 1e-12 over 20"
                + " rows.",
            .atMost(1e-12), observed: residual(width: 2), mutant: ("three features", residual(width: 3)))
    }

    private func storedVector() throws -> Check {
        let x = Tensor<Float>([1, 2, 3, 4])
        let y = try layerNorm(x, epsilon: 1e-5, backend: backend).array.map { Double($0) }
        let row = PlainRow([1, 2, 3, 4], epsilon: 0)
        let outside = Vectors.scaled(1 / (row.deviation + 1e-5), row.centred)
        let stored = [-1.3416354, -0.4472118, 0.4472118, 1.3416354]
        func residual(_ y: [Double]) -> Double { zip(y, stored).reduce(0) { max($0, abs($1.0 - $1.1)) } }
        return Check(
            .exact,
            "(1, 2, 3, 4) becomes ±1.3416354, ±0.4472118 to 5e-7: a biased variance with epsilon = 1e-5 inside the"
                + " root, as torch.nn.LayerNorm defines it.",
            .atMost(5e-7), observed: residual(y), mutant: ("epsilon added outside the root", residual(outside)))
    }

    private func noSpread() throws -> Check {
        var random = RandomStream(seed: 0, stream: 113)
        let bias = try random.normal([8])
        func distance(_ x: [Float]) throws -> Double {
            let y = try layerNorm(Tensor(x), weight: Tensor(repeating: 2, shape: [8]), bias: bias, backend: backend)
            return Vectors.length(Vectors.difference(y.array.map { Double($0) }, bias.array.map { Double($0) }))
        }
        var almost = [Float](repeating: 3, count: 8)
        almost[0] = almost[0].nextUp
        return Check(
            .exact, "A row whose elements are all equal gives the bias, bit for bit.", .equal(0),
            observed: try distance([Float](repeating: 3, count: 8)),
            mutant: ("one element is the next float", try distance(almost)))
    }

    private func noSpreadGradient() throws -> Check {
        var random = RandomStream(seed: 0, stream: 114)
        let x = try Tensor<Float>(repeating: 3, shape: [8])
        let dy = try random.normal([8])
        func gain(epsilon: Float) throws -> Double {
            let statistics = try layerNormWithStatistics(x, epsilon: epsilon, backend: backend).statistics
            let dx = try layerNormBackward(dy, x: x, statistics: statistics, backend: backend).input
            return Vectors.length(dx.array.map { Double($0) })
                / Vectors.length(Vectors.centred(dy.array.map { Double($0) }))
        }
        // 316.2 is 1/sqrt(1e-5); the float nearest 1e-5 is off by 3e-8, some roundings of 6e-8 follow.
        return Check(
            .exact,
            "Its gradient is finite and large: dx = centred(dy)/sqrt(epsilon), a gain of 316.228 at epsilon = 1e-5,"
                + " to 1e-6.",
            .relative(1 / 1e-5.squareRoot(), 1e-6), observed: try gain(epsilon: 1e-5),
            mutant: ("epsilon = 1e-6", try gain(epsilon: 1e-6)))
    }

    private func inPlace() throws -> Check {
        var random = RandomStream(seed: 0, stream: 115)
        let x = try random.normal([5, 77])
        let y = try layerNorm(x, backend: backend)
        var replaced = x
        try layerNorm(inPlace: &replaced, backend: backend)
        func different(_ z: Tensor<Float>) -> Double {
            Double(zip(y.array, z.array).count { $0.bitPattern != $1.bitPattern })
        }
        return Check(
            .exact, "LayerNorm in place gives the bits that it gives elsewhere: 0 of 385 outputs differ.", .equal(0),
            observed: different(replaced), mutant: ("the original is compared", different(x)))
    }

    private func notANumber() throws -> Check {
        var random = RandomStream(seed: 0, stream: 116)
        var elements = try random.normal([6, 10]).array
        elements[23] = .nan
        let x = try Tensor(elements, shape: [6, 10])
        func lost(_ y: Tensor<Float>) -> Double { Double(y.array.count { !$0.isFinite }) }
        return Check(
            .exact, "A NaN stays inside its row: of 6 rows of 10, 10 outputs are not finite.", .equal(10),
            observed: lost(try layerNorm(x, backend: backend)),
            mutant: (
                "BatchNorm, where it takes its column in every row",
                lost(try channelNorm(x, over: .batch(), backend: backend))
            ))
    }
}
