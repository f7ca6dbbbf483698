package import Tensors

extension ChannelNormReference {
    package struct Gradients {
        package var dx: [Scalar]
        package var dweight: [Scalar]
        package var dbias: [Scalar]
    }

    /// What is summed of a channel over the parts of a region.
    private struct ChannelSums {
        var dy = 0.0
        var products = 0.0
        var xhat = 0.0
        /// Of n * e, and of e * xhat, e being the mean of the sample of dy in a part.
        var offsets = 0.0
        var shifts = 0.0
    }

    /// Gradients of `forward`, whose moments depend on x unless `areConstant`.
    @_specialize(where Scalar == Float)
    @_specialize(where Scalar == Double)
    package func backward(_ dy: [Scalar], x: [Scalar], moments: [Moments], areConstant: Bool) -> Gradients {
        var dx = [Scalar](repeating: 0, count: x.count)
        var weightSums = [Double](repeating: 0, count: shape.channels)
        var biasSums = weightSums
        for (set, (region, group)) in sets.enumerated() where shape.regions[region] > 0 {
            let rule = Rule(moments[set], epsilon: epsilon)
            let (factor, reciprocal) = (rule.boundedFactor, Scalar(rule.factor * Double(rule.scale)))
            let sums = channels(of: group).map { channel in
                channelSums(dy, parts(region: region, channel: channel)) { rule.deviation(x[$0]) * factor }
            }
            let n = Double(shape.regions[region] * shape.positions) * Double(shape.channelsPerGroup)
            let xbar = areConstant ? 0 : sums.reduce(0) { $0 + $1.xhat } / n
            var mean = 0.0
            var projection = 0.0
            for (channel, sum) in zip(channels(of: group), sums) {
                let w = Double(weight?[channel] ?? 1)
                let products = sum.products + (sum.shifts - xbar * sum.offsets)
                mean += w * (sum.dy + sum.offsets)
                projection += w * products
                weightSums[channel] += products
                biasSums[channel] += sum.dy + sum.offsets
            }
            let high = areConstant ? 0 : Scalar(mean / n)
            let low = areConstant ? 0 : Scalar(mean / n - Double(high))
            let h = areConstant ? 0 : Scalar(projection / n)
            for channel in channels(of: group) {
                for element in parts(region: region, channel: channel).flatMap({ Array($0.elements) }) {
                    let t = (-high).addingProduct(dy[element], weight?[channel] ?? 1) - low
                    dx[element] = t.addingProduct(-(rule.deviation(x[element]) * factor), h) * reciprocal
                }
            }
        }
        return Gradients(dx: dx, dweight: weightSums.map { Scalar($0) }, dbias: biasSums.map { Scalar($0) })
    }

    /// Gradients of `inverse`, whose moments do not depend on x.
    @_specialize(where Scalar == Float)
    @_specialize(where Scalar == Double)
    package func inverseBackward(_ dy: [Scalar], x: [Scalar], given moments: [Moments]) -> Gradients {
        var dx = [Scalar](repeating: 0, count: x.count)
        var weightSums = [Double](repeating: 0, count: shape.channels)
        var biasSums = weightSums
        for (set, (region, group)) in sets.enumerated() where shape.regions[region] > 0 {
            let root = Rule(moments[set], epsilon: epsilon).root
            for channel in channels(of: group) {
                let ratio = root / Double(weight?[channel] ?? 1)
                let difference = { (element: Int) in (-(bias?[channel] ?? 0)).addingProduct(x[element], 1) }
                let parts = parts(region: region, channel: channel)
                let sums = channelSums(dy, parts, xhat: difference)
                weightSums[channel] += -(ratio / Double(weight?[channel] ?? 1)) * (sums.products + sums.shifts)
                biasSums[channel] += -ratio * (sums.dy + sums.offsets)
                for element in parts.flatMap({ Array($0.elements) }) {
                    dx[element] = dy[element].addingProduct(-difference(element), 0) * Scalar(ratio)
                }
            }
        }
        return Gradients(dx: dx, dweight: weightSums.map { Scalar($0) }, dbias: biasSums.map { Scalar($0) })
    }

    private func channelSums(_ dy: [Scalar], _ parts: [ChannelPart], xhat: (Int) -> Scalar) -> ChannelSums {
        var total = ChannelSums()
        for part in parts {
            let e = part.sampleMean(dy)
            var (sum, products, xhats) = (PartSum<Scalar>(part), PartSum<Scalar>(part), PartSum<Scalar>(part))
            for element in part.elements {
                let t = dy[element] - e
                let xhat = xhat(element)
                sum.add(t)
                products.add(t, times: xhat)
                xhats.add(xhat)
            }
            total.dy += sum.total
            total.products += products.total
            total.xhat += xhats.total
            total.offsets += Double(part.count) * Double(e)
            total.shifts += Double(e) * xhats.total
        }
        return total
    }
}
