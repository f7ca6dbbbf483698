// Gradients of channel normalization by central differences in Double, through the generic reference.

internal import Normalization
internal import ReferenceKernels
import Testing
internal import Verification

@Suite struct ChannelNormGradientTests {
    /// A loss, sum(dy * y), and everything that it depends on, in Double.
    private struct Problem {
        let shape: ChannelShape
        let given: [Moments]?
        var x: [Double]
        var weight: [Double]
        var bias: [Double]
        let dy: [Double]

        init(groups: Int, regions: [Int], layout: ChannelLayout, given: [Moments]? = nil) {
            var random = RandomNumbers(seed: UInt64(groups))
            let samples = regions.reduce(0, +)
            shape = ChannelShape(
                samples: samples, channels: 4, positions: 3, layout: layout, groups: groups, regions: regions)
            x = random.normals(samples * 12).map { Double($0) * 2 + 5 }
            dy = random.normals(samples * 12).map(Double.init)
            weight = random.normals(4).map(Double.init)
            bias = random.normals(4).map(Double.init)
            self.given = given
        }

        var reference: ChannelNormReference<Double> {
            ChannelNormReference(shape, weight: weight, bias: bias, epsilon: 1e-5)
        }
        var output: (y: [Double], moments: [Moments]) { reference.forward(x, given: given) }
        /// Whether the loss is that of the inverse by given moments.
        var inverts = false
        var loss: Double {
            let y = if inverts, let given { reference.inverse(x, given: given) } else { output.y }
            return zip(dy, y).reduce(0) { $0 + $1.0 * $1.1 }
        }
        var gradients: ChannelNormReference<Double>.Gradients {
            if inverts, let given { return reference.inverseBackward(dy, x: x, given: given) }
            return reference.backward(dy, x: x, moments: output.moments, areConstant: given != nil)
        }
    }

    private func difference(_ problem: Problem, _ path: WritableKeyPath<Problem, Double>, step h: Double) -> Double {
        var (above, below) = (problem, problem)
        above[keyPath: path] += h
        below[keyPath: path] -= h
        return (above.loss - below.loss) / (2 * h)
    }

    private static let problems: [Problem] = ChannelLayout.allCases.flatMap { layout in
        [
            Problem(groups: 4, regions: [6], layout: layout),
            Problem(groups: 4, regions: [2, 4], layout: layout),
            Problem(groups: 2, regions: [1, 1, 1], layout: layout),
            Problem(groups: 1, regions: [1, 1], layout: layout),
            Problem(groups: 4, regions: [1, 1, 1, 1], layout: layout),
            Problem(
                groups: 4, regions: [5], layout: layout,
                given: (0..<4).map { Moments(count: 7, mean: Double($0), sumOfSquaredDeviations: 20) }),
        ]
    }

    /// With a step of 2^-17 the cut-off series costs h^2 / 6 times a third derivative, below 1e-8 for these moderate
    /// numbers (deviations above 0.1), and rounding some 2^-52 * 100 / h, below 1e-8 as well.
    @Test(arguments: problems.indices) func inputGradient(index: Int) {
        let problem = Self.problems[index]
        let gradient = problem.gradients.dx
        for element in problem.x.indices {
            let numeric = difference(problem, \.x[element], step: 0x1p-17)
            #expect(abs(gradient[element] - numeric) <= 1e-7 * max(1, abs(numeric)), "element \(element)")
        }
    }

    /// The loss is linear in weight and bias: only rounding differs.
    @Test(arguments: problems.indices) func weightAndBiasGradients(index: Int) {
        let problem = Self.problems[index]
        let gradients = problem.gradients
        for channel in 0..<4 {
            #expect(abs(gradients.dweight[channel] - difference(problem, \.weight[channel], step: 1)) <= 1e-12 * 1e2)
            #expect(abs(gradients.dbias[channel] - difference(problem, \.bias[channel], step: 1)) <= 1e-12 * 1e2)
        }
    }

    /// The inverse is linear in x and bias, and smooth in the weight, of which 1 / 16 is the least here.
    @Test(arguments: [(groups: 4, regions: [5]), (groups: 2, regions: [1, 1, 1])], ChannelLayout.allCases)
    func gradientsOfTheInverse(sets: (groups: Int, regions: [Int]), layout: ChannelLayout) {
        let moments = (0..<sets.groups * sets.regions.count).map {
            Moments(count: 7, mean: Double($0), sumOfSquaredDeviations: 20)
        }
        var problem = Problem(groups: sets.groups, regions: sets.regions, layout: layout, given: moments)
        problem.inverts = true
        problem.weight = problem.weight.map { abs($0) < 0x1p-4 ? 1 : $0 }
        let gradients = problem.gradients
        for element in problem.x.indices {
            let numeric = difference(problem, \.x[element], step: 1)
            #expect(abs(gradients.dx[element] - numeric) <= 1e-10 * max(1, abs(numeric)))
        }
        for channel in 0..<4 {
            let weight = difference(problem, \.weight[channel], step: 0x1p-17)
            #expect(abs(gradients.dweight[channel] - weight) <= 1e-6 * max(1, abs(weight)))
            let bias = difference(problem, \.bias[channel], step: 1)
            #expect(abs(gradients.dbias[channel] - bias) <= 1e-10 * max(1, abs(bias)))
        }
    }

    @Test func aWrongGradientIsFound() {
        let problem = Self.problems[0]
        let gradient = problem.gradients.dx
        let element = gradient.indices.max { abs(gradient[$0]) < abs(gradient[$1]) } ?? 0
        let wrong = gradient[element] * 1.00001
        let numeric = difference(problem, \.x[element], step: 0x1p-17)
        #expect(abs(wrong - numeric) > 1e-7 * max(1, abs(numeric)))
    }
}
