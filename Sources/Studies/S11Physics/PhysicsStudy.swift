internal import Plots

/// S11: LayerNorm over the residuals of a physics-informed net, which have different units.
package struct PhysicsStudy: Study {
    package init() {}

    package var number: Int { 11 }
    package var name: String { "physics" }

    package var story: StudyStory {
        StudyStory(
            title: "Physics-informed nets: LayerNorm over residuals with different units",
            claim:
                "Residuals of different equations have different sizes. LayerNorm over them balances the equations; "
                    + "where units differ, make residuals dimensionless first and then normalize.",
            question: "Does a loss of normalized residuals depend on units, and does it still measure an error?",
            prediction: [
                "LN(k r) = LN(r) for one common k > 0, but not for one k a component; as one unit shrinks, LN tends to "
                    + "(sqrt(K - 1), -1 / sqrt(K - 1), ...) and the gradient at the others to 0.",
                "|LN(r)|² = K var / (var + epsilon): the loss is constant for every K, its gradient a remainder of "
                    + "epsilon.",
                "r = c (1, ..., 1) has an LN loss of 0, whatever c.",
                "r / R with characteristic values R in the same units does not change with units; with powers of two "
                    + "no bit does.",
                "n variables with a dimension matrix of rank q have n - q pure products; what depends on these alone "
                    + "does not depend on units.",
            ],
            method: "Identities in double precision and in the float32 kernels. Then a net 1-24-24-2 with tanh learns "
                + "dp/dt = -(p - pₐ)/2 s, dT/dt = -(T - Tₐ)/5 s + κ(p - pₐ) on 41 points from its residuals alone, by "
                + "Adam at 3e-3, in six systems of units and with six losses; the solution is known in closed form.",
            verdict: .partly,
            verdictText:
                "Over mixed units LN is meaningless, and nondimensional residuals cure that; but LN as a loss stays "
                    + "constant, with or without units.",
            corrections: [
                "That LN may be applied once residuals are dimensionless is half true. Inside a net it may. As a loss "
                    + "it is as constant as before, and equal residuals of any size count as none.",
                "Even a detached scale, residuals over their own root mean square, is not free: it enlarges the "
                    + "gradient as residuals shrink, so that at a constant rate the net stays 2 to 21 times further "
                    + "from the solution, and 26 to 96 times from Xavier's weights, smaller in the first layer. "
                    + "Characteristic values must be constants of the problem, not statistics of the residuals.",
                "Identical errors in all units need a training that does not amplify rounding. With residuals over (p₀ "
                    + "- pₐ)/τ instead of over (p₀ - pₐ)/duration, and smaller first weights, 1500 steps enlarged "
                    + "roundings of 1e-16 to 0.3 % of the error; powers of two gave the same bits still.",
                "Epsilon has the unit of a variance: 1e-5 Pa² and 1e-5 MPa² are different regularisers.",
                "Raw residuals do not fail in every unit. In pascals the net learned both fields, since Adam scales "
                    + "every parameter's step by itself; a good result in one unit says nothing.",
                "A low raw loss is no success: the loss in MPa is far below the one in Pa, and the solution far worse.",
            ],
            tools: [
                "DimensionedVector<PressureRate>  // adding, joining or normalizing different units does not compile.",
                "ResidualScales(pressureScale, temperatureScale).meanSquares(rp, rT)  // a loss without units.",
                "UnitInvarianceReport(of: quantities, in: systems) { [loss($0)] }  // does your loss depend on units?",
                "BuckinghamPi(variables)  // the pure products that a net should see.",
            ],
            sources: [
                "Wang, Sankaran, Wang, Perdikaris, An Expert's Guide to Training Physics-informed Neural Networks, "
                    + "2023",
                "Buckingham, On Physically Similar Systems, 1914", "Ba, Kiros, Hinton, Layer Normalization, 2016",
            ])
    }

    package func run(_ context: StudyContext) throws -> StudyResult {
        context.progress("identities")
        let units = MixedUnits(backend: context.backend)
        var result = StudyResult(
            seeds: UnitsInTraining.seeds,
            parameters: [
                "p: 1.5e5 to 1e5 Pa in 2 s; T: 350 to 300 K in 5 s; κ = 1e-4 K/(Pa s); 10 s",
                "net 1-24-24-2, tanh, float64",
                "\(RelaxationTraining.points) points, Adam at 3e-3, \(UnitsInTraining.stepCount) steps", "epsilon 1e-5",
            ],
            checks: try units.checks() + Nondimensional(backend: context.backend).checks(),
            figures: [
                Figure(
                    caption: "Five residuals, all multiplied by one factor: their mean square tells how wrong they"
                        + " are, the loss behind LayerNorm stays 1 until epsilon takes over.",
                    panels: [units.lossPanel()])
            ])
        guard context.mode == .full else {
            result.notMeasured = "errors and losses of trained nets, in any units"
            return result
        }
        let training = try UnitsInTraining(context)
        result.checks += training.checks
        result.tables = training.tables
        result.figures += training.figures
        return result
    }
}
