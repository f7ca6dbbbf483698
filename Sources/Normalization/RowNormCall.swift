// RowNormCall: what layerNorm and rmsNorm share: checks, then the kernels or the reference.

internal import KernelBridge
internal import ReferenceKernels
internal import Tensors

extension RowNorm {
    /// `x` normalized into `y`, which is not shared.
    @_specialize(where Element == Float, Parameter == Float)
    @_specialize(where Element == BFloat16, Parameter == Float)
    @_specialize(where Element == BFloat16, Parameter == BFloat16)
    func normalize<Element: KernelElement, Parameter: KernelElement>(
        _ x: Tensor<Element>, weight: Tensor<Parameter>?, bias: Tensor<Parameter>?, weightOffset: Float = 0,
        epsilon: Float, into y: inout Tensor<Element>, backend: Backend
    ) throws(NormalizationError) {
        let columns = try validatedColumns(x.shape, weight: weight, bias: bias, epsilon: epsilon)
        try validate(finite: weightOffset, argument: "weightOffset")
        try validate(shape: y.shape, is: x.shape, argument: "y")
        guard y.hasContiguousRows else { throw .rowsNotContiguous(argument: "y", strides: y.strides) }
        guard let run = try backend.kernelRun() else {
            let terms = NormTerms(self, weight: weight, bias: bias, weightOffset: weightOffset, epsilon: epsilon)
            y.assign(rounding: terms.reference(x.widenedArray, columns: columns).y)
            return
        }
        y.makeUniqueForOverwriting()
        if x.hasContiguousRows, weight.isDense(), bias.isDense() {
            try NormKernels.forward(
                self, x, weight: weight, bias: bias, weightOffset: weightOffset, epsilon: epsilon, output: y,
                statistics: nil, run: run)
        } else {
            try NormKernels.forward(
                self, x.contiguous(), weight: weight?.contiguous(), bias: bias?.contiguous(), weightOffset: weightOffset,
                epsilon: epsilon, output: y, statistics: nil, run: run)
        }
    }

    /// `x` replaced by its normalized values.
    func normalize<Element: KernelElement, Parameter: KernelElement>(
        inPlace x: inout Tensor<Element>, weight: Tensor<Parameter>?, bias: Tensor<Parameter>?, weightOffset: Float = 0,
        epsilon: Float, backend: Backend
    ) throws(NormalizationError) {
        let columns = try validatedColumns(x.shape, weight: weight, bias: bias, epsilon: epsilon)
        try validate(finite: weightOffset, argument: "weightOffset")
        guard x.hasContiguousRows else { throw .rowsNotContiguous(argument: "x", strides: x.strides) }
        guard let run = try backend.kernelRun() else {
            let terms = NormTerms(self, weight: weight, bias: bias, weightOffset: weightOffset, epsilon: epsilon)
            x.assign(rounding: terms.reference(x.widenedArray, columns: columns).y)
            return
        }
        x.makeUnique()
        try NormKernels.forward(
            self, x, weight: weight?.contiguous(), bias: bias?.contiguous(), weightOffset: weightOffset,
            epsilon: epsilon, output: x, statistics: nil, run: run)
    }

    /// The normalized values and the statistics of the rows.
    func withStatistics<Element: KernelElement, Parameter: KernelElement>(
        _ x: Tensor<Element>, weight: Tensor<Parameter>?, bias: Tensor<Parameter>?, weightOffset: Float = 0,
        epsilon: Float, backend: Backend
    ) throws(NormalizationError) -> (output: Tensor<Element>, statistics: RowStatistics) {
        let columns = try validatedColumns(x.shape, weight: weight, bias: bias, epsilon: epsilon)
        try validate(finite: weightOffset, argument: "weightOffset")
        var y = Tensor<Element>(uninitializedLike: x.shape)
        var statistics = RowStatistics(uninitializedFor: x.shape)
        if let run = try backend.kernelRun() {
            try NormKernels.forward(
                self, x.hasContiguousRows ? x : x.contiguous(), weight: weight?.contiguous(), bias: bias?.contiguous(),
                weightOffset: weightOffset, epsilon: epsilon, output: y, statistics: statistics, run: run)
        } else {
            let terms = NormTerms(self, weight: weight, bias: bias, weightOffset: weightOffset, epsilon: epsilon)
            let result = terms.reference(x.widenedArray, columns: columns)
            y.assign(rounding: result.y)
            statistics.assign(result)
        }
        return (y, statistics)
    }
}

extension NormTerms {
    /// The normalization of dense rows in plain Swift.
    func reference(_ x: [Float], columns: Int) -> NormReference<Float>.Output {
        NormReference.forward(
            norm, x, columns: columns, weight: offsetWeight, bias: bias?.widenedArray, epsilon: epsilon)
    }

    /// weight + weightOffset; nil stands for ones.
    var offsetWeight: [Float]? {
        let weight = weight?.widenedArray
        return weightOffset == 0 ? weight : weight?.map { $0 + weightOffset }
    }
}

extension RowStatistics {
    mutating func assign(_ result: NormReference<Float>.Output) {
        mean.assign(result.mean)
        meanLow.assign(result.meanLow)
        reciprocalDeviation.assign(result.rstd)
    }
}

extension Tensor where Element: KernelElement {
    /// The elements in row-major order as floats.
    var widenedArray: [Float] {
        @_specialize(where Element == Float)
        @_specialize(where Element == BFloat16)
        get { array.map(\.widened) }
    }

    /// Writes `elements`, each rounded once, keeping this tensor's layout.
    @_specialize(where Element == Float)
    @_specialize(where Element == BFloat16)
    mutating func assign(rounding elements: [Float]) { assign(elements.map { Element(rounding: $0) }) }
}

extension Optional {
    /// Whether no copy is needed to hand this tensor to a kernel.
    func isDense<Element>() -> Bool where Wrapped == Tensor<Element> {
        switch self {
        case .none: true
        case .some(let tensor): tensor.isContiguous
        }
    }
}

/// The checks of every forward call; returns the extent of the last axis.
func validatedColumns<Parameter: KernelElement>(
    _ shape: Shape, weight: Tensor<Parameter>?, bias: Tensor<Parameter>?, epsilon: Float
) throws(NormalizationError) -> Int {
    let columns = try validatedColumns(of: shape, argument: "x")
    try validate(parameter: weight, columns: columns, argument: "weight")
    try validate(parameter: bias, columns: columns, argument: "bias")
    try validate(epsilon: epsilon)
    return columns
}

extension NormalizationError {
    static func rowsNotContiguous(argument: String, strides: [Int]) -> NormalizationError {
        NormalizationError(
            .unsupportedLayout, argument: argument, expected: "a contiguous last axis", given: "strides \(strides)")
    }
}
