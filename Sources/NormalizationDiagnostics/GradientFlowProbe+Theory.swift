// What a probe's numbers say: factors from layer to layer beside a prediction, and how gradients scale with depth.

internal import Foundation
public import Normalization

/// A block that does something else than theory says.
public struct FlowAlarm: Hashable, Sendable, CustomStringConvertible {
    public enum Quantity: String, Hashable, Sendable {
        case activations, gradients
    }

    public let quantity: Quantity
    /// The block, which is also the layer before it.
    public let layer: Int
    /// The energy behind the block over that before it; for gradients, which run backward, the other way round.
    public let measured: Double
    public let predicted: Double

    public var description: String {
        "\(quantity.rawValue), block \(layer): factor \(measured), predicted \(predicted)"
    }
}

/// How the gradient of the last layer's weights depends on the depth of a net.
public struct DepthScaling: Hashable, Sendable {
    /// Ascending, each once.
    public let depths: [Int]
    /// The geometric mean over probes of the gradient's Frobenius norm.
    public let norms: [Double]
    /// Of log norm over log depth, by least squares: about 0 under post-norm, about -1/2 under pre-norm at
    /// initialisation (Xiong et al., 2020).
    public let slope: Double
}

extension GradientFlowProbe {
    /// A healthy block's measured factor over the predicted one.
    public static let healthyRatio = 0.8...1.25

    /// Blocks whose factor of activations' or gradients' energy, over the predicted one, is outside ``healthyRatio``
    /// or not a number. Not the factor itself is judged: a healthy pre-norm net begins with 1 + κ.
    ///
    /// Blocks of which a side was not recorded are left out.
    public func alarms(against prediction: MeanFieldPrediction) -> [FlowAlarm] {
        layers.indices.dropLast().flatMap { layer in
            [
                Self.alarm(
                    .activations, layer, from: layers[layer].activationEnergy, to: layers[layer + 1].activationEnergy,
                    predicted: prediction.activationFactor(layer: layer)),
                Self.alarm(
                    .gradients, layer, from: layers[layer + 1].gradientEnergy, to: layers[layer].gradientEnergy,
                    predicted: prediction.gradientFactor(layer: layer)),
            ].compactMap { $0 }
        }
    }

    private static func alarm(
        _ quantity: FlowAlarm.Quantity, _ layer: Int, from before: Double?, to after: Double?, predicted: Double
    ) -> FlowAlarm? {
        guard let before, let after else { return nil }
        let measured = after / before
        if healthyRatio.contains(measured / predicted) { return nil }
        return FlowAlarm(quantity: quantity, layer: layer, measured: measured, predicted: predicted)
    }

    /// How the gradient of the last layer's weights scales with depth, from probes of nets of several depths.
    ///
    /// - Parameters:
    ///   - depths: Blocks of each net. A depth may come several times, with other seeds.
    ///   - probes: Of the same nets; of each the last layer that has a weight gradient counts.
    /// - Throws: `NormalizationError` unless there is a probe with a weight gradient above 0 for each depth, depths
    ///   are at least 1, and two of them differ.
    public static func lastLayerScaling(
        depths: [Int], probes: [GradientFlowProbe]
    ) throws(NormalizationError) -> DepthScaling {
        guard depths.count == probes.count else {
            throw NormalizationError(
                .shapeMismatch, argument: "probes", expected: "\(depths.count) probes", given: "\(probes.count)")
        }
        guard Set(depths).count > 1, depths.allSatisfy({ $0 >= 1 }) else {
            throw NormalizationError(
                .invalidParameter, argument: "depths", expected: "two different depths of at least 1",
                given: "\(depths)")
        }
        var logarithms: [Int: [Double]] = [:]
        for (depth, probe) in zip(depths, probes) {
            guard let square = probe.layers.last(where: { $0.weightGradientSquare != nil })?.weightGradientSquare,
                square.isFinite, square > 0
            else {
                throw NormalizationError(
                    .missingArgument, argument: "probes",
                    expected: "a finite weight gradient above 0 for depth \(depth)",
                    given: "none")
            }
            logarithms[depth, default: []].append(log(square) / 2)
        }
        let sorted = logarithms.keys.sorted()
        let y = sorted.map { depth in
            let values = logarithms[depth] ?? []
            return values.reduce(0, +) / Double(values.count)
        }
        return DepthScaling(depths: sorted, norms: y.map { exp($0) }, slope: slope(sorted.map { log(Double($0)) }, y))
    }

    private static func slope(_ x: [Double], _ y: [Double]) -> Double {
        let (meanX, meanY) = (x.reduce(0, +) / Double(x.count), y.reduce(0, +) / Double(y.count))
        let products = zip(x, y).reduce(0) { $0 + ($1.0 - meanX) * ($1.1 - meanY) }
        return products / x.reduce(0) { $0 + ($1 - meanX) * ($1 - meanX) }
    }
}
