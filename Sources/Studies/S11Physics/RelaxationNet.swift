internal import TrainingKit
private import Foundation

/// A net 1-24-24-2 with tanh, in double precision, its derivative by its input in forward mode, and the gradient of
/// both.
struct RelaxationNet {
    static let width = 24

    /// W1 [24], b1 [24], W2 [24, 24], b2 [24], W3 [2, 24], b3 [2].
    var parameters: [Double]

    private static let b1 = width
    private static let w2 = 2 * width
    private static let b2 = w2 + width * width
    private static let w3 = b2 + width
    private static let b3 = w3 + 2 * width

    /// The variance that normal weights begin with.
    enum Start {
        /// 1 / inputs.
        case inputs
        /// 2 / (inputs + outputs), after Xavier Glorot: 0.28 of the deviation in the first layer.
        case xavier
    }

    /// Normal weights, biases 0.
    init(seed: UInt64, start: Start = .inputs) {
        var random = RandomStream(seed: seed, stream: 11)
        parameters = [Double](repeating: 0, count: Self.b3 + 2)
        func fill(_ range: Range<Int>, inputs: Int) {
            let outputs = range.count / inputs
            let variance = start == .inputs ? 1 / Double(inputs) : 2 / Double(inputs + outputs)
            for index in range { parameters[index] = variance.squareRoot() * random.normal() }
        }
        fill(0..<Self.width, inputs: 1)
        fill(Self.w2..<Self.b2, inputs: Self.width)
        fill(Self.w3..<Self.b3, inputs: Self.width)
    }

    /// Two outputs a position, their derivatives by the position, and what the gradient needs.
    struct Outputs {
        let positions: [Double]
        var values: [Double]
        var slopes: [Double]
        /// Activations, and derivatives of pre-activations by the position, [position, unit].
        fileprivate var first, firstSlope, second, secondSlope: [Double]
    }

    func callAsFunction(_ positions: [Double]) -> Outputs {
        let width = Self.width
        let hidden = [Double](repeating: 0, count: positions.count * width)
        let pairs = [Double](repeating: 0, count: positions.count * 2)
        var out = Outputs(
            positions: positions, values: pairs, slopes: pairs, first: hidden, firstSlope: hidden, second: hidden,
            secondSlope: hidden)
        for (i, s) in positions.enumerated() {
            let row = i * width
            for j in 0..<width {
                out.first[row + j] = tanh(parameters[j] * s + parameters[Self.b1 + j])
                out.firstSlope[row + j] = parameters[j]
            }
            for j in 0..<width {
                var z = parameters[Self.b2 + j]
                var slope = 0.0
                for k in 0..<width {
                    let w = parameters[Self.w2 + j * width + k]
                    let a = out.first[row + k]
                    z += w * a
                    slope += w * ((1 - a * a) * out.firstSlope[row + k])
                }
                out.second[row + j] = tanh(z)
                out.secondSlope[row + j] = slope
            }
            for o in 0..<2 {
                var value = parameters[Self.b3 + o]
                var slope = 0.0
                for k in 0..<width {
                    let w = parameters[Self.w3 + o * width + k]
                    let a = out.second[row + k]
                    value += w * a
                    slope += w * ((1 - a * a) * out.secondSlope[row + k])
                }
                out.values[2 * i + o] = value
                out.slopes[2 * i + o] = slope
            }
        }
        return out
    }

    /// The gradient of the parameters for gradients of values and slopes.
    func gradient(_ out: Outputs, values: [Double], slopes: [Double]) -> [Double] {
        let width = Self.width
        var gradient = [Double](repeating: 0, count: parameters.count)
        var (ga, gs) = ([Double](repeating: 0, count: width), [Double](repeating: 0, count: width))
        for (i, s) in out.positions.enumerated() {
            let row = i * width
            // Through the last layer to activations and slopes of activations, then to pre-activations.
            let (v0, v1, s0, s1) = (values[2 * i], values[2 * i + 1], slopes[2 * i], slopes[2 * i + 1])
            gradient[Self.b3] += v0
            gradient[Self.b3 + 1] += v1
            var (gz, gzs) = (ga, gs)
            for k in 0..<width {
                let a = out.second[row + k]
                let d = 1 - a * a
                let slope = out.secondSlope[row + k]
                let (w0, w1) = (parameters[Self.w3 + k], parameters[Self.w3 + width + k])
                gradient[Self.w3 + k] += v0 * a + s0 * (d * slope)
                gradient[Self.w3 + width + k] += v1 * a + s1 * (d * slope)
                let g = v0 * w0 + v1 * w1
                let h = s0 * w0 + s1 * w1
                gzs[k] = d * h
                gz[k] = d * (g - 2 * a * slope * h)
                gradient[Self.b2 + k] += gz[k]
                (ga[k], gs[k]) = (0, 0)
            }
            for j in 0..<width {
                let (g, h) = (gz[j], gzs[j])
                for k in 0..<width {
                    let a = out.first[row + k]
                    let w = parameters[Self.w2 + j * width + k]
                    gradient[Self.w2 + j * width + k] += g * a + h * ((1 - a * a) * out.firstSlope[row + k])
                    ga[k] += g * w
                    gs[k] += h * w
                }
            }
            for k in 0..<width {
                let a = out.first[row + k]
                let d = 1 - a * a
                let g = d * (ga[k] - 2 * a * out.firstSlope[row + k] * gs[k])
                gradient[k] += g * s + d * gs[k]
                gradient[Self.b1 + k] += g
            }
        }
        return gradient
    }
}
