package import Normalization

/// y = x Wᵀ + b over the last axis, W [outputs, inputs].
package struct Linear: Layer {
    package let weight: Parameter
    package let bias: Parameter?
    package let backend: Backend

    /// - Parameter deviation: Of the normal numbers that the weights begin as; nil: Xavier's, sqrt(2 / (inputs +
    ///   outputs)).
    package init(
        inputs: Int, outputs: Int, deviation: Double? = nil, hasBias: Bool = true, name: String = "linear",
        random: inout RandomStream, backend: Backend
    ) throws {
        let deviation = deviation ?? (2 / Double(inputs + outputs)).squareRoot()
        weight = Parameter(try random.normal([outputs, inputs], deviation: deviation), name: name + ".weight")
        bias = hasBias ? Parameter(try Tensor(repeating: 0, shape: [outputs]), name: name + ".bias") : nil
        self.backend = backend
    }

    /// Of a given weight, without a bias.
    package init(weight: Tensor<Float>, name: String = "linear", backend: Backend) {
        self.weight = Parameter(weight, name: name + ".weight")
        bias = nil
        self.backend = backend
    }

    package var parameters: [Parameter] { bias.map { [weight, $0] } ?? [weight] }

    package func callAsFunction(_ x: Tensor<Float>) throws -> Traced {
        let w = weight.value
        let rows = try x.asRows()
        var y = try matmul(rows, w.transposed(0, 1), backend: backend)
        if let bias { y = y.adding(row: bias.value) }
        let shape = Shape(Array(x.shape.extents.dropLast()) + [w.shape[0]])
        return Traced(try y.reshaped(to: shape)) { [weight, bias, backend] gradient in
            let g = try gradient.asRows()
            weight.accumulate(try matmul(g.transposed(0, 1), rows, backend: backend))
            bias?.accumulate(g.columnSums())
            return try matmul(g, w, backend: backend).reshaped(to: x.shape)
        }
    }
}
