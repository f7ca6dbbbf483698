package import Tensors

/// The elements of one channel that are summed together in `Scalar`; sums of parts are merged in `Double`.
struct ChannelPart {
    /// Where channels are first: the positions of one sample, which are contiguous, summed as a row is. Where they are
    /// last: a column of up to 128 rows, summed by tiles of 8 rows.
    let isRun: Bool
    let first: Int
    let stride: Int
    let count: Int

    var elements: StrideTo<Int> { Swift.stride(from: first, to: first + count * stride, by: stride) }

    /// The mean of the part's sample of `values`.
    func sampleMean<Scalar: ReferenceScalar>(_ values: [Scalar]) -> Scalar {
        if isRun { return RowSample.mean(columns: count) { values[first + $0] } }
        let size = min(count, 16)
        var sum: Scalar = 0
        for k in 0..<size {
            let row = count <= 16 ? k : (2 * (k / 4) + 1) * count / 8 - 2 + k % 4
            sum += values[first + row * stride]
        }
        return sum / Scalar(size)
    }
}

/// A sum over a part: lanes for a run, tiles of 8 rows for a column.
struct PartSum<Scalar: ReferenceScalar> {
    private var lanes: LaneSum<Scalar>?
    private var sum: Scalar = 0
    private var tile: Scalar = 0
    private var count = 0

    init(_ part: ChannelPart) { lanes = part.isRun ? LaneSum() : nil }

    mutating func add(_ a: Scalar, times b: Scalar = 1) {
        if lanes != nil {
            lanes?.add(a, times: b)
            return
        }
        tile.addProduct(a, b)
        count += 1
        if count % 8 == 0 {
            sum += tile
            tile = 0
        }
    }

    var total: Double { Double(lanes?.total ?? (count % 8 == 0 ? sum : sum + tile)) }
}

extension ChannelNormReference {
    /// The parts of a channel in a region, in their order.
    func parts(region: Int, channel: Int) -> [ChannelPart] {
        let firstSample = shape.regions[..<region].reduce(0, +)
        let samples = shape.regions[region]
        let (channels, positions) = (shape.channels, shape.positions)
        let isFirst = positions > 1 && (channels == 1 || shape.layout == .channelsFirst)
        if isFirst {
            return (firstSample..<firstSample + samples).map { sample in
                ChannelPart(isRun: true, first: (sample * channels + channel) * positions, stride: 1, count: positions)
            }
        }
        let rows = samples * positions
        return stride(from: 0, to: rows, by: 128).map { row in
            ChannelPart(
                isRun: false, first: (firstSample * positions + row) * channels + channel, stride: channels,
                count: min(128, rows - row))
        }
    }

    /// The moments of every set of `x`.
    @_specialize(where Scalar == Float)
    @_specialize(where Scalar == Double)
    package func moments(of x: [Scalar]) -> [Moments] {
        sets.map { region, group in
            channels(of: group).map { channel in
                parts(region: region, channel: channel).map { $0.moments(of: x) }.merged()
            }.merged()
        }
    }
}

extension ChannelPart {
    /// The moments of the part's elements of `x`.
    func moments<Scalar: ReferenceScalar>(of x: [Scalar]) -> Moments {
        let centre = sampleMean(x)
        var deviations = PartSum<Scalar>(self)
        var squares = deviations
        for element in elements {
            let d = x[element] - centre
            deviations.add(d)
            squares.add(d, times: d)
        }
        let n = Double(count)
        let delta = deviations.total / n
        let shift = deviations.total * delta
        let m2 = squares.total - shift
        let ordinary = Scalar.ordinaryVariances
        let serves = shift <= m2 && m2 >= Double(ordinary.lowerBound) * n && m2 <= Double(ordinary.upperBound) * n
        return serves
            ? Moments(count: count, mean: Double(centre) + delta, sumOfSquaredDeviations: m2)
            : carefulMoments(of: x)
    }

    /// In `Double`: the mean, then the squared deviations from it. A run in 16 lanes, a column from its first to its
    /// last row.
    private func carefulMoments<Scalar: ReferenceScalar>(of x: [Scalar]) -> Moments {
        let width = isRun ? 16 : 1
        func sum(_ term: (Double) -> Double) -> Double {
            var lanes = [Double](repeating: 0, count: width)
            for (index, element) in elements.enumerated() { lanes[index % width] += term(Double(x[element])) }
            var half = width / 2
            while half > 0 {
                for lane in 0..<half { lanes[lane] += lanes[lane + half] }
                half /= 2
            }
            return lanes[0]
        }
        let mean = sum { $0 } / Double(count)
        return Moments(
            count: count, mean: mean, sumOfSquaredDeviations: sum { ($0 - mean) * ($0 - mean) })
    }
}
