internal import Normalization
internal import TrainingKit

/// How a discriminator normalizes a batch of real samples and then generated ones.
enum DiscriminatorNorm: String, CaseIterable {
    case none = "none"
    case layerNorm = "LayerNorm"
    case joint = "BatchNorm, joint batch"
    case perSource = "BatchNorm, separate batches"
    case detached = "BatchNorm, joint, detached"
    case reference = "virtual BatchNorm"
    case detachedReference = "virtual BatchNorm, detached"

    /// Whether a fixed reference batch goes ahead of the samples.
    var hasReferenceBatch: Bool { self == .reference || self == .detachedReference }
}

/// BatchNorm with weight and bias and one of the scopes above, over [samples, channels].
struct DiscriminatorBatchNorm: Layer {
    private let norm: DiscriminatorNorm
    private let referenceCount: Int
    private let weight, bias: Parameter
    private let backend: Backend

    /// - Parameter referenceCount: So many samples at the head of every batch are the reference batch.
    init(_ norm: DiscriminatorNorm, channels: Int, referenceCount: Int, name: String, backend: Backend) throws {
        self.norm = norm
        self.referenceCount = referenceCount
        weight = Parameter(try Tensor(repeating: 1, shape: [channels]), name: name + ".weight")
        bias = Parameter(try Tensor(repeating: 0, shape: [channels]), name: name + ".bias")
        self.backend = backend
    }

    var parameters: [Parameter] { [weight, bias] }

    private func scope(_ x: Tensor<Float>) throws -> BatchScope {
        switch norm {
        case .perSource: .perSource([x.shape[0] / 2, x.shape[0] / 2])
        case .reference, .detachedReference:
            .reference(try channelMoments(x.sliced(0..<referenceCount), backend: backend))
        case .detached: .reference(try channelMoments(x, backend: backend))
        case .none, .layerNorm, .joint: .joint
        }
    }

    func callAsFunction(_ x: Tensor<Float>) throws -> Traced {
        let w = weight.value
        let (y, statistics) = try channelNormWithStatistics(
            x, over: .batch(try scope(x)), weight: w, bias: bias.value, backend: backend)
        return Traced(y) { [norm, weight, bias, backend] gradient in
            let gradients = try channelNormBackward(gradient, x: x, weight: w, statistics: statistics, backend: backend)
            if let term = gradients.weight { weight.accumulate(term) }
            if let term = gradients.bias { bias.accumulate(term) }
            return norm == .reference ? inputGradient(gradients, x: x, weight: w, statistics) : gradients.input
        }
    }

    /// With what goes through the moments of the reference batch, which passes through the same weights: each of its R
    /// samples has w (Σ dy + x̂ Σ dy x̂) / (R s) less, sums over the whole batch.
    private func inputGradient(
        _ gradients: ChannelNormGradients<Float>, x: Tensor<Float>, weight: Tensor<Float>,
        _ statistics: ChannelStatistics
    ) -> Tensor<Float> {
        var input = gradients.input
        guard let ofWeight = gradients.weight?.array, let ofBias = gradients.bias?.array else { return input }
        let channels = statistics.moments.count
        let (moments, w) = (statistics.moments, weight.array)
        x.withSpan { x in
            input.withMutableSpan { input in
                for channel in 0..<channels {
                    let deviation = (moments[channel].variance + Double(statistics.epsilon)).squareRoot()
                    let factor = Double(w[channel]) / (Double(referenceCount) * deviation)
                    for index in stride(from: channel, to: referenceCount * channels, by: channels) {
                        let normalized = (Double(x[index]) - moments[channel].mean) / deviation
                        let term = Double(ofBias[channel]) + normalized * Double(ofWeight[channel])
                        input[index] -= Float(factor * term)
                    }
                }
            }
        }
        return input
    }
}

/// 2-64-64-1 with LeakyReLU(0.2), the norm before each activation.
func discriminator(
    _ norm: DiscriminatorNorm, inputs: Int = 2, width: Int = 64, referenceCount: Int = 0, random: inout RandomStream,
    backend: Backend
) throws -> Sequential {
    var layers: [any Layer] = []
    for (index, inputs) in [inputs, width].enumerated() {
        layers.append(
            try ringLinear(inputs: inputs, outputs: width, name: "linear\(index)", random: &random, backend: backend))
        switch norm {
        case .none: break
        case .layerNorm: layers.append(try Norm(features: width, name: "norm\(index)", backend: backend))
        default:
            layers.append(
                try DiscriminatorBatchNorm(
                    norm, channels: width, referenceCount: referenceCount, name: "norm\(index)", backend: backend))
        }
        layers.append(LeakyReLU(slope: 0.2))
    }
    layers.append(try ringLinear(inputs: width, outputs: 1, name: "head", random: &random, backend: backend))
    return Sequential(layers)
}

/// Weights and biases begin with variance 1 / (3 inputs).
func ringLinear(
    inputs: Int, outputs: Int, name: String, random: inout RandomStream, backend: Backend
) throws -> Linear {
    let deviation = 1 / (3 * Double(inputs)).squareRoot()
    let layer = try Linear(
        inputs: inputs, outputs: outputs, deviation: deviation, name: name, random: &random, backend: backend)
    layer.bias?.value = try random.normal([outputs], deviation: deviation)
    return layer
}

/// max(x, slope · x): TrainingKit's activation of this name without a call an element, a tenth of the study's time.
struct LeakyReLU: Layer {
    let slope: Float

    var parameters: [Parameter] { [] }

    func callAsFunction(_ x: Tensor<Float>) throws -> Traced {
        var y = x
        scale(&y, whereNegative: x)
        return Traced(y) { gradient in
            var gradient = gradient
            scale(&gradient, whereNegative: x)
            return gradient
        }
    }

    private func scale(_ y: inout Tensor<Float>, whereNegative x: Tensor<Float>) {
        x.withSpan { x in
            y.withMutableSpan { y in
                for index in x.indices where !(x[index] > 0) { y[index] *= slope }
            }
        }
    }
}
