internal import Normalization
internal import NormalizationDiagnostics
internal import TrainingKit

/// That nondimensional residuals do not depend on units, and that LN as a loss stalls; without training.
struct Nondimensional {
    let backend: Backend

    func checks() throws -> [Check] {
        [
            try bitsOfEveryBackend(), try lossInPowersOfTwo(), try groupsOfTheProblem(), try invariantFunctions(),
            try stalledInKernels(), try gradientOfTheNet(),
        ]
    }

    /// Both residual vectors in SI units, as a net of `seed` leaves them.
    private func residuals(in units: UnitSystem, seed: UInt64 = 0) -> (Residuals, RelaxationProblem) {
        let problem = RelaxationProblem(in: units)
        let positions = (0..<RelaxationTraining.points).map { Double($0) / Double(RelaxationTraining.points - 1) }
        return (problem.residuals(RelaxationNet(seed: seed)(positions)), problem)
    }

    /// Pressure units of 2^17 Pa, temperature units of 2^-9 K.
    static func powersOfTwo() throws(NormalizationError) -> UnitSystem {
        try UnitSystem("2^17 Pa, 2^-9 K", mass: 0x1p17, temperature: 0x1p-9)
    }

    private func bitsOfEveryBackend() throws -> Check {
        let si = try UnitSystem("Pa, K")
        let other = try Self.powersOfTwo()
        /// Outputs whose bits a change of units changed, over every backend of this machine.
        func different(nondimensional: Bool) throws -> Double {
            func features(in units: UnitSystem, _ backend: Backend) throws -> [Double] {
                let (r, problem) = residuals(in: units)
                let pure = try problem.scales().nondimensionalised(
                    DimensionedVector(r.pressure), DimensionedVector(r.temperature))
                let joined =
                    nondimensional ? pure[0].concatenated(with: pure[1]) : DimensionedVector(r.pressure + r.temperature)
                return try joined.layerNorm(backend: backend).values
            }
            let backends = [.reference, backend] + InstructionSet.available.map { Backend.kernels($0) }
            let expected = try features(in: si, .reference)
            let counts = try backends.map { backend in
                zip(try features(in: other, backend), expected).count { $0.bitPattern != $1.bitPattern }
            }
            return Double(counts.max() ?? 0)
        }
        return Check(
            .exact,
            "LN of the 82 nondimensional residuals keeps every bit where pressures are counted in 2^17 Pa and "
                + "temperatures in 2^-9 K, on every backend of the machine.",
            .equal(0), observed: try different(nondimensional: true),
            mutant: ("residuals with their units", try different(nondimensional: false)))
    }

    private func lossInPowersOfTwo() throws -> Check {
        func different(_ loss: ResidualLoss) throws -> Double {
            let report = try UnitInvarianceReport(
                of: RelaxationProblem.constants.map(\.quantity), in: [Self.powersOfTwo()]
            ) { numbers in
                let problem = RelaxationProblem(numbers)
                let positions = (0..<RelaxationTraining.points).map {
                    Double($0) / Double(RelaxationTraining.points - 1)
                }
                return try (0..<5).map { try loss(problem.residuals(RelaxationNet(seed: $0)(positions)), problem).loss }
            }
            return Double(zip(report.outputs, report.rows[0].outputs).count { $0.bitPattern != $1.bitPattern })
        }
        return Check(
            .exact,
            "The nondimensional loss of five nets has the same bits in SI units and in units of 2^17 Pa and 2^-9 K.",
            .equal(0), observed: try different(.nondimensional), mutant: ("the raw loss", try different(.raw)))
    }

    private static let variables: [(name: String, exponents: DimensionExponents)] = [
        ("t", SI.Time.exponents), ("tau_p", SI.Time.exponents), ("tau_T", SI.Time.exponents),
        ("p-pa", SI.Pressure.exponents), ("p0-pa", SI.Pressure.exponents), ("T-Ta", SI.Temperature.exponents),
        ("T0-Ta", SI.Temperature.exponents), ("kappa", TemperatureRate.exponents / SI.Pressure.exponents),
    ]

    private func groupsOfTheProblem() throws -> Check {
        var wrong = Self.variables
        wrong[7].exponents = DimensionExponents(current: 1)
        return Check(
            .exact,
            "The eight variables of the problem, with a dimension matrix of rank 3, have 8 - 3 = 5 independent pure "
                + "products.",
            .equal(5), observed: Double(try BuckinghamPi(Self.variables).groups.count),
            mutant: ("kappa gets a dimension that no other variable has", Double(try BuckinghamPi(wrong).groups.count)))
    }

    private func invariantFunctions() throws -> Check {
        let groups = try BuckinghamPi(Self.variables)
        let numbers = [1.5, 2, 5, 2e4, 5e4, 30, 50, 1e-4]
        let quantities = zip(numbers, Self.variables).map { DynamicQuantity($0, $1.exponents) }
        let systems = try [
            Self.powersOfTwo(), UnitSystem("bar", mass: 1e5),
            UnitSystem("MPa, µK, min", mass: 1e6, time: 60, temperature: 1e-6),
        ]
        let ofGroups = try UnitInvarianceReport(of: quantities, in: systems) { try groups.products(of: $0) }
        let ofNumbers = UnitInvarianceReport(of: quantities, in: systems) { [$0[3] + $0[5]] }
        return Check(
            .exact,
            "The products keep their values, to 1e-12, in bar, in MPa with µK and minutes, and in powers of two of SI "
                + "units.",
            .atMost(1e-12), observed: ofGroups.largestDeviation,
            mutant: ("a sum of a pressure and a temperature", ofNumbers.largestDeviation))
    }

    /// Float32 sums of 82 squares near 1: within 1e-5 of one, far inside the gate.
    private func stalledInKernels() throws -> Check {
        let (r, problem) = residuals(in: try UnitSystem("Pa, K"))
        let pairs = try Tensor(
            zip(r.pressure, r.temperature).flatMap { [Float($0), Float($1)] }, shape: [r.pressure.count, 2])
        let normalized = try layerNorm(pairs, backend: backend).energy
        let scaled = try ResidualLoss.nondimensional(r, problem).loss
        return Check(
            .exact,
            "LN over pressure and temperature residuals of each of 41 points has a mean square within 1e-4 of 1 in the "
                + "float32 kernels, for a net that has learned nothing.",
            .within(expected: 1, tolerance: 1e-4), observed: normalized, mutant: ("the nondimensional loss", scaled))
    }

    /// Central differences of a smooth loss near 10 with a step of 2^-17: rounding 1e-10, curvature 1e-9 of the
    /// gradient.
    private func gradientOfTheNet() throws -> Check {
        let problem = RelaxationProblem(in: try UnitSystem("Pa, K"))
        let positions = (0..<RelaxationTraining.points).map { Double($0) / Double(RelaxationTraining.points - 1) }
        var net = RelaxationNet(seed: 4)
        func loss() throws -> Double {
            try ResidualLoss.nondimensional(problem.residuals(net(positions)), problem).loss
        }
        let outputs = net(positions)
        let byResidual = try ResidualLoss.nondimensional(problem.residuals(outputs), problem).gradient
        let byOutput = problem.pullback(byResidual, at: positions)
        let gradient = net.gradient(outputs, values: byOutput.values, slopes: byOutput.slopes)
        let withoutSlopes = net.gradient(
            outputs, values: byOutput.values, slopes: byOutput.slopes.map { _ in 0 })
        let largest = gradient.map(abs).max() ?? 0
        var (worst, wrong) = (0.0, 0.0)
        for index in stride(from: 0, to: gradient.count, by: 7) {
            let value = net.parameters[index]
            net.parameters[index] = value + 0x1p-17
            let up = try loss()
            net.parameters[index] = value - 0x1p-17
            let difference = (up - (try loss())) / 0x1p-16
            net.parameters[index] = value
            worst = max(worst, abs(gradient[index] - difference) / largest)
            wrong = max(wrong, abs(withoutSlopes[index] - difference) / largest)
        }
        return Check(
            .exact,
            "The gradient of the net's loss, through its derivative by time too, is that of central differences to "
                + "1e-7.",
            .atMost(1e-7), observed: worst, mutant: ("nothing goes through the derivative by time", wrong))
    }
}
