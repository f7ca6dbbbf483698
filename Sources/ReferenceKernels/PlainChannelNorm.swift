package import Tensors

/// The textbook: mean, variance, normalize, set by set, each sum from left to right. In `Double` it is the judge of
/// accuracy, in `Float` the naive evaluation that the kernels are compared with.
package struct PlainChannelNorm<Scalar: BinaryFloatingPoint> {
    let shape: ChannelShape
    let weight: [Scalar]?
    let bias: [Scalar]?
    let epsilon: Scalar

    package init(_ shape: ChannelShape, weight: [Scalar]?, bias: [Scalar]?, epsilon: Scalar) {
        self.shape = shape
        self.weight = weight
        self.bias = bias
        self.epsilon = epsilon
    }

    /// The elements of every set, with their channels.
    package var sets: [[(element: Int, channel: Int)]] {
        var sets: [[(Int, Int)]] = []
        var first = 0
        for samples in shape.regions {
            for group in 0..<shape.groups {
                var set: [(Int, Int)] = []
                for sample in first..<first + samples {
                    for channel in group * shape.channelsPerGroup..<(group + 1) * shape.channelsPerGroup {
                        for position in 0..<shape.positions {
                            let element =
                                shape.layout == .channelsFirst
                                ? (sample * shape.channels + channel) * shape.positions + position
                                : (sample * shape.positions + position) * shape.channels + channel
                            set.append((element, channel))
                        }
                    }
                }
                sets.append(set)
            }
            first += samples
        }
        return sets
    }

    private func moments(_ x: [Scalar], _ set: [(element: Int, channel: Int)]) -> (mean: Scalar, deviation: Scalar) {
        let n = Scalar(set.count)
        let mean = set.reduce(0) { $0 + x[$1.element] } / n
        let variance = set.reduce(0) { $0 + (x[$1.element] - mean) * (x[$1.element] - mean) } / n
        return (mean, (variance + epsilon).squareRoot())
    }

    @_specialize(where Scalar == Float)
    @_specialize(where Scalar == Double)
    package func forward(_ x: [Scalar]) -> [Scalar] {
        var y = x
        for set in sets {
            let (mean, deviation) = moments(x, set)
            for (element, channel) in set {
                y[element] = (x[element] - mean) / deviation * (weight?[channel] ?? 1) + (bias?[channel] ?? 0)
            }
        }
        return y
    }

    @_specialize(where Scalar == Float)
    @_specialize(where Scalar == Double)
    package func backward(_ dy: [Scalar], x: [Scalar]) -> (dx: [Scalar], dweight: [Scalar], dbias: [Scalar]) {
        var dx = x
        var dweight = [Scalar](repeating: 0, count: shape.channels)
        var dbias = dweight
        for set in sets {
            let (mean, deviation) = moments(x, set)
            var meanG: Scalar = 0
            var projection: Scalar = 0
            for (element, channel) in set {
                let xhat = (x[element] - mean) / deviation
                let g = dy[element] * (weight?[channel] ?? 1)
                meanG += g
                projection += g * xhat
                dweight[channel] += dy[element] * xhat
                dbias[channel] += dy[element]
            }
            meanG /= Scalar(set.count)
            projection /= Scalar(set.count)
            for (element, channel) in set {
                let xhat = (x[element] - mean) / deviation
                dx[element] = (dy[element] * (weight?[channel] ?? 1) - meanG - xhat * projection) / deviation
            }
        }
        return (dx, dweight, dbias)
    }
}
