private import Foundation
public import Normalization

/// How sharp attention over the neighbourhoods of a graph is, by degree.
///
/// ```swift
/// let (_, attention, _) = try layer.valueWithPullback(at: x, graph: graph)
/// print(try AttentionSharpnessReport(attention, offsets: graph.offsets, scoreWeight: layer.scoreNorm?.weight))
/// ```
/// A hub and a leaf of the same entropy are not equally sharp: compare the normalized entropy H / ln n, which is 1 for
/// equal attention and 0 where one edge gets all.
public struct AttentionSharpnessReport: Sendable, CustomStringConvertible {
    /// The nodes whose degree is in a range, every head of a node counted once.
    public struct Bin: Sendable, Hashable {
        /// 1, 2, 3...4, 5...8 and so on.
        public let degrees: ClosedRange<Int>
        public let nodeCount: Int
        /// Mean entropy, in nats.
        public let entropy: Double
        /// Mean of H / ln n; NaN for nodes of one edge, whose attention is 1 whatever the scores.
        public let normalizedEntropy: Double
        /// Mean of 1 / Σ p².
        public let effectiveNeighbours: Double
        /// The largest attention of an edge.
        public let maximumWeight: Double
        /// The mean of the caps of these nodes, or nil without score norm.
        public let cap: Double?
        /// The largest quotient of a node's largest attention and its cap: 1 says that a larger weight is wanted.
        public let shareOfCap: Double?
    }

    /// By increasing degree; degrees that no node has are left out.
    public let bins: [Bin]
    /// Nodes without edges, which have no attention.
    public let isolatedNodeCount: Int

    /// - Parameters:
    ///   - attention: Probabilities [edges] or [edges, heads], the edges sorted by node.
    ///   - offsets: Where each node's edges begin.
    ///   - scoreWeight: The factor of each head's normalized scores (``NeighbourhoodScoreNorm/weight``, divided by the
    ///     temperature if that is not 1), or nil where scores are not normalized.
    /// - Throws: `NormalizationError` for shapes or offsets that do not fit.
    public init(
        _ attention: Tensor<Float>, offsets: SegmentOffsets, scoreWeight: Tensor<Float>? = nil
    ) throws(NormalizationError) {
        guard attention.shape.rank == 1 || attention.shape.rank == 2, attention.shape[0] == offsets.total else {
            throw NormalizationError(
                .shapeMismatch, argument: "attention", expected: "[\(offsets.total)] or [\(offsets.total), heads]",
                given: "shape \(attention.shape)")
        }
        let heads = attention.shape.rank == 2 ? attention.shape[1] : 1
        guard scoreWeight.map({ $0.count == heads }) ?? true else {
            throw NormalizationError(
                .shapeMismatch, argument: "scoreWeight", expected: "\(heads) elements",
                given: "\(scoreWeight?.count ?? 0)")
        }
        let (p, weights) = (attention.array.map(Double.init), scoreWeight?.array.map(Double.init))
        var sums: [Int: Sums] = [:]
        for node in 0..<offsets.count where !offsets.range(node).isEmpty {
            let degree = offsets.range(node).count
            for head in 0..<heads {
                sums[Self.bin(of: degree), default: Sums()].add(
                    offsets.range(node).map { p[$0 * heads + head] },
                    cap: weights.map { ScoreNormLaws.sharpnessCap(neighbours: degree, weight: $0[head]) })
            }
        }
        bins = sums.sorted { $0.key < $1.key }.map { number, sums in
            sums.bin(degrees: number == 0 ? 1...1 : (1 << (number - 1)) + 1...1 << number, heads: heads)
        }
        isolatedNodeCount = offsets.widths.lazy.filter { $0 == 0 }.count
    }

    /// 0 for one edge, else the smallest b with degree <= 2^b.
    private static func bin(of degree: Int) -> Int { Int.bitWidth - (degree - 1).leadingZeroBitCount }

    private struct Sums {
        var count = 0.0
        var entropy = 0.0
        var normalizedEntropy = 0.0
        var effectiveNeighbours = 0.0
        var maximum = 0.0
        var cap: Double?
        var share: Double?

        mutating func add(_ p: [Double], cap: Double?) {
            let h = p.reduce(0) { $1 > 0 ? $0 - $1 * log($1) : $0 }
            count += 1
            entropy += h
            normalizedEntropy += p.count == 1 ? .nan : h / log(Double(p.count))
            effectiveNeighbours += 1 / p.reduce(0) { $0 + $1 * $1 }
            let largest = p.max() ?? .nan
            maximum = max(maximum, largest)
            guard let cap else { return }
            self.cap = (self.cap ?? 0) + cap
            share = max(share ?? 0, largest / cap)
        }

        func bin(degrees: ClosedRange<Int>, heads: Int) -> Bin {
            Bin(
                degrees: degrees, nodeCount: Int(count) / heads, entropy: entropy / count,
                normalizedEntropy: normalizedEntropy / count, effectiveNeighbours: effectiveNeighbours / count,
                maximumWeight: maximum, cap: cap.map { $0 / count }, shareOfCap: share)
        }
    }

    public var description: String {
        let lines = bins.map { bin in
            "degree \(bin.degrees.lowerBound) to \(bin.degrees.upperBound): \(bin.nodeCount) nodes, "
                + "entropy \(bin.entropy), H / ln n \(bin.normalizedEntropy), "
                + "effective neighbours \(bin.effectiveNeighbours), largest \(bin.maximumWeight)"
                + (bin.cap.map { ", cap \($0)" } ?? "")
        }
        return (["\(isolatedNodeCount) nodes without edges"] + lines).joined(separator: "\n")
    }
}
