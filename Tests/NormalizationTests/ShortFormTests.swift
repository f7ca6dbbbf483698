// Forms that are short for others, each against the form that it stands for: layers, calls without weights, calls into
// existing memory. Found by coverage: nothing else calls them.

internal import Normalization
import Testing
internal import Verification

@Suite struct ShortFormTests {
    private static let backends = [Backend.automatic, .kernels(.portable, threads: 2), .reference]

    private let x, branch, dy: Tensor<Float>
    private let weight, bias: Tensor<Float>

    init() throws {
        var random = RandomNumbers(seed: 23)
        func numbers(_ shape: Shape) throws -> Tensor<Float> {
            try Tensor(random.normals(shape.elementCount ?? 0), shape: shape)
        }
        (x, branch, dy) = (try numbers([7, 29]), try numbers([7, 29]), try numbers([7, 29]))
        (weight, bias) = (try numbers([29]), try numbers([29]))
    }

    private func blank() throws -> Tensor<Float> { try Tensor(repeating: .nan, shape: x.shape) }

    @Test(arguments: backends) func rowsWithoutWeights(backend: Backend) throws {
        let none = Tensor<Float>?.none
        let (layer, rms) = (
            try layerNorm(x, weight: none, backend: backend), try rmsNorm(x, weight: none, backend: backend)
        )
        #expect(try layerNorm(x, backend: backend) == layer)
        #expect(try rmsNorm(x, backend: backend) == rms)
        var (y, z) = (try blank(), try blank())
        try layerNorm(x, into: &y, backend: backend)
        try rmsNorm(x, into: &z, backend: backend)
        #expect(y == layer && z == rms)
        (y, z) = (x, x)
        try layerNorm(inPlace: &y, backend: backend)
        try rmsNorm(inPlace: &z, backend: backend)
        #expect(y == layer && z == rms)
    }

    private func expectSame(
        _ a: NormGradients<Float>, _ b: NormGradients<Float>, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(a.input == b.input && a.weight == b.weight && a.bias == b.bias, sourceLocation: sourceLocation)
    }

    @Test(arguments: backends) func gradientsOfRows(backend: Backend) throws {
        let none = Tensor<Float>?.none
        let (_, layer) = try layerNormWithStatistics(x)
        let (_, rms) = try rmsNormWithStatistics(x)
        let ofLayer = try layerNormBackward(dy, x: x, weight: none, statistics: layer, backend: backend)
        expectSame(try layerNormBackward(dy, x: x, statistics: layer, backend: backend), ofLayer)
        let ofRMS = try rmsNormBackward(dy, x: x, weight: none, statistics: rms, backend: backend)
        expectSame(try rmsNormBackward(dy, x: x, statistics: rms, backend: backend), ofRMS)
        let weighted = try rmsNormBackward(
            dy, x: x, weight: weight, weightOffset: 1, statistics: rms, backend: backend)

        var gradients = weighted
        try layerNormBackward(dy, x: x, statistics: layer, into: &gradients, backend: backend)
        expectSame(gradients, ofLayer)
        try rmsNormBackward(dy, x: x, statistics: rms, into: &gradients, backend: backend)
        expectSame(gradients, ofRMS)
        try rmsNormBackward(
            dy, x: x, weight: weight, weightOffset: 1, statistics: rms, into: &gradients, backend: backend)
        expectSame(gradients, weighted)
    }

    @Test(arguments: backends) func gradientsOfSums(backend: Backend) throws {
        let layer = try residualLayerNorm(x, adding: branch, weight: weight)
        let rms = try residualRMSNorm(x, adding: branch, weight: weight)
        let ofLayer = try residualLayerNormBackward(
            dy, x: x, adding: branch, weight: weight, statistics: layer.statistics, backend: backend)
        let ofRMS = try residualRMSNormBackward(
            dy, x: x, adding: branch, weight: weight, weightOffset: 1, statistics: rms.statistics, backend: backend)
        var gradients = ofRMS
        try residualLayerNormBackward(
            dy, x: x, adding: branch, weight: weight, statistics: layer.statistics, into: &gradients, backend: backend)
        #expect(gradients.input == ofLayer.input && gradients.weight == ofLayer.weight)
        #expect(gradients.branch == ofLayer.branch && gradients.bias == ofLayer.bias)
        try residualRMSNormBackward(
            dy, x: x, adding: branch, weight: weight, weightOffset: 1, statistics: rms.statistics, into: &gradients,
            backend: backend)
        #expect(gradients.input == ofRMS.input && gradients.weight == ofRMS.weight)
        #expect(gradients.branch == ofRMS.branch && gradients.bias == ofRMS.bias)
    }

    @Test(arguments: backends) func layers(backend: Backend) throws {
        var layer = try LayerNorm(featureCount: 29, backend: backend)
        (layer.weight, layer.bias) = (weight, bias)
        let sum = try residualLayerNorm(x, adding: branch, weight: weight, bias: bias)
        #expect(try layer(x, adding: branch).output == sum.output)
        #expect(try layer(x, adding: branch).sum == sum.sum)

        var rms = try RMSNorm(featureCount: 29, weightOffset: 1, backend: backend)
        rms.weight = weight
        let rmsSum = try residualRMSNorm(x, adding: branch, weight: weight, weightOffset: 1)
        #expect(try rms(x, adding: branch).output == rmsSum.output)

        // What is added to a normalized branch is not normalized.
        let zeros = try Tensor<Float>(repeating: 0, shape: x.shape)
        #expect(try layer(branch, addedTo: zeros) == layer(branch))
        #expect(try rms(branch, addedTo: zeros) == rms(branch))
        let added = zip(try rms(branch).array, x.array).map { $0 + $1 }
        #expect(try rms(branch, addedTo: x).array == added)

        let (value, pullback) = try rms.valueWithPullback(at: x)
        let (output, statistics) = try rmsNormWithStatistics(x, weight: weight, weightOffset: 1)
        #expect(value == output)
        expectSame(
            try pullback(dy), try rmsNormBackward(dy, x: x, weight: weight, weightOffset: 1, statistics: statistics))
    }

    @Test(arguments: backends) func softmaxForms(backend: Backend) throws {
        let y = try logSoftmax(x, backend: backend)
        var (into, inPlace, plain) = (try blank(), x, x)
        try logSoftmax(x, into: &into, backend: backend)
        try logSoftmax(inPlace: &inPlace, backend: backend)
        try softmax(inPlace: &plain, backend: backend)
        #expect(into == y && inPlace == y)
        #expect(try plain == softmax(x, backend: backend))

        let turned = try x.transposed(0, 1)
        #expect(try logSoftmax(turned, axis: 0, backend: backend) == y.transposed(0, 1))
        let gradient = try logSoftmaxBackward(dy, output: y, backend: backend)
        let ofColumns = try logSoftmaxBackward(
            dy.transposed(0, 1), output: y.transposed(0, 1), axis: 0, backend: backend)
        #expect(try ofColumns == gradient.transposed(0, 1))
        let masked = try maskedScores(x, scale: 2, mask: .causal())
        #expect(try maskedScores(x, scale: 2, mask: .causal(), backend: backend) == masked)
    }

    @Test(arguments: backends) func elementaryFunctions(backend: Backend) throws {
        let (exp, tanh) = (try exp1ULP(x), try tanh2ULP(x))
        var y = x
        try tanh2ULP(inPlace: &y, backend: backend)
        #expect(y == tanh)
        let numbers = x.array
        var results = [Float](repeating: .nan, count: numbers.count)
        var span = results.mutableSpan
        try exp1ULP(numbers.span, into: &span, backend: backend)
        #expect(results == exp.array)
        span = results.mutableSpan
        try tanh2ULP(numbers.span, into: &span, backend: backend)
        #expect(results == tanh.array)
    }

    @Test func runningStatisticsRefuseOthers() throws {
        var running = try RunningStatistics(channelCount: 3)
        let before = running
        let (_, statistics) = try channelNormWithStatistics(x, over: .batch())
        expectError(.shapeMismatch, "statistics") { () throws(NormalizationError) in
            try running.update(with: statistics)
        }
        #expect(running == before && Set([running, before]).count == 1)
    }
}
