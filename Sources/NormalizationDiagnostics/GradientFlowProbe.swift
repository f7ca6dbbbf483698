// GradientFlowProbe: what flows through the layers of a model, recorded by whoever runs it.

public import Normalization

/// Energies of activations and gradients, sizes of updates and cosines of input pairs, layer by layer, of any model.
///
/// The probe is handed tensors while the model runs, keeps a few numbers a layer and never the tensors. Layer l is the
/// stream before block l; one more layer stands behind the last block.
///
/// ```swift
/// var probe = GradientFlowProbe(hasInputPairs: true)
/// for (layer, stream) in streams.enumerated() { try probe.record(activation: stream, layer: layer) }
/// for (layer, gradient) in gradients.enumerated() { try probe.record(gradient: gradient, layer: layer) }
/// probe.nonFiniteLayers                                    // where a NaN or an infinity was seen
/// let theory = try MeanFieldPrediction(branchGain: 0.32, placement: .postNorm)
/// for alarm in probe.alarms(against: theory) { print(alarm) }
/// ```
public struct GradientFlowProbe: Sendable {
    /// What was seen of one layer; nil: not recorded. Numbers are sums in double precision, so that squares of floats
    /// do not overflow.
    public struct Layer: Hashable, Sendable {
        /// The mean square of the activations.
        public internal(set) var activationEnergy: Double?
        /// The mean square of the loss's gradient for the activations.
        public internal(set) var gradientEnergy: Double?
        /// The sum of squares of the loss's gradient for the layer's weights: the square of its Frobenius norm.
        public internal(set) var weightGradientSquare: Double?
        /// ‖update‖ / ‖value‖ of the layer's weights.
        public internal(set) var updateRatio: Double?
        /// The mean over input pairs of 1 - their cosine.
        public internal(set) var pairDistance: Double?
        /// Whether everything that was recorded is finite.
        public internal(set) var isFinite = true

        /// The mean cosine of the input pairs.
        public var pairCosine: Double? { pairDistance.map { 1 - $0 } }
    }

    /// Whether samples 0 and 1, 2 and 3, ... of the first axis are pairs whose cosine is wanted.
    public let hasInputPairs: Bool
    /// From layer 0 to the last one that was recorded.
    public private(set) var layers: [Layer] = []

    public init(hasInputPairs: Bool = false) { self.hasInputPairs = hasInputPairs }

    /// The layers, by index, where an activation, a gradient or an update holds a NaN or an infinity.
    public var nonFiniteLayers: [Int] { layers.indices.filter { !layers[$0].isFinite } }

    /// Records a layer's activations, [samples, ...]. A layer that is recorded twice keeps the last numbers.
    ///
    /// - Throws: `NormalizationError` for a negative layer, a tensor without elements, or an odd number of samples with
    ///   `hasInputPairs`.
    public mutating func record(activation x: Tensor<Float>, layer: Int) throws(NormalizationError) {
        if hasInputPairs, x.shape.rank < 2 || x.shape[0] % 2 != 0 {
            throw NormalizationError(
                .invalidShape, argument: "activation", expected: "an even number of samples", given: "shape \(x.shape)")
        }
        let energy = try FlowSums.energy(x, argument: "activation")
        let distance = hasInputPairs ? FlowSums.pairDistance(x) : nil
        try update(layer, isFinite: energy.isFinite) {
            $0.activationEnergy = energy
            $0.pairDistance = distance
        }
    }

    /// Records the loss's gradient for a layer's activations.
    ///
    /// - Throws: `NormalizationError` for a negative layer or a tensor without elements.
    public mutating func record(gradient: Tensor<Float>, layer: Int) throws(NormalizationError) {
        let energy = try FlowSums.energy(gradient, argument: "gradient")
        try update(layer, isFinite: energy.isFinite) { $0.gradientEnergy = energy }
    }

    /// Records the loss's gradient for the weights of a layer.
    ///
    /// - Throws: `NormalizationError` for a negative layer or a tensor without elements.
    public mutating func record(weightGradient: Tensor<Float>, layer: Int) throws(NormalizationError) {
        let square = try FlowSums.energy(weightGradient, argument: "weightGradient") * Double(weightGradient.count)
        try update(layer, isFinite: square.isFinite) { $0.weightGradientSquare = square }
    }

    /// Records what an optimizer's step did to the weights of a layer.
    ///
    /// - Throws: `NormalizationError` for a negative layer, tensors without elements or of two shapes.
    public mutating func record(
        weights before: Tensor<Float>, updatedTo after: Tensor<Float>, layer: Int
    ) throws(NormalizationError) {
        guard before.shape == after.shape else {
            throw NormalizationError(
                .shapeMismatch, argument: "after", expected: "shape \(before.shape)", given: "shape \(after.shape)")
        }
        let energy = try FlowSums.energy(before, argument: "before")
        let ratio = (FlowSums.differenceEnergy(before, after) / energy).squareRoot()
        try update(layer, isFinite: energy.isFinite && !ratio.isNaN) { $0.updateRatio = ratio }
    }

    private mutating func update(
        _ layer: Int, isFinite: Bool, _ change: (inout Layer) -> Void
    ) throws(NormalizationError) {
        guard layer >= 0 else {
            throw NormalizationError(.outOfRange, argument: "layer", expected: "at least 0", given: "\(layer)")
        }
        while layers.count <= layer { layers.append(Layer()) }
        change(&layers[layer])
        layers[layer].isFinite = layers[layer].isFinite && isFinite
    }
}

/// Sums over elements, in double precision, from left to right.
enum FlowSums {
    static func energy(_ x: Tensor<Float>, argument: String) throws(NormalizationError) -> Double {
        guard x.count > 0 else {
            throw NormalizationError(.invalidShape, argument: argument, expected: "elements", given: "shape \(x.shape)")
        }
        return x.withSpan { x in
            var sum = 0.0
            for index in x.indices { sum += Double(x[index]) * Double(x[index]) }
            return sum / Double(x.count)
        }
    }

    static func differenceEnergy(_ a: Tensor<Float>, _ b: Tensor<Float>) -> Double {
        a.withSpan { a in
            b.withSpan { b in
                var sum = 0.0
                for index in a.indices {
                    let difference = Double(a[index]) - Double(b[index])
                    sum += difference * difference
                }
                return sum / Double(a.count)
            }
        }
    }

    /// The mean over pairs of samples of 1 - cosine.
    static func pairDistance(_ x: Tensor<Float>) -> Double {
        let samples = x.shape[0]
        let size = x.count / samples
        return x.withSpan { x in
            var sum = 0.0
            for first in stride(from: 0, to: samples, by: 2) {
                var (aa, bb, ab) = (0.0, 0.0, 0.0)
                for index in first * size..<(first + 1) * size {
                    let (a, b) = (Double(x[index]), Double(x[index + size]))
                    aa += a * a
                    bb += b * b
                    ab += a * b
                }
                sum += 1 - ab / (aa * bb).squareRoot()
            }
            return sum / Double(samples / 2)
        }
    }
}
