public import Normalization

/// How a branch's output f joins the residual stream x.
///
/// ```swift
/// let update = ResidualUpdate.orthogonal
/// let h = try update.join(x, update: f)
/// let gradients = try update.backward(gradient, x: x, update: f)      // .input, .update
/// ```
/// Source: Oh, Cho, Kim, Choi, Yu, "Revisiting Residual Connections: Orthogonal Updates for Stable and Efficient Deep
/// Networks", 2025.
public enum ResidualUpdate: Hashable, Sendable {
    /// h = x + f.
    case linear
    /// h = x + f - x <x, f> / (<x, x> + epsilon), by `orthogonalResidualAdd`.
    case orthogonal
    /// The orthogonal update with this probability, else the linear one.
    case orthogonalStochastic(Double)

    /// Gradients for both arguments of ``ResidualUpdate/join(_:update:scope:centred:epsilon:uniform:backend:)``.
    public struct Gradients: Sendable {
        public let input: Tensor<Float>
        public let update: Tensor<Float>
    }

    /// The new stream.
    ///
    /// - Parameters:
    ///   - x: The stream.
    ///   - f: The branch's output, of the shape of `x`.
    ///   - scope: The vectors that are projected.
    ///   - centred: Whether vectors are taken without their means.
    ///   - epsilon: Added to <x, x>; see `orthogonalResidualAdd`.
    ///   - uniform: A random number within 0 ..< 1, a fresh one for each block and step, which decides
    ///     ``orthogonalStochastic(_:)``: orthogonal below its probability. The others do not look at it.
    /// - Throws: `NormalizationError` for shapes that do not fit, an epsilon that is negative, infinite or NaN, a
    ///   probability or `uniform` outside its range, or a backend that is not here.
    public func join(
        _ x: Tensor<Float>, update f: Tensor<Float>, scope: ProjectionScope = .feature, centred: Bool = false,
        epsilon: Float = 1e-6, uniform: Double = 0, backend: Backend = .automatic
    ) throws(NormalizationError) -> Tensor<Float> {
        if try isOrthogonal(uniform: uniform) {
            return try orthogonalResidualAdd(
                x, update: f, scope: scope, centred: centred, epsilon: epsilon, backend: backend)
        }
        guard x.shape == f.shape else {
            throw NormalizationError(
                .shapeMismatch, argument: "update", expected: "shape \(x.shape)", given: "\(f.shape)")
        }
        return try Tensor(zip(x.array, f.array).map { $0 + $1 }, shape: x.shape)
    }

    /// The pullback of ``join(_:update:scope:centred:epsilon:uniform:backend:)``, with the same arguments. It is exact:
    /// that the projection depends on x is part of the gradient.
    ///
    /// - Throws: As `join`.
    public func backward(
        _ outputGradient: Tensor<Float>, x: Tensor<Float>, update f: Tensor<Float>, scope: ProjectionScope = .feature,
        centred: Bool = false, epsilon: Float = 1e-6, uniform: Double = 0, backend: Backend = .automatic
    ) throws(NormalizationError) -> Gradients {
        if try isOrthogonal(uniform: uniform) {
            let gradients = try orthogonalResidualAddBackward(
                outputGradient, x: x, update: f, scope: scope, centred: centred, epsilon: epsilon, backend: backend)
            return Gradients(input: gradients.input, update: gradients.update)
        }
        for (argument, given) in [("update", f.shape), ("outputGradient", outputGradient.shape)] where given != x.shape
        {
            throw NormalizationError(
                .shapeMismatch, argument: argument, expected: "shape \(x.shape)", given: "\(given)")
        }
        return Gradients(input: outputGradient, update: outputGradient)
    }

    private func isOrthogonal(uniform: Double) throws(NormalizationError) -> Bool {
        guard uniform >= 0, uniform < 1 else {
            throw NormalizationError(
                .outOfRange, argument: "uniform", expected: "a number within 0 ..< 1", given: "\(uniform)")
        }
        switch self {
        case .linear: return false
        case .orthogonal: return true
        case .orthogonalStochastic(let probability):
            guard probability >= 0, probability <= 1 else {
                throw NormalizationError(
                    .outOfRange, argument: "probability", expected: "a number of 0 ... 1", given: "\(probability)")
            }
            return uniform < probability
        }
    }
}
