// Transformer: feed-forward nets and residual blocks with a norm at each place where one can stand.

package import Normalization

/// W₂ relu(W₁ x).
package struct FeedForward: Layer {
    package let first, second: Linear
    private let chain: Sequential

    /// - Parameter deviation: Of the initial weights; nil: Xavier's.
    package init(
        width: Int, hiddenWidth: Int, deviation: Double? = nil, hasBias: Bool = true, name: String = "feedForward",
        random: inout RandomStream, backend: Backend
    ) throws {
        first = try Linear(
            inputs: width, outputs: hiddenWidth, deviation: deviation, hasBias: hasBias, name: name + ".first",
            random: &random, backend: backend)
        second = try Linear(
            inputs: hiddenWidth, outputs: width, deviation: deviation, hasBias: hasBias, name: name + ".second",
            random: &random, backend: backend)
        chain = Sequential(first, Activation.relu, second)
    }

    package var parameters: [Parameter] { chain.parameters }

    package func callAsFunction(_ x: Tensor<Float>) throws -> Traced { try chain(x) }
}

/// A branch, the residual path around it, and LayerNorm where the placement says.
package struct ResidualBlock: Layer {
    private let block: any Layer

    /// - Parameter placement: Nil: no norm.
    package init(
        _ branch: some Layer, width: Int, placement: NormPlacement?, isLearned: Bool = true, backend: Backend
    ) throws {
        func norm() throws -> Norm { try Norm(features: width, isLearned: isLearned, backend: backend) }
        block =
            switch placement {
            case nil: Residual(branch)
            case .preNorm: Residual(Sequential(try norm(), branch))
            case .postNorm: Sequential(Residual(branch), try norm())
            case .branchOutputNorm: Residual(Sequential(branch, try norm()))
            case .periNorm: Residual(Sequential(try norm(), branch, try norm()))
            }
    }

    package var parameters: [Parameter] { block.parameters }

    package func callAsFunction(_ x: Tensor<Float>) throws -> Traced { try block(x) }
}

/// Self-attention, then a feed-forward net, each a residual block.
package struct TransformerBlock: Layer {
    private let blocks: Sequential

    /// - Parameter placement: Nil: no norms.
    package init(
        attention: SelfAttention, feedForward: FeedForward, width: Int, placement: NormPlacement?,
        isLearned: Bool = true,
        backend: Backend
    ) throws {
        blocks = Sequential(
            try ResidualBlock(attention, width: width, placement: placement, isLearned: isLearned, backend: backend),
            try ResidualBlock(feedForward, width: width, placement: placement, isLearned: isLearned, backend: backend))
    }

    package var parameters: [Parameter] { blocks.parameters }

    package func callAsFunction(_ x: Tensor<Float>) throws -> Traced { try blocks(x) }

    /// Whether a chain of such blocks leaves a stream that grew with depth, so that a norm must follow the last one.
    package static func needsFinalNorm(_ placement: NormPlacement?) -> Bool {
        placement.map { $0 != .postNorm } ?? false
    }
}
