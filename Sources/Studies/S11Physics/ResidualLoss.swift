internal import NormalizationDiagnostics
internal import ReferenceKernels

/// What is made of the residuals of both equations: a number and its gradient by each residual.
enum ResidualLoss: String {
    case raw = "raw"
    case nondimensional = "nondimensional"
    case normalizedPerPoint = "LN over both residuals of a point"
    case normalizedTogether = "LN over all residuals"
    case nondimensionalThenNormalized = "nondimensional, then LN over all"
    case detachedRootMeanSquare = "nondimensional, over its detached RMS"

    func callAsFunction(
        _ r: Residuals, _ problem: RelaxationProblem, epsilon: Double = 1e-5
    ) throws -> (loss: Double, gradient: Residuals) {
        let n = r.pressure.count
        switch self {
        case .raw:
            return (meanSquare(r.pressure) + meanSquare(r.temperature), scaled(r, 2 / Double(n), 2 / Double(n)))
        case .nondimensional:
            let pure = try pureNumbers(r, problem)
            let loss = try problem.scales().meanSquares(DimensionedVector(r.pressure), DimensionedVector(r.temperature))
            let (p, t) = (2 / Double(n) / problem.pressureRate, 2 / Double(n) / problem.temperatureRate)
            return (loss, scaled(pure, p, t))
        case .normalizedPerPoint:
            let pairs = zip(r.pressure, r.temperature).flatMap { [$0, $1] }
            let (loss, g) = Self.normalizedSquares(pairs, columns: 2, epsilon: epsilon)
            return (
                loss,
                Residuals(pressure: (0..<n).map { g[2 * $0] }, temperature: (0..<n).map { g[2 * $0 + 1] })
            )
        case .normalizedTogether:
            return Self.normalizedTogether(r, epsilon: epsilon)
        case .nondimensionalThenNormalized:
            let (loss, g) = try Self.normalizedTogether(pureNumbers(r, problem), epsilon: epsilon)
            return (loss, scaled(g, 1 / problem.pressureRate, 1 / problem.temperatureRate))
        case .detachedRootMeanSquare:
            let pure = try pureNumbers(r, problem)
            let (p, t) = (meanSquare(pure.pressure), meanSquare(pure.temperature))
            let loss = p / p + t / t
            return (
                loss,
                scaled(pure, 2 / Double(n) / p / problem.pressureRate, 2 / Double(n) / t / problem.temperatureRate)
            )
        }
    }

    /// The mean of the squares of LN over rows of `columns`, and its gradient.
    static func normalizedSquares(_ x: [Double], columns: Int, epsilon: Double) -> (loss: Double, gradient: [Double]) {
        let y = PlainNorm<Double>.forward(.layerNorm, x, columns: columns, weight: nil, bias: nil, epsilon: epsilon)
        let dy = y.map { 2 * $0 / Double(y.count) }
        let dx = PlainNorm<Double>.backward(.layerNorm, dy, x: x, columns: columns, weight: nil, epsilon: epsilon).dx
        return (y.reduce(0) { $0 + $1 * $1 } / Double(y.count), dx)
    }

    private static func normalizedTogether(_ r: Residuals, epsilon: Double) -> (loss: Double, gradient: Residuals) {
        let n = r.pressure.count
        let (loss, g) = normalizedSquares(r.pressure + r.temperature, columns: 2 * n, epsilon: epsilon)
        return (loss, Residuals(pressure: Array(g[..<n]), temperature: Array(g[n...])))
    }

    private func pureNumbers(_ r: Residuals, _ problem: RelaxationProblem) throws(NormalizationError) -> Residuals {
        let pure = try problem.scales().nondimensionalised(
            DimensionedVector(r.pressure), DimensionedVector(r.temperature))
        return Residuals(pressure: pure[0].values, temperature: pure[1].values)
    }

    private func meanSquare(_ x: [Double]) -> Double { x.reduce(0) { $0 + $1 * $1 } / Double(x.count) }

    private func scaled(_ r: Residuals, _ pressure: Double, _ temperature: Double) -> Residuals {
        Residuals(pressure: r.pressure.map { pressure * $0 }, temperature: r.temperature.map { temperature * $0 })
    }
}
