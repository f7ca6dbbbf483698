// Attention over graphs: gradients, small degrees, order of edges, reports, errors.

import NormalizationDiagnostics
import Testing

@Suite struct GraphAttentionLayers {
    /// Degrees 0, 1, 2, 3 and 4; one edge is a self-loop, and one pair has two edges.
    private let graph: CSRGraph
    private let x: Tensor<Float>

    init() throws {
        graph = try CSRGraph(
            nodeCount: 5,
            edges: [
                (4, 1), (0, 2), (3, 2), (0, 3), (1, 3), (3, 3), (0, 4), (1, 4), (2, 4), (2, 4),
            ])
        x = try irregular([5, 3], start: 59)
    }

    private static let norms: [(edge: Bool, score: Bool)] = [
        (false, false), (true, false), (false, true), (true, true),
    ]

    private func gat(_ norms: (edge: Bool, score: Bool)) throws -> GATLayer {
        try GATLayer(
            weight: irregular([8, 3], start: 9), sourceAttention: irregular([2, 4], start: 37),
            targetAttention: irregular([2, 4], start: 27), edgeNorm: norms.edge ? EdgeLayerNorm() : nil,
            scoreNorm: norms.score ? NeighbourhoodScoreNorm(headCount: 2, weight: 0.7) : nil, temperature: 1.5)
    }

    private func gatv2(_ norms: (edge: Bool, score: Bool)) throws -> GATv2Layer {
        try GATv2Layer(
            sourceWeight: irregular([8, 3], start: 9), targetWeight: irregular([8, 3], start: 19),
            attention: irregular([2, 4], start: 37), edgeNorm: norms.edge ? EdgeLayerNorm() : nil,
            scoreNorm: norms.score ? NeighbourhoodScoreNorm(headCount: 2, weight: 0.7) : nil, temperature: 1.5)
    }

    /// Central differences with step 2e-3 in float32 err by some 3e-4, the rounding of the loss over the step. With
    /// these numbers the largest element of each gradient is at least 0.32, and no argument of a LeakyReLU is nearer to
    /// its kink than 0.065. (Behind a norm of scores the target's attention has next to no gradient, unless scores of
    /// one node lie on both sides of the kink: they do.)
    private static let tolerance = 2e-3

    @Test(arguments: 0..<4) func gatGradients(_ index: Int) throws {
        let layer = try gat(Self.norms[index])
        let graph = graph
        let errors = [
            try gradientError(at: x, step: 2e-3) { x in
                let (value, _, pullback) = try layer.valueWithPullback(at: x, graph: graph)
                return (value, { try pullback($0).input })
            },
            try error(of: layer, \.weight) { $0.weight },
            try error(of: layer, \.sourceAttention) { $0.sourceAttention },
            try error(of: layer, \.targetAttention) { $0.targetAttention },
        ]
        #expect(errors.allSatisfy { $0 < Self.tolerance }, "\(errors)")
        guard layer.scoreNorm != nil else { return }
        let raw = try gradientError(at: layer.scoreNorm?.rawWeight ?? x, step: 2e-3) { raw in
            var changed = layer
            changed.scoreNorm?.rawWeight = raw
            let (value, _, pullback) = try changed.valueWithPullback(at: x, graph: graph)
            return (value, { try #require(pullback($0).scoreRawWeight) })
        }
        #expect(raw < Self.tolerance, "\(raw)")
    }

    private func error(
        of layer: GATLayer, _ parameter: WritableKeyPath<GATLayer, Tensor<Float>>,
        _ gradient: @escaping (GATGradients) -> Tensor<Float>
    ) throws -> Double {
        try gradientError(at: layer[keyPath: parameter], step: 2e-3) { value in
            var changed = layer
            changed[keyPath: parameter] = value
            let (output, _, pullback) = try changed.valueWithPullback(at: x, graph: graph)
            return (output, { gradient(try pullback($0)) })
        }
    }

    @Test(arguments: 0..<4) func gatv2Gradients(_ index: Int) throws {
        let layer = try gatv2(Self.norms[index])
        let graph = graph
        let errors = [
            try gradientError(at: x, step: 2e-3) { x in
                let (value, _, pullback) = try layer.valueWithPullback(at: x, graph: graph)
                return (value, { try pullback($0).input })
            },
            try error(of: layer, \.sourceWeight) { $0.sourceWeight },
            try error(of: layer, \.targetWeight) { $0.targetWeight },
            try error(of: layer, \.attention) { $0.attention },
        ]
        #expect(errors.allSatisfy { $0 < Self.tolerance }, "\(errors)")
        guard layer.scoreNorm != nil else { return }
        let raw = try gradientError(at: layer.scoreNorm?.rawWeight ?? x, step: 2e-3) { raw in
            var changed = layer
            changed.scoreNorm?.rawWeight = raw
            let (value, _, pullback) = try changed.valueWithPullback(at: x, graph: graph)
            return (value, { try #require(pullback($0).scoreRawWeight) })
        }
        #expect(raw < Self.tolerance, "\(raw)")
    }

    private func error(
        of layer: GATv2Layer, _ parameter: WritableKeyPath<GATv2Layer, Tensor<Float>>,
        _ gradient: @escaping (GATv2Gradients) -> Tensor<Float>
    ) throws -> Double {
        try gradientError(at: layer[keyPath: parameter], step: 2e-3) { value in
            var changed = layer
            changed[keyPath: parameter] = value
            let (output, _, pullback) = try changed.valueWithPullback(at: x, graph: graph)
            return (output, { gradient(try pullback($0)) })
        }
    }

    @Test(arguments: 0..<4) func smallDegrees(_ index: Int) throws {
        let (value, attention, _) = try gat(Self.norms[index]).valueWithPullback(at: x, graph: graph)
        #expect(value.array[..<8].allSatisfy { $0 == 0 }, "node 0 has no edges")
        #expect(attention.array[..<2] == [1, 1], "node 1 has one edge")
    }

    /// Sums over edges round in their order: a few roundings of numbers of size 4.
    @Test(arguments: 0..<4) func orderOfEdgesDoesNotMatter(_ index: Int) throws {
        let permuted = try CSRGraph(
            nodeCount: 5,
            edges: [
                (2, 4), (3, 3), (1, 3), (1, 4), (3, 2), (2, 4), (0, 4), (0, 3), (4, 1), (0, 2),
            ])
        let (layer, other) = (try gat(Self.norms[index]), try gatv2(Self.norms[index]))
        for (given, expected) in zip(try layer(x, graph: permuted).array, try layer(x, graph: graph).array) {
            #expect(abs(given - expected) < 1e-5)
        }
        for (given, expected) in zip(try other(x, graph: permuted).array, try other(x, graph: graph).array) {
            #expect(abs(given - expected) < 1e-5)
        }
    }

    @Test func selfLoopsComeLast() throws {
        let looped = try graph.addingSelfLoops()
        #expect(looped.degrees == [1, 2, 3, 4, 5])
        #expect(looped.sources == [0, 4, 1, 0, 3, 2, 0, 1, 3, 3, 0, 1, 2, 2, 4])
        #expect(looped.targets == [0, 1, 1, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 4])
    }

    @Test func weightIsSoftplus() throws {
        for weight: Float in [1e-3, 0.5, 1, 30] {
            let norm = try NeighbourhoodScoreNorm(weight: weight)
            #expect(abs(norm.weight.array[0] / weight - 1) < 1e-5)
        }
        var norm = try NeighbourhoodScoreNorm()
        norm.rawWeight = Tensor([-50])
        #expect(norm.weight.array[0] > 0)
    }

    @Test func reportCountsByDegree() throws {
        let offsets = try SegmentOffsets(widths: [0, 1, 2, 3, 4])
        let half: Float = 0.5
        let attention: [Float] = [1, half, half, 1, 0, 0, 0.25, 0.25, 0.25, 0.25]
        let report = try AttentionSharpnessReport(Tensor(attention), offsets: offsets, scoreWeight: Tensor([1]))
        #expect(report.isolatedNodeCount == 1)
        #expect(report.bins.map(\.degrees) == [1...1, 2...2, 3...4])
        #expect(report.bins.map(\.nodeCount) == [1, 1, 2])
        #expect(report.bins.map(\.maximumWeight) == [1, 0.5, 1])
        #expect(report.bins[0].normalizedEntropy.isNaN)
        #expect(abs(report.bins[1].normalizedEntropy - 1) < 1e-12)
        #expect(abs(report.bins[2].effectiveNeighbours - 2.5) < 1e-12)
        #expect((report.bins[2].shareOfCap ?? 0) > 1, "attention 1 is beyond every cap")
        let lines = report.description.split(separator: "\n")
        #expect(lines.count == 4 && lines[0].contains("1 nodes without edges") && lines[3].contains("degree 3 to 4: 2 nodes"))
        #expect(lines.dropFirst().allSatisfy { $0.contains(", cap ") })
    }

    @Test func edgeNormIsLayerNorm() throws {
        let (norm, messages) = (try EdgeLayerNorm(epsilon: 0.1), try irregular([5, 2, 4]))
        #expect(try norm(messages) == layerNorm(messages, epsilon: 0.1))
        #expect(try norm(messages) == norm.valueWithPullback(at: messages).value)
    }

    @Test func wrongArgumentsThrow() throws {
        #expect(throws: NormalizationError.self) { try CSRGraph(nodeCount: 2, edges: [(0, 2)]) }
        #expect(throws: NormalizationError.self) { try CSRGraph(nodeCount: 2, edges: [(2, 0)]) }
        #expect(throws: NormalizationError.self) { try CSRGraph(nodeCount: 0, edges: []) }
        #expect(throws: NormalizationError.self) {
            try CSRGraph(offsets: SegmentOffsets([0, 1]), sources: [0, 0])
        }
        #expect(throws: NormalizationError.self) { try NeighbourhoodScoreNorm(weight: 0) }
        #expect(throws: NormalizationError.self) { try NeighbourhoodScoreNorm(headCount: 0) }
        #expect(throws: NormalizationError.self) { try EdgeLayerNorm(epsilon: -1) }
        #expect(throws: NormalizationError.self) { try gat((false, false))(irregular([4, 3]), graph: graph) }
        #expect(throws: NormalizationError.self) {
            try GATLayer(
                weight: irregular([8, 3]), sourceAttention: irregular([2, 4]), targetAttention: irregular([4, 2]))
        }
        #expect(throws: NormalizationError.self) {
            try GATv2Layer(
                sourceWeight: irregular([8, 3]), targetWeight: irregular([8, 3]), attention: irregular([2, 4]),
                scoreNorm: NeighbourhoodScoreNorm(headCount: 3))
        }
        #expect(throws: NormalizationError.self) {
            try GATv2Layer(
                sourceWeight: irregular([8, 3]), targetWeight: irregular([8, 3]), attention: irregular([2, 4]),
                temperature: 0)
        }
        #expect(throws: NormalizationError.self) {
            try AttentionSharpnessReport(irregular([3]), offsets: SegmentOffsets(widths: [4]))
        }
        #expect(throws: NormalizationError.self) {
            try AttentionSharpnessReport(
                irregular([4]), offsets: SegmentOffsets(widths: [4]), scoreWeight: Tensor([1, 2]))
        }
        for (source, target, attention) in [
            ([8, 3], [8, 4], [2, 4]), ([8, 3], [8, 3], [8]), ([9, 3], [9, 3], [2, 4]),
        ] as [(Shape, Shape, Shape)] {
            #expect(throws: NormalizationError.self) {
                try GATv2Layer(
                    sourceWeight: irregular(source), targetWeight: irregular(target), attention: irregular(attention))
            }
        }
    }
}
