// MeanFieldPrediction: what a wide deep net of random weights does to energies, gradients and angles, layer by layer.

public import Normalization

/// How the energies of activations and gradients, and the angle between two inputs, run through a random net: the
/// limit of infinite width, at initialisation.
///
/// Energy is the mean square of a vector's elements. A residual branch f has the gain κ
/// (``branchGain(width:hiddenWidth:)``):
/// it makes energy κe of energy e. A block is one branch and its norm.
///
/// | network | activations E(l) | gradients, a block: E(∂x_l) / E(∂x_l+1) |
/// |---|---|---|
/// | plain, `f(x)` | κ^l | κ |
/// | residual, `x + f(x)` | (1 + κ)^l | 1 + κ |
/// | preNorm | 1 + κl | (1 + κ(l + 1)) / (1 + κl) |
/// | postNorm | 1 | 1 |
/// | branchOutputNorm, periNorm | 1 + l | (2 + l) / (1 + l) |
/// | norm of pre-activations, `norm(W relu(x))` | 1 | 1 |
/// | norm of activations, `norm(relu(W x))`; BatchNorm of pre-activations | 1 | π / (π - 1) |
///
/// ```swift
/// let gain = try MeanFieldPrediction.branchGain(width: 512, hiddenWidth: 2048)      // 0.32
/// let theory = try MeanFieldPrediction(branchGain: gain, placement: .preNorm)
/// theory.activationEnergy(layer: 24)                                                // 8.68
/// let alarms = probe.alarms(against: theory)                                        // probe: a GradientFlowProbe
/// ```
///
/// Trained nets may leave it; nets at initialisation should not. Sources: Xiong et al., 2020; Yang et al., "A Mean
/// Field Theory of Batch Normalization", 2019; Cho and Saul, 2009 (distances).
public struct MeanFieldPrediction: Hashable, Sendable {
    public enum Network: Hashable, Sendable {
        /// x becomes f(x).
        case plain
        /// x becomes x + f(x), with the norm where the placement says, or without one.
        case residual(NormPlacement?)
        /// x becomes norm(W relu(x)): LayerNorm or RMSNorm.
        case normOfPreActivations
        /// x becomes layerNorm(relu(W x)).
        case normOfActivations
        /// x becomes batchNorm(W relu(x)), for batches that are large and inputs that are orthogonal.
        case batchNormOfPreActivations
    }

    public let branchGain: Double
    public let network: Network

    /// - Parameter branchGain: κ; of no effect where a norm stands behind every branch.
    /// - Throws: `NormalizationError` for a gain that is not a finite number above 0.
    public init(branchGain: Double, network: Network) throws(NormalizationError) {
        guard branchGain.isFinite, branchGain > 0 else {
            throw NormalizationError(
                .invalidParameter, argument: "branchGain", expected: "a finite number above 0", given: "\(branchGain)")
        }
        self.branchGain = branchGain
        self.network = network
    }

    /// Of a residual net; `placement` nil: without norms.
    ///
    /// - Throws: `NormalizationError` for a gain that is not a finite number above 0.
    public init(branchGain: Double, placement: NormPlacement?) throws(NormalizationError) {
        try self.init(branchGain: branchGain, network: .residual(placement))
    }

    /// κ = 2 d h / (d + h)² of the branch `W₂ relu(W₁ x)`, d the width and h the hidden width, for weights from
    /// N(0, 2 / (inputs + outputs)) (Xavier): 1/2 for h = d, 0.32 for h = 4d.
    ///
    /// - Throws: `NormalizationError` for a width below 1.
    public static func branchGain(width: Int, hiddenWidth: Int) throws(NormalizationError) -> Double {
        for (count, argument) in [(width, "width"), (hiddenWidth, "hiddenWidth")] where count < 1 {
            throw NormalizationError(.invalidShape, argument: argument, expected: "at least 1", given: "\(count)")
        }
        let (d, h) = (Double(width), Double(hiddenWidth))
        return 2 * d * h / ((d + h) * (d + h))
    }
}

extension MeanFieldPrediction {
    /// What a block adds to the energy of a stream that only grows by sums; nil where a block multiplies it.
    private var growth: Double? {
        switch network {
        case .residual(.preNorm): branchGain
        case .residual(.branchOutputNorm), .residual(.periNorm): 1
        default: nil
        }
    }

    /// E(x_l) before block `layer`, for E(x_0) = 1.
    public func activationEnergy(layer: Int) -> Double {
        if let growth { return 1 + growth * Double(layer) }
        return Self.power(activationFactor(layer: 0), layer)
    }

    /// E(x_l+1) / E(x_l) of block `layer`.
    public func activationFactor(layer: Int) -> Double {
        if let growth { return (1 + growth * Double(layer + 1)) / (1 + growth * Double(layer)) }
        return switch network {
        case .plain: branchGain
        case .residual(nil): 1 + branchGain
        default: 1
        }
    }

    /// E(∂x_l) / E(∂x_l+1) of block `layer`, for gradients of anything at the net's end.
    public func gradientFactor(layer: Int) -> Double {
        switch network {
        case .plain, .residual: activationFactor(layer: layer)
        case .normOfPreActivations: 1
        case .normOfActivations, .batchNormOfPreActivations: Double.pi / (Double.pi - 1)
        }
    }

    /// E(∂x_l) before block `layer` of `depth`, for E(∂x_depth) = 1.
    public func gradientEnergy(layer: Int, depth: Int) -> Double {
        (layer..<max(layer, depth)).reduce(1) { $0 * gradientFactor(layer: $1) }
    }

    /// The distance, 1 - cosine, of two inputs of equal energies before block 0, 1, ... `depth`: `depth` + 1 numbers.
    ///
    /// - Parameter first: Of the inputs themselves; 1: they are orthogonal.
    public func pairDistances(depth: Int, from first: Double = 1) -> [Double] {
        var distances = [first]
        for layer in 0..<max(depth, 0) { distances.append(pairDistance(after: layer, from: distances[layer])) }
        return distances
    }

    /// The distance behind block `layer`, from that before it.
    public func pairDistance(after layer: Int, from distance: Double) -> Double {
        let branch = ArcCosineKernel.distance(distance)
        if let growth {
            let energy = 1 + growth * Double(layer)
            return (energy * distance + growth * branch) / (energy + growth)
        }
        return switch network {
        case .plain, .normOfPreActivations: branch
        case .normOfActivations, .batchNormOfPreActivations: ArcCosineKernel.centredDistance(distance)
        case .residual: (distance + branchGain * branch) / (1 + branchGain)
        }
    }

    private static func power(_ base: Double, _ exponent: Int) -> Double {
        (0..<max(exponent, 0)).reduce(1) { product, _ in product * base }
    }
}
