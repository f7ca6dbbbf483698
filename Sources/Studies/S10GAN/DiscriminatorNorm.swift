internal import Normalization
internal import TrainingKit

/// How a discriminator normalizes a batch of real samples and then generated ones.
enum DiscriminatorNorm: String, CaseIterable {
    case none = "none"
    case layerNorm = "LayerNorm"
    case joint = "BatchNorm, joint batch"
    case perSource = "BatchNorm, separate batches"
    case reference = "virtual BatchNorm"
    case detached = "BatchNorm, joint, detached"

    /// Whether a fixed reference batch goes ahead of the samples.
    var hasReferenceBatch: Bool { self == .reference }
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
        case .reference: .reference(try channelMoments(x.sliced(0..<referenceCount), backend: backend))
        case .detached: .reference(try channelMoments(x, backend: backend))
        case .none, .layerNorm, .joint: .joint
        }
    }

    func callAsFunction(_ x: Tensor<Float>) throws -> Traced {
        let w = weight.value
        let (y, statistics) = try channelNormWithStatistics(
            x, over: .batch(try scope(x)), weight: w, bias: bias.value, backend: backend)
        return Traced(y) { [weight, bias, backend] gradient in
            let gradients = try channelNormBackward(gradient, x: x, weight: w, statistics: statistics, backend: backend)
            if let term = gradients.weight { weight.accumulate(term) }
            if let term = gradients.bias { bias.accumulate(term) }
            return gradients.input
        }
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
            try Linear(inputs: inputs, outputs: width, name: "linear\(index)", random: &random, backend: backend))
        switch norm {
        case .none: break
        case .layerNorm: layers.append(try Norm(features: width, name: "norm\(index)", backend: backend))
        default:
            layers.append(
                try DiscriminatorBatchNorm(
                    norm, channels: width, referenceCount: referenceCount, name: "norm\(index)", backend: backend))
        }
        layers.append(Activation.leakyReLU(slope: 0.2))
    }
    layers.append(try Linear(inputs: width, outputs: 1, name: "head", random: &random, backend: backend))
    return Sequential(layers)
}
