package import Tensors

/// Normalization over regions and groups in plain Swift: for `Float` the bits of the C kernels.
///
/// Elements are dense, in the shape's layout. The arithmetic is described in the article "One answer".
package struct ChannelNormReference<Scalar: ReferenceScalar> {
    let shape: ChannelShape
    let epsilon: Scalar
    let weight: [Scalar]?
    let bias: [Scalar]?

    package init(_ shape: ChannelShape, weight: [Scalar]?, bias: [Scalar]?, epsilon: Scalar) {
        self.shape = shape
        self.weight = weight
        self.bias = bias
        self.epsilon = epsilon
    }

    /// The sets in the order of their moments: regions, then groups.
    var sets: [(region: Int, group: Int)] {
        shape.regions.indices.flatMap { region in (0..<shape.groups).map { (region, $0) } }
    }

    func channels(of group: Int) -> Range<Int> {
        group * shape.channelsPerGroup..<(group + 1) * shape.channelsPerGroup
    }

    typealias Rule = SetRule<Scalar>

    /// y = (x - mean) / sqrt(variance + epsilon) * weight + bias, by the moments of x or by given ones.
    @_specialize(where Scalar == Float)
    @_specialize(where Scalar == Double)
    package func forward(_ x: [Scalar], given: [Moments]? = nil) -> (y: [Scalar], moments: [Moments]) {
        let moments = given ?? self.moments(of: x)
        var y = [Scalar](repeating: 0, count: x.count)
        for (set, (region, group)) in sets.enumerated() {
            let rule = Rule(moments[set], epsilon: epsilon)
            for channel in channels(of: group) {
                let factor = Rule.bounded(rule.factor * Double(weight?[channel] ?? 1))
                for part in parts(region: region, channel: channel) {
                    for element in part.elements {
                        y[element] = (bias?[channel] ?? 0).addingProduct(rule.deviation(x[element]), factor)
                    }
                }
            }
        }
        return (y, moments)
    }

    /// y = (x - bias) * (sqrt(variance + epsilon) / weight) + mean, the inverse of `forward`.
    @_specialize(where Scalar == Float)
    @_specialize(where Scalar == Double)
    package func inverse(_ x: [Scalar], given moments: [Moments]) -> [Scalar] {
        var y = [Scalar](repeating: 0, count: x.count)
        for (set, (region, group)) in sets.enumerated() {
            let root = Rule(moments[set], epsilon: epsilon).root
            for channel in channels(of: group) {
                let factor = Scalar(root / Double(weight?[channel] ?? 1))
                for part in parts(region: region, channel: channel) {
                    for element in part.elements {
                        let difference = (-(bias?[channel] ?? 0)).addingProduct(x[element], 1)
                        y[element] = Scalar(moments[set].mean).addingProduct(difference, factor)
                    }
                }
            }
        }
        return y
    }
}
