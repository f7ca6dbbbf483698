// Softmax over the neighbourhoods of a graph.

internal import Foundation
internal import Normalization
internal import ReferenceKernels
import Testing
internal import Verification

@Suite struct NeighbourhoodSoftmaxTests {
    @Test func everyBackendGivesTheSameBits() throws {
        let degrees = (0..<300).map { [0, 1, 2, 3, 7, 16, 17, 70][($0 * $0 + 3) % 8] }
        for heads in [nil, 1, 2, 3, 5, 8, 16, 17, 40] {
            try expectOneAnswer(
                .neighbourhoodSoftmax(Float.self, degrees: degrees + [2000], heads: heads),
                .neighbourhoodSoftmax(BFloat16.self, degrees: degrees, heads: heads),
                .neighbourhoodSoftmax(Float16.self, degrees: degrees, heads: heads))
        }
        try expectOneAnswer(.neighbourhoodSoftmax(Float.self, degrees: [20000, 3], heads: nil))
    }

    @Test(arguments: TestedBackends.kernels + [.reference])
    func specialNeighbourhoods(backend: Backend) throws {
        let none = -Float.infinity
        // Node 0: nothing; 1: one edge; 2: equal scores; 3: one above -∞; 4: all -∞; 5: a NaN; 6: ∞.
        let x = Tensor<Float>([7, 3, 3, none, -80, none, none, 1, .nan, 2, .infinity])
        let offsets = try SegmentOffsets([0, 0, 1, 3, 5, 7, 9, 11])
        let y = try neighbourhoodSoftmax(x, offsets: offsets, backend: backend).array
        #expect(Array(y[..<7]) == [1, 0.5, 0.5, 0, 1, 0, 0])
        #expect(y[7...].allSatisfy { $0.isNaN })
        let dy = Tensor<Float>([5, 1, 3, .nan, 2, .nan, .infinity, 0, 0, 0, 0])
        let dx = try neighbourhoodSoftmaxBackward(dy, output: Tensor(y), offsets: offsets, backend: backend).array
        #expect(Array(dx[..<7]) == [0, -0.5, 0.5, 0, 0, 0, 0])
    }

    /// The edges of every node in another order, forward and backward: every bit goes with its edge.
    @Test(arguments: TestedBackends.all + [.reference], [1, 3, 16, 20])
    func theOrderOfEdgesDoesNotMatter(backend: Backend, heads: Int) throws {
        var random = RandomNumbers(seed: 4)
        let offsets = try SegmentOffsets(widths: [1, 2, 0, 33, 5, 1100, 16])
        let edges = offsets.total
        let order = (0..<offsets.count).flatMap { node in
            offsets.range(node).map { ($0, random.normals(1)[0]) }.sorted { $0.1 < $1.1 }.map(\.0)
        }
        #expect(order != Array(0..<edges))
        func permuted(_ x: [Float]) -> [Float] {
            order.flatMap { Array(x[$0 * heads..<($0 + 1) * heads]) }
        }
        let x = random.normals(edges * heads).map { $0 * 9 }
        let dy = random.normals(edges * heads).map { $0 + 1e3 }
        func call(_ x: [Float], _ dy: [Float]) throws -> (y: [Float], dx: [Float]) {
            let y = try neighbourhoodSoftmax(Tensor(x, shape: [edges, heads]), offsets: offsets, backend: backend)
            let dx = try neighbourhoodSoftmaxBackward(
                Tensor(dy, shape: [edges, heads]), output: y, offsets: offsets, backend: backend)
            return (y.array, dx.array)
        }
        let straight = try call(x, dy)
        let other = try call(permuted(x), permuted(dy))
        expectSameBits(other.y, permuted(straight.y), "y")
        expectSameBits(other.dx, permuted(straight.dx), "dx")
    }

    /// Heads do not meet: each is what it gives by itself, from a contiguous tensor or a view.
    @Test func headsAreApart() throws {
        var random = RandomNumbers(seed: 8)
        let offsets = try SegmentOffsets(widths: [4, 0, 9, 7])
        for heads in [2, 3, 19] {
            let x = try Tensor(random.normals(20 * heads), shape: [20, heads])
            let y = try neighbourhoodSoftmax(x, offsets: offsets)
            for head in 0..<heads {
                let own = try x.sliced(head..<head + 1, axis: 1)
                let alone = try neighbourhoodSoftmax(own, offsets: offsets)
                expectSameBits(try y.sliced(head..<head + 1, axis: 1).array, alone.array, "\(head) of \(heads)")
            }
        }
    }

    /// As for rows (SoftmaxAccuracyTests): e(x), its sum, the factor and the product, together within 4 units of 2^-23;
    /// what the exact sum leaves out is 2^-50 of it for an edge.
    @Test(arguments: [2, 17, 300, 5000, 100_000])
    func probabilities(degree: Int) throws {
        let judge = PlainSoftmax<Double>(exp: Foundation.exp)
        var random = RandomNumbers(seed: UInt64(degree))
        for scale: Float in [0.01, 1, 30, 1e4] {
            for offset: Float in [0, 1e4] {
                let x = random.normals(degree).map { $0 * scale + offset }
                let y = try neighbourhoodSoftmax(Tensor(x), offsets: SegmentOffsets([0, degree])).array
                let truth = judge.forward(x.map(Double.init))
                let worst = zip(y, truth).map { abs(Double($0) - $1) / max($1, 0x1p-126) }.max()!
                #expect(worst <= 4 * 0x1p-23, "scale \(scale), offset \(offset)")
                let sum = y.reduce(0.0) { $0 + Double($1) }
                #expect(abs(sum - 1) <= 4e-7, "scale \(scale), offset \(offset)")
            }
        }
    }

    /// The reason of SoftmaxAccuracyTests.gradients holds here as well; the gradient it is compared with is in turn
    /// held against central differences of sum(dy * y) in Double: scores of size 1, both errors of a difference below
    /// 1e-8 for each of 14 terms.
    @Test func gradientsAreThoseOfDifferences() throws {
        let judge = PlainSoftmax<Double>(exp: Foundation.exp)
        let offsets = try SegmentOffsets(widths: [0, 1, 2, 3, 14])
        let heads = 2
        var random = RandomNumbers(seed: 21)
        let x = try Tensor(random.normals(40), shape: [20, heads])
        for offset: Float in [0, 1e6] {
            let dy = try Tensor(random.normals(40).map { $0 + offset }, shape: [20, heads])
            let y = try neighbourhoodSoftmax(x, offsets: offsets)
            let dx = try neighbourhoodSoftmaxBackward(dy, output: y, offsets: offsets)
            for node in 0..<offsets.count {
                for head in 0..<heads {
                    let edges = Array(offsets.range(node))
                    var own = edges.map { Double(x[$0, head]) }
                    let given = edges.map { Double(dy[$0, head]) }
                    let truth = judge.backward(given, x: own)
                    let spread = (given.max() ?? 0) - (given.min() ?? 0)
                    for (index, edge) in edges.enumerated() {
                        let bound = 8 * 0x1p-23 * spread + Double(offset) * 0x1p-50
                        #expect(abs(Double(dx[edge, head]) - truth[index]) <= bound, "node \(node), offset \(offset)")
                        if offset > 0 { continue }
                        func loss() -> Double { zip(given, judge.forward(own)).reduce(0) { $0 + $1.0 * $1.1 } }
                        let kept = own[index]
                        own[index] = kept + 0x1p-17
                        let above = loss()
                        own[index] = kept - 0x1p-17
                        #expect(abs((above - loss()) * 0x1p16 - truth[index]) <= 1e-7, "node \(node)")
                        own[index] = kept
                    }
                }
            }
        }
    }

    @Test func noEdgesGiveNothing() throws {
        let offsets = try SegmentOffsets([0, 0, 0])
        for backend in [Backend.automatic, .reference] {
            let y = try neighbourhoodSoftmax(Tensor<Float>([]), offsets: offsets, backend: backend)
            #expect(y.shape == [0])
            let dx = try neighbourhoodSoftmaxBackward(y, output: y, offsets: offsets, backend: backend)
            #expect(dx.shape == [0])
            let noHeads = try Tensor<Float>([], shape: [3, 0])
            let none = try neighbourhoodSoftmax(noHeads, offsets: SegmentOffsets([0, 3]), backend: backend)
            #expect(none.shape == [3, 0])
        }
    }

    @Test func refusals() throws {
        let x = Tensor<Float>([1, 2, 3])
        let right = try SegmentOffsets([0, 1, 3])
        let cube = try Tensor<Float>(repeating: 0, shape: [3, 1, 1])
        for backend in [Backend.automatic, .reference] {
            for wrong in [[0, 2], [0, 4], [0, 0]] {
                expectError(.invalidOffsets, "offsets") { () throws(NormalizationError) in
                    try neighbourhoodSoftmax(x, offsets: SegmentOffsets(wrong), backend: backend)
                }
                expectError(.invalidOffsets, "offsets") { () throws(NormalizationError) in
                    try neighbourhoodSoftmaxBackward(x, output: x, offsets: SegmentOffsets(wrong), backend: backend)
                }
            }
            expectError(.invalidShape, "x") { () throws(NormalizationError) in
                try neighbourhoodSoftmax(cube, offsets: right, backend: backend)
            }
            expectError(.invalidShape, "output") { () throws(NormalizationError) in
                try neighbourhoodSoftmaxBackward(cube, output: cube, offsets: right, backend: backend)
            }
            expectError(.shapeMismatch, "outputGradient") { () throws(NormalizationError) in
                try neighbourhoodSoftmaxBackward(Tensor([1, 2]), output: x, offsets: right, backend: backend)
            }
        }
        for (reason, backend) in BadInput.backends {
            expectError(reason, "backend") { () throws(NormalizationError) in
                try neighbourhoodSoftmax(x, offsets: right, backend: backend)
            }
            expectError(reason, "backend") { () throws(NormalizationError) in
                try neighbourhoodSoftmaxBackward(x, output: x, offsets: right, backend: backend)
            }
        }
    }
}
