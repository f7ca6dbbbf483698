// Every operator of the family as what it makes of the rows of a matrix, so that one test goes over all of them.

internal import Normalization
internal import Verification

/// The ways in which this package normalizes rows, each on its own.
enum NormForm: String, CaseIterable, Sendable {
    case layerNorm, axis, residual, segments, neighbourhoods, batch, group, instances, instancesLast, byMoments
    case rmsNorm, rmsAxis, rmsResidual, rmsSegments

    static let layerNorms = allCases.filter { !$0.isRMS }
    static let rmsNorms = allCases.filter(\.isRMS)

    var isRMS: Bool { [.rmsNorm, .rmsAxis, .rmsResidual, .rmsSegments].contains(self) }

    struct Result<Element: KernelElement> {
        var output: Tensor<Element>
        var inputGradient: Tensor<Element>
        var weightGradient: [Float]
        var bias: [Float]
    }

    /// Elements of weight and bias: one a column, but of channels and heads.
    private func parameterCount(_ shape: Shape) -> Int {
        switch self {
        case .neighbourhoods, .instances, .instancesLast: 1
        case .batch: shape[0]
        default: shape[1]
        }
    }

    /// The rows of `x` normalized, and the gradients for `dy`; with random weights and biases if `affine`.
    func callAsFunction<Element: KernelElement>(
        _ x: Tensor<Element>, dy: Tensor<Element>, affine: Bool = false, epsilon: Float = 1e-5, backend: Backend
    ) throws -> Result<Element> {
        let (rows, columns) = (x.shape[0], x.shape[1])
        let count = parameterCount(x.shape)
        var random = RandomNumbers(seed: 17)
        let weight = affine ? Tensor(random.normals(count)) : nil
        let bias = affine ? Tensor(random.normals(count)) : nil
        func result(_ y: Tensor<Element>, _ dx: Tensor<Element>, _ dweight: Tensor<Float>?) throws -> Result<Element> {
            Result(
                output: try y.reshaped(to: x.shape), inputGradient: try dx.reshaped(to: x.shape),
                weightGradient: dweight?.array ?? [], bias: bias?.array ?? [])
        }
        /// A channel normalization of `x` as a tensor of another shape.
        func channels(
            _ sets: ChannelSets, _ layout: ChannelLayout, _ view: (Tensor<Element>) throws -> Tensor<Element>,
            back: (Tensor<Element>) throws -> Tensor<Element>
        ) throws -> Result<Element> {
            let input = try view(x)
            let (y, statistics) = try channelNormWithStatistics(
                input, over: sets, weight: weight, bias: bias, epsilon: epsilon, layout: layout, backend: backend)
            let gradients = try channelNormBackward(
                view(dy), x: input, weight: weight, statistics: statistics, backend: backend)
            return try result(back(y), back(gradients.input), gradients.weight)
        }
        let offsets = try SegmentOffsets(widths: Array(repeating: columns, count: rows))
        switch self {
        case .layerNorm:
            let (y, statistics) = try layerNormWithStatistics(
                x, weight: weight, bias: bias, epsilon: epsilon, backend: backend)
            let gradients = try layerNormBackward(dy, x: x, weight: weight, statistics: statistics, backend: backend)
            return try result(y, gradients.input, gradients.weight)
        case .rmsNorm:
            let (y, statistics) = try rmsNormWithStatistics(
                x, weight: weight, bias: bias, epsilon: epsilon, backend: backend)
            let gradients = try rmsNormBackward(dy, x: x, weight: weight, statistics: statistics, backend: backend)
            return try result(y, gradients.input, gradients.weight)
        case .axis, .rmsAxis:
            let (input, gradient) = (try x.transposed(0, 1), try dy.transposed(0, 1))
            let (y, statistics) =
                isRMS
                ? try rmsNormWithStatistics(
                    input, axis: 0, weight: weight, bias: bias, epsilon: epsilon, backend: backend)
                : try layerNormWithStatistics(
                    input, axis: 0, weight: weight, bias: bias, epsilon: epsilon, backend: backend)
            let gradients =
                isRMS
                ? try rmsNormBackward(
                    gradient, x: input, axis: 0, weight: weight, statistics: statistics, backend: backend)
                : try layerNormBackward(
                    gradient, x: input, axis: 0, weight: weight, statistics: statistics, backend: backend)
            return try result(y.transposed(0, 1), gradients.input.transposed(0, 1), gradients.weight)
        case .residual, .rmsResidual:
            let zeros = try Tensor<Element>(repeating: .zero, shape: x.shape)
            let sum =
                isRMS
                ? try residualRMSNorm(
                    x, adding: zeros, weight: weight, bias: bias, epsilon: epsilon, backend: backend)
                : try residualLayerNorm(
                    x, adding: zeros, weight: weight, bias: bias, epsilon: epsilon, backend: backend)
            let gradients =
                isRMS
                ? try residualRMSNormBackward(
                    dy, x: x, adding: zeros, weight: weight, statistics: sum.statistics, backend: backend)
                : try residualLayerNormBackward(
                    dy, x: x, adding: zeros, weight: weight, statistics: sum.statistics, backend: backend)
            return try result(sum.output, gradients.input, gradients.weight)
        case .segments, .rmsSegments:
            let flat: Shape = [1, rows * columns]
            let (input, gradient) = (try x.reshaped(to: flat), try dy.reshaped(to: flat))
            let (y, statistics) =
                isRMS
                ? try segmentedRMSNormWithStatistics(
                    input, segments: offsets, parameters: .shared, weight: weight, bias: bias, epsilon: epsilon,
                    backend: backend)
                : try segmentedLayerNormWithStatistics(
                    input, segments: offsets, parameters: .shared, weight: weight, bias: bias, epsilon: epsilon,
                    backend: backend)
            let gradients =
                isRMS
                ? try segmentedRMSNormBackward(
                    gradient, x: input, segments: offsets, parameters: .shared, weight: weight,
                    statistics: statistics, backend: backend)
                : try segmentedLayerNormBackward(
                    gradient, x: input, segments: offsets, parameters: .shared, weight: weight,
                    statistics: statistics, backend: backend)
            return try result(y, gradients.input, gradients.weight)
        case .neighbourhoods:
            let (input, gradient) = (try x.reshaped(to: [rows * columns]), try dy.reshaped(to: [rows * columns]))
            let (y, statistics) = try neighbourhoodLayerNormWithStatistics(
                input, offsets: offsets, weight: weight, bias: bias, epsilon: epsilon, backend: backend)
            let gradients = try neighbourhoodLayerNormBackward(
                gradient, x: input, offsets: offsets, weight: weight, statistics: statistics, backend: backend)
            return try result(y, gradients.input, gradients.weight)
        case .batch:
            return try channels(.batch(), .channelsFirst) {
                try $0.transposed(0, 1)
            } back: {
                try $0.transposed(0, 1)
            }
        case .group:
            return try channels(.groups(1), .channelsFirst) {
                $0
            } back: {
                $0
            }
        case .instances:
            return try channels(.instances, .channelsFirst) {
                try $0.reshaped(to: [rows, 1, columns])
            } back: {
                $0
            }
        case .instancesLast:
            return try channels(.instances, .channelsLast) {
                try $0.reshaped(to: [rows, columns, 1])
            } back: {
                $0
            }
        case .byMoments:
            let moments = try rowMoments(x, backend: backend)
            let y = try normalize(x, with: moments, weight: weight, bias: bias, epsilon: epsilon, backend: backend)
            let gradientMoments = try rowGradientMoments(
                dy, x: x, moments: moments, weight: weight, epsilon: epsilon, backend: backend)
            let gradients = try normalizeBackward(
                dy, x: x, moments: moments, gradientMoments: gradientMoments, weight: weight, epsilon: epsilon,
                backend: backend)
            return try result(y, gradients.input, gradients.weight)
        }
    }

    /// Where an element's bias stands.
    func biasIndex(row: Int, column: Int) -> Int {
        switch self {
        case .neighbourhoods, .instances, .instancesLast: 0
        case .batch: row
        default: column
        }
    }
}
