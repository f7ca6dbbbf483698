internal import NormalizationDiagnostics

/// A net trained on the residuals at 41 points, by Adam at a rate of 3e-3.
struct RelaxationTraining {
    static let points = 41

    struct Step {
        let loss: Double
        /// The largest errors over the points, relative to p₀ - pₐ and T₀ - Tₐ.
        let pressureError, temperatureError: Double
        let gradientNorm: Double
    }

    /// Every step before its update, and the state after the last.
    let steps: [Step]
    let parameters: [Double]
    var last: Step { steps[steps.count - 1] }

    init(
        _ loss: ResidualLoss, units: UnitSystem, seed: UInt64, start: RelaxationNet.Start = .inputs, steps count: Int
    ) throws {
        let problem = RelaxationProblem(in: units)
        let positions = (0..<Self.points).map { Double($0) / Double(Self.points - 1) }
        let solution = positions.map { problem.solution(at: $0 * problem.duration) }
        var net = RelaxationNet(seed: seed, start: start)
        var (first, second) = (net.parameters.map { _ in 0.0 }, net.parameters.map { _ in 0.0 })
        var (decay1, decay2) = (1.0, 1.0)
        var steps: [Step] = []
        for step in 0...count {
            let outputs = net(positions)
            let (value, byResidual) = try loss(problem.residuals(outputs), problem)
            let byOutput = problem.pullback(byResidual, at: positions)
            let gradient = net.gradient(outputs, values: byOutput.values, slopes: byOutput.slopes)
            var (pressureError, temperatureError) = (0.0, 0.0)
            for (i, s) in positions.enumerated() {
                pressureError = max(pressureError, abs(1 + s * outputs.values[2 * i] - solution[i].pressure))
                temperatureError = max(
                    temperatureError, abs(1 + s * outputs.values[2 * i + 1] - solution[i].temperature))
            }
            steps.append(
                Step(
                    loss: value, pressureError: pressureError, temperatureError: temperatureError,
                    gradientNorm: gradient.reduce(0) { $0 + $1 * $1 }.squareRoot()))
            if step == count { break }
            decay1 *= 0.9
            decay2 *= 0.999
            let rate = 3e-3 / (1 - decay1)
            for index in net.parameters.indices {
                let g = gradient[index]
                first[index] += 0.1 * (g - first[index])
                second[index] += 0.001 * (g * g - second[index])
                net.parameters[index] -= rate * first[index] / ((second[index] / (1 - decay2)).squareRoot() + 1e-8)
            }
        }
        self.steps = steps
        parameters = net.parameters
    }
}
