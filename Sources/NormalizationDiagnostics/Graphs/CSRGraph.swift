public import Normalization

/// A directed graph, its edges sorted by the node that they lead to (compressed sparse rows).
///
/// ```swift
/// let graph = try CSRGraph(nodeCount: 3, edges: [(0, 2), (1, 2), (2, 0)])   // (source, target)
/// graph.degrees                                                             // [1, 0, 2]
/// ```
/// The neighbourhood of node v is the edges `offsets.range(v)`: those that lead to it.
public struct CSRGraph: Sendable, Hashable {
    /// Where each node's edges begin.
    public let offsets: SegmentOffsets
    /// The node that each edge comes from.
    public let sources: [Int]
    /// The node that each edge leads to.
    public let targets: [Int]

    /// - Parameters:
    ///   - offsets: One segment a node.
    ///   - sources: One node an edge.
    /// - Throws: `NormalizationError` if the counts differ, or a source is not a node.
    public init(offsets: SegmentOffsets, sources: [Int]) throws(NormalizationError) {
        guard offsets.total == sources.count else {
            throw NormalizationError(
                .shapeMismatch, argument: "sources", expected: "\(offsets.total) edges", given: "\(sources.count)")
        }
        if let source = sources.first(where: { !(0..<offsets.count).contains($0) }) {
            throw NormalizationError(
                .outOfRange, argument: "sources", expected: "a node of 0..<\(offsets.count)", given: "\(source)")
        }
        self.offsets = offsets
        self.sources = sources
        targets = (0..<offsets.count).flatMap { node in offsets.range(node).map { _ in node } }
    }

    /// Edges in any order; those of one target keep theirs.
    ///
    /// - Throws: `NormalizationError` if there is no node, or an edge has an end that is not one.
    public init(nodeCount: Int, edges: [(source: Int, target: Int)]) throws(NormalizationError) {
        var neighbours = [[Int]](repeating: [], count: max(nodeCount, 0))
        for edge in edges {
            guard neighbours.indices.contains(edge.target) else {
                throw NormalizationError(
                    .outOfRange, argument: "edges", expected: "targets of 0..<\(nodeCount)", given: "\(edge.target)")
            }
            neighbours[edge.target].append(edge.source)
        }
        try self.init(offsets: SegmentOffsets(widths: neighbours.map(\.count)), sources: neighbours.flatMap { $0 })
    }

    /// Each pair as two edges, one either way.
    ///
    /// - Throws: `NormalizationError` if there is no node, or an edge has an end that is not one.
    public init(nodeCount: Int, undirectedEdges: [(Int, Int)]) throws(NormalizationError) {
        try self.init(nodeCount: nodeCount, edges: undirectedEdges.flatMap { [($0.0, $0.1), ($0.1, $0.0)] })
    }

    public var nodeCount: Int { offsets.count }
    public var edgeCount: Int { sources.count }
    /// The number of edges that lead to each node.
    public var degrees: [Int] { offsets.widths }

    /// The same with an edge from each node to itself, behind its others. It changes every degree, and with it what a
    /// norm over neighbourhoods does.
    public func addingSelfLoops() throws(NormalizationError) -> CSRGraph {
        let withLoops = (0..<nodeCount).flatMap { node in offsets.range(node).map { sources[$0] } + [node] }
        return try CSRGraph(offsets: SegmentOffsets(widths: degrees.map { $0 + 1 }), sources: withLoops)
    }
}
