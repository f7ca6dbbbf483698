// Optimizers: one step along the gradients, which are then cleared.

internal import Normalization

package protocol Optimizer {
    /// - Parameter rate: The learning rate of this step.
    mutating func step(_ parameters: [Parameter], rate: Double)
}

/// value -= rate · gradient.
package struct SGD: Optimizer {
    package init() {}

    package mutating func step(_ parameters: [Parameter], rate: Double) {
        for parameter in parameters {
            parameter.value = parameter.value.zip(parameter.gradient) { $0 - Float(rate) * $1 }
            parameter.clearGradient()
        }
    }
}

/// Kingma and Ba, "Adam", 2015, with bias correction.
package struct Adam: Optimizer {
    private let beta1: Float
    private let beta2: Float
    private let epsilon: Float
    private var steps = 0
    private var moments: [(first: Tensor<Float>, second: Tensor<Float>)] = []

    package init(beta1: Float = 0.9, beta2: Float = 0.999, epsilon: Float = 1e-8) {
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
    }

    /// The parameters must be the same, in the same order, at every step.
    package mutating func step(_ parameters: [Parameter], rate: Double) {
        if moments.isEmpty { moments = parameters.map { ($0.gradient.map { _ in 0 }, $0.gradient.map { _ in 0 }) } }
        precondition(moments.count == parameters.count)
        steps += 1
        let correction1 = 1 - power(Double(beta1), steps)
        let correction2 = 1 - power(Double(beta2), steps)
        let scale = Float(rate / correction1)
        let secondScale = Float(1 / correction2)
        for (index, parameter) in parameters.enumerated() {
            moments[index].first = moments[index].first.zip(parameter.gradient) { $0 + (1 - beta1) * ($1 - $0) }
            moments[index].second = moments[index].second.zip(parameter.gradient) { $0 + (1 - beta2) * ($1 * $1 - $0) }
            let update = moments[index].first.zip(moments[index].second) {
                scale * $0 / ((secondScale * $1).squareRoot() + epsilon)
            }
            parameter.value = parameter.value - update
            parameter.clearGradient()
        }
    }

    /// By repeated multiplication: the same on every machine.
    private func power(_ base: Double, _ exponent: Int) -> Double {
        (0..<exponent).reduce(1) { product, _ in product * base }
    }
}

/// The learning rate as a function of the step, from 0.
package struct WarmupSchedule: Sendable {
    package let peak: Double
    package let warmupSteps: Int

    /// Grows linearly to `peak` over `warmupSteps` steps, then stays.
    package static func linear(peak: Double, steps: Int) -> WarmupSchedule {
        WarmupSchedule(peak: peak, warmupSteps: steps)
    }

    package static func constant(_ rate: Double) -> WarmupSchedule { WarmupSchedule(peak: rate, warmupSteps: 0) }

    package subscript(step: Int) -> Double {
        step < warmupSteps ? peak * Double(step + 1) / Double(warmupSteps) : peak
    }
}
