/// Where the axis of channels stands.
public enum ChannelLayout: String, CaseIterable, Hashable, Sendable {
    /// [samples, channels, ...]
    case channelsFirst
    /// [samples, ..., channels]
    case channelsLast
}

/// A tensor as channel normalization sees it: samples, channels and positions, cut into regions of samples and groups
/// of channels. A region by a group is normalized together.
package struct ChannelShape: Hashable, Sendable {
    package var samples: Int
    package var channels: Int
    package var positions: Int
    package var layout: ChannelLayout
    package var groups: Int
    /// The samples of each region.
    package var regions: [Int]

    package init(
        samples: Int, channels: Int, positions: Int, layout: ChannelLayout, groups: Int, regions: [Int]
    ) {
        self.samples = samples
        self.channels = channels
        self.positions = positions
        self.layout = layout
        self.groups = groups
        self.regions = regions
    }

    package var channelsPerGroup: Int { channels / groups }
}
