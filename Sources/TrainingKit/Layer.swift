// Layer: what a net is made of. A layer is called, gives its value and a pullback; the pullback takes the gradient of
// the value, adds to the gradients of the layer's parameters, and returns the gradient of the input.
//
// Nothing here is differentiated automatically: every pullback is written out and checked against finite differences.

package import Normalization

/// Numbers that are learned, and the gradient that pullbacks have added up since the last step.
package final class Parameter {
    package var value: Tensor<Float>
    package var gradient: Tensor<Float>
    package let name: String

    package init(_ value: Tensor<Float>, name: String) {
        self.value = value
        self.name = name
        gradient = value.map { _ in 0 }
    }

    package func accumulate(_ term: Tensor<Float>) { gradient.add(term) }
    package func clearGradient() { gradient = value.map { _ in 0 } }
}

package typealias Pullback = (Tensor<Float>) throws -> Tensor<Float>

/// A value, and how a gradient goes back from it to the input.
package struct Traced {
    package let value: Tensor<Float>
    package let pullback: Pullback

    package init(_ value: Tensor<Float>, pullback: @escaping Pullback) {
        self.value = value
        self.pullback = pullback
    }
}

package protocol Layer {
    var parameters: [Parameter] { get }
    func callAsFunction(_ x: Tensor<Float>) throws -> Traced
}

/// Layers, one after the other.
package struct Sequential: Layer {
    package let layers: [any Layer]

    package init(_ layers: [any Layer]) { self.layers = layers }
    package init(_ layers: any Layer...) { self.layers = layers }

    package var parameters: [Parameter] { layers.flatMap(\.parameters) }

    package func callAsFunction(_ x: Tensor<Float>) throws -> Traced {
        var value = x
        var pullbacks: [Pullback] = []
        for layer in layers {
            let traced = try layer(value)
            value = traced.value
            pullbacks.append(traced.pullback)
        }
        return Traced(value) { [pullbacks] gradient in try pullbacks.reversed().reduce(gradient) { try $1($0) } }
    }
}

/// x + branch(x).
package struct Residual: Layer {
    package let branch: any Layer

    package init(_ branch: any Layer) { self.branch = branch }

    package var parameters: [Parameter] { branch.parameters }

    package func callAsFunction(_ x: Tensor<Float>) throws -> Traced {
        let traced = try branch(x)
        return Traced(x + traced.value) { gradient in gradient + (try traced.pullback(gradient)) }
    }
}
