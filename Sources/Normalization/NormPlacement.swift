internal import KernelBridge
public import Tensors

/// Where the normalization of a residual block x ↦ x + f(x) stands.
public enum NormPlacement: String, CaseIterable, Hashable, Sendable {
    /// `x + f(norm(x))`: GPT-2 (Radford et al., 2019); Xiong et al., "On Layer Normalization in the Transformer
    /// Architecture", 2020.
    case preNorm
    /// `norm(x + f(x))`: the first Transformer (Vaswani et al., 2017).
    case postNorm
    /// `x + norm(f(x))`: Swin V2 (Liu et al., 2022), OLMo 2 (2024).
    case branchOutputNorm
    /// `x + branchNorm(f(norm(x)))`: Kim et al., "Peri-LN", 2025; Gemma 2.
    case periNorm
}

extension NormPlacement {
    /// Joins a branch's output to the residual stream, and gives what the next branch reads, with as few passes over memory
    /// as the placement allows.
    ///
    /// | placement | stream | branchInput |
    /// |---|---|---|
    /// | preNorm | x + branch | norm(stream) |
    /// | postNorm | norm(x + branch) | stream |
    /// | branchOutputNorm | x + branchNorm(branch) | stream |
    /// | periNorm | x + branchNorm(branch) | norm(stream) |
    ///
    /// - Parameters:
    ///   - x: The residual stream.
    ///   - branch: What the branch made of its input, of the shape of `x`.
    ///   - norm: The norm of the next branch's input (pre-norm, peri-norm), or of the sum (post-norm); not used by
    ///     branch-output norm.
    ///   - branchNorm: The norm of the branch's output; not used by pre-norm and post-norm.
    /// - Throws: `NormalizationError` for shapes that do not fit.
    public func join<Element: KernelElement>(
        _ x: Tensor<Element>, branch: Tensor<Element>, norm: some NormLayer, branchNorm: some NormLayer
    ) throws(NormalizationError) -> (stream: Tensor<Element>, branchInput: Tensor<Element>) {
        switch self {
        case .preNorm:
            let result = try norm(x, adding: branch)
            return (result.sum, result.output)
        case .postNorm:
            let result = try norm(x, adding: branch)
            return (result.output, result.output)
        case .branchOutputNorm:
            let stream = try branchNorm(branch, addedTo: x)
            return (stream, stream)
        case .periNorm:
            let stream = try branchNorm(branch, addedTo: x)
            return (stream, try norm(stream))
        }
    }
}

extension NormTerms {
    /// addend + norm(x), rounded once.
    func normalized<Element: KernelElement>(
        _ x: Tensor<Element>, addedTo addend: Tensor<Element>, backend: Backend
    ) throws(NormalizationError) -> Tensor<Element> {
        let columns = try validatedColumns(x, nil)
        try validate(shape: addend.shape, is: x.shape, argument: "x")
        var y = Tensor<Element>(uninitializedLike: x.shape)
        if let run = try backend.kernelRun() {
            try NormKernels.forward(
                contiguous, x.contiguous(), addend: addend.contiguous(), outputs: .init(output: y), run: run)
        } else {
            let normalized = reference(x.widenedArray, columns: columns).y
            y.assign(rounding: zip(normalized, addend.widenedArray).map { $0 + $1 })
        }
        return y
    }
}
