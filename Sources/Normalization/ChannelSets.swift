public import Tensors

/// Which elements are normalized together, by one mean and variance.
public enum ChannelSets: Hashable, Sendable {
    /// BatchNorm: each channel over samples and positions.
    case batch(BatchScope = .joint)
    /// GroupNorm: in each sample, so many groups of consecutive channels.
    case groups(Int)
    /// InstanceNorm: each channel of each sample.
    case instances
}

/// Whose moments a batch normalization takes.
public enum BatchScope: Hashable, Sendable {
    /// Those of the whole batch.
    case joint
    /// The batch is put together of consecutive samples from several sources, so many from each; each source is
    /// normalized by its own moments.
    case perSource([Int])
    /// Fixed ones, one a channel: of a reference batch, or running ones. They do not depend on the input.
    case reference([Moments])
}

/// What channel normalization saves for its backward pass, and for whoever wants to merge, store or reuse it.
public struct ChannelStatistics: Hashable, Sendable {
    /// One value a set: for a batch [sources, channels], for groups [samples, groups], for instances
    /// [samples, channels], in row-major order.
    public let moments: [Moments]
    public let epsilon: Float
    package let shape: ChannelShape
    /// Whether the moments were given, so that they do not depend on the input.
    package let areConstant: Bool

    package init(moments: [Moments], epsilon: Float, shape: ChannelShape, areConstant: Bool) {
        self.moments = moments
        self.epsilon = epsilon
        self.shape = shape
        self.areConstant = areConstant
    }
}

extension ChannelSets {
    /// The shape of `x` cut into these sets.
    ///
    /// - Throws: `NormalizationError` where that is impossible.
    func shape(of x: Shape, layout: ChannelLayout) throws(NormalizationError) -> ChannelShape {
        guard x.rank >= 2 else {
            throw NormalizationError(
                .invalidShape, argument: "x", expected: "an axis of samples and one of channels", given: "shape \(x)")
        }
        let channelAxis = layout == .channelsFirst ? 1 : x.rank - 1
        guard x.extents.dropFirst().allSatisfy({ $0 > 0 }) else {
            throw NormalizationError(
                .invalidShape, argument: "x", expected: "channels and positions", given: "shape \(x)")
        }
        let samples = x[0]
        let channels = x[channelAxis]
        let positions = x.extents.dropFirst().reduce(1, *) / channels
        var shape = ChannelShape(
            samples: samples, channels: channels, positions: positions, layout: layout, groups: channels,
            regions: [samples])
        switch self {
        case .batch(.joint): break
        case .batch(.perSource(let counts)):
            guard !counts.isEmpty, counts.allSatisfy({ $0 > 0 }), counts.reduce(0, +) == samples else {
                throw NormalizationError(
                    .shapeMismatch, argument: "sets", expected: "counts of at least 1 with sum \(samples)",
                    given: "\(counts)")
            }
            shape.regions = counts
        case .batch(.reference(let moments)):
            try validate(moments: moments, count: channels, argument: "sets")
        case .groups(let count):
            guard count > 0, channels % count == 0 else {
                throw NormalizationError(
                    .shapeMismatch, argument: "sets", expected: "a number of groups that divides \(channels) channels",
                    given: "\(count)")
            }
            shape.groups = count
            shape.regions = Array(repeating: 1, count: samples)
        case .instances:
            shape.regions = Array(repeating: 1, count: samples)
        }
        if samples == 0 { shape.regions = [0] }
        return shape
    }

    /// The moments that are given, or nil for those of the input.
    var givenMoments: [Moments]? {
        if case .batch(.reference(let moments)) = self { moments } else { nil }
    }
}

/// Moments to normalize by: one a set, each of at least one element and no negative variance. (NaNs pass.)
func validate(moments: [Moments], count: Int, argument: String) throws(NormalizationError) {
    guard moments.count == count else {
        throw NormalizationError(
            .shapeMismatch, argument: argument, expected: "\(count) moments", given: "\(moments.count)")
    }
    for moments in moments where moments.count < 1 || moments.sumOfSquaredDeviations < 0 {
        throw NormalizationError(
            .invalidMoments, argument: argument, expected: "moments of at least 1 element, of no negative spread",
            given: "\(moments)")
    }
}
