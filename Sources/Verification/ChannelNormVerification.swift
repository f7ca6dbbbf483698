package import Normalization

/// Channel normalization on every instruction set and thread count against the pure Swift reference.
package enum ChannelNormVerification {
    /// Input of one comparison.
    package struct Case: Sendable {
        package let name: String
        package let x: Tensor<Float>
        package let outputGradient: Tensor<Float>
        package let sets: ChannelSets
        package let layout: ChannelLayout
        package let weight: Tensor<Float>?
        package let bias: Tensor<Float>?
        package let epsilon: Float

        /// Samples of `extents` (channels and positions, in the layout's order); the patterns fill channels in turns.
        package init(
            _ sets: ChannelSets, samples: Int, channels: Int, positions: [Int], layout: ChannelLayout = .channelsFirst,
            patterns: [RowPattern] = [.offset(0)], affine: Bool = true, epsilon: Float = 1e-5, seed: UInt64 = 1
        ) throws(NormalizationError) {
            var random = RandomNumbers(seed: seed)
            let count = positions.reduce(1, *)
            let shape = Shape(
                layout == .channelsFirst ? [samples, channels] + positions : [samples] + positions + [channels])
            var x = [Float](repeating: 0, count: samples * channels * count)
            for channel in 0..<channels {
                let column = patterns[channel % patterns.count].row(samples * count, random: &random)
                for sample in 0..<samples {
                    for position in 0..<count {
                        let element =
                            layout == .channelsFirst
                            ? (sample * channels + channel) * count + position
                            : (sample * count + position) * channels + channel
                        x[element] = column[sample * count + position]
                    }
                }
            }
            name = "\(sets.name) \(shape)\(layout == .channelsLast ? " last" : "")"
            self.x = try Tensor(x, shape: shape)
            outputGradient = try Tensor(random.normals(x.count), shape: shape)
            self.sets = sets
            self.layout = layout
            weight = affine ? Tensor(random.normals(channels)) : nil
            bias = affine ? Tensor(random.normals(channels)) : nil
            self.epsilon = epsilon
        }
    }

    /// What a backend made of a case, with tensors stored as `Element`, widened.
    package struct Result: Sendable {
        package let y: Tensor<Float>
        package let moments: [Moments]
        package let inverse: Tensor<Float>
        package let dx: Tensor<Float>
        package let dweight: Tensor<Float>?
        package let dbias: Tensor<Float>?
        /// Those of the inverse, for the same output gradient.
        package let inverseGradients: (dx: Tensor<Float>, dweight: Tensor<Float>?, dbias: Tensor<Float>?)

        package init<Element: KernelElement>(
            _ input: Case, as _: Element.Type, backend: Backend
        ) throws(NormalizationError) {
            let x = Tensor<Element>(rounding: input.x)
            let (y, statistics) = try channelNormWithStatistics(
                x, over: input.sets, weight: input.weight, bias: input.bias, epsilon: input.epsilon,
                layout: input.layout, backend: backend)
            let gradients = try channelNormBackward(
                Tensor<Element>(rounding: input.outputGradient), x: x, weight: input.weight, statistics: statistics,
                backend: backend)
            self.y = y.widened()
            moments = statistics.moments
            inverse = try channelDenormalize(
                y, weight: input.weight, bias: input.bias, statistics: statistics, backend: backend
            ).widened()
            let back = try channelDenormalizeBackward(
                Tensor<Element>(rounding: input.outputGradient), y: y, weight: input.weight, bias: input.bias,
                statistics: statistics, backend: backend)
            inverseGradients = (back.input.widened(), back.weight, back.bias)
            dx = gradients.input.widened()
            dweight = gradients.weight
            dbias = gradients.bias
        }

        package func forwardComparison(with expected: Result) -> BitComparison {
            var bits = BitComparison()
            bits.compare(y, expected.y)
            bits.compare(inverse, expected.inverse)
            bits.compare(moments, expected.moments)
            return bits
        }

        package func backwardComparison(with expected: Result) -> BitComparison {
            var bits = BitComparison()
            bits.compare(dx, expected.dx)
            bits.compare(dweight, expected.dweight)
            bits.compare(dbias, expected.dbias)
            bits.compare(inverseGradients.dx, expected.inverseGradients.dx)
            bits.compare(inverseGradients.dweight, expected.inverseGradients.dweight)
            bits.compare(inverseGradients.dbias, expected.inverseGradients.dbias)
            return bits
        }
    }

    /// Every kind of set in both layouts, around the sizes of parts, tiles and strips; random and hostile channels.
    package static func cases() throws(NormalizationError) -> [Case] {
        var cases: [Case] = []
        let reference = (0..<24).map { Moments(count: 5, mean: Double($0) - 3, sumOfSquaredDeviations: Double($0)) }
        for layout in ChannelLayout.allCases {
            for sets: ChannelSets in [
                .batch(), .batch(.perSource([1, 4, 2])), .batch(.reference(reference)), .groups(3), .instances,
            ] {
                cases.append(try Case(sets, samples: 7, channels: 24, positions: [5, 7], layout: layout))
                cases.append(
                    try Case(
                        sets, samples: 7, channels: 24, positions: [130], layout: layout, patterns: RowPattern.hostile,
                        affine: false, epsilon: 0))
                cases.append(try Case(sets, samples: 7, channels: 24, positions: [], layout: layout))
            }
            cases.append(try Case(.groups(1), samples: 2, channels: 530, positions: [9], layout: layout))
            cases.append(try Case(.instances, samples: 3, channels: 1, positions: [1100], layout: layout))
        }
        cases.append(try Case(.batch(), samples: 1300, channels: 17, positions: []))
        return cases
    }

    /// Two rows (forward, backward) for every instruction set that is here and every thread count.
    package static func verify(_ cases: [Case], progress: (Case) -> Void = { _ in }) throws -> [VerificationRow] {
        var rows: [VerificationRow] = []
        for input in cases {
            progress(input)
            let expected = try Result(input, as: Float.self, backend: .reference)
            let expectedBrief = try Result(input, as: BFloat16.self, backend: .reference)
            for instructionSet in InstructionSet.available {
                var forward = VerificationRow(
                    operation: "channelNorm", data: input.name, backend: instructionSet.rawValue)
                var backward = VerificationRow(
                    operation: "channelNorm backward", data: input.name, backend: instructionSet.rawValue)
                for threads in LayerNormVerification.threadCounts {
                    let backend = Backend.kernels(instructionSet, threads: threads)
                    let given = try Result(input, as: Float.self, backend: backend)
                    let brief = try Result(input, as: BFloat16.self, backend: backend)
                    forward.comparison.add(given.forwardComparison(with: expected))
                    forward.comparison.add(brief.forwardComparison(with: expectedBrief))
                    backward.comparison.add(given.backwardComparison(with: expected))
                    backward.comparison.add(brief.backwardComparison(with: expectedBrief))
                }
                rows += [forward, backward]
            }
        }
        return rows
    }
}

extension ChannelSets {
    /// In a table's line.
    package var name: String {
        switch self {
        case .batch(.joint): "batch"
        case .batch(.perSource(let counts)): "batch of \(counts.count)"
        case .batch(.reference): "batch, given"
        case .groups(let count): "\(count) groups"
        case .instances: "instances"
        }
    }
}
