// The tools of the core and of residual updates, as a user meets them, and their errors.

import NormalizationDiagnostics
import Testing

@Suite struct LayerNormJacobianTests {
    private let x = Tensor<Float>([0.5, -1, 2, 0.25, 3])

    /// The product by the kernel beside that by the matrix, weight included; some ten roundings of 6e-8 apart.
    @Test func productAgreesWithMatrix() throws {
        let jacobian = try LayerNormJacobian(at: x, weight: Tensor([1, 2, 3, 4, 5]), epsilon: 0.1)
        let direction: [Float] = [1, 0, -2, 0.5, 3]
        let product = try jacobian.product(with: Tensor(direction)).array
        for (row, given) in zip(jacobian.matrix, product) {
            let expected = zip(row, direction).reduce(0) { $0 + $1.0 * Double($1.1) }
            #expect(abs(Double(given) - expected) < 1e-5)
        }
    }

    @Test func spectrumOfNarrowRows() throws {
        #expect(try LayerNormJacobian(at: Tensor([7])).spectrum.eigenvalues == [0])
        let pair = try LayerNormJacobian(at: Tensor([1, 3]), epsilon: 0).spectrum
        #expect(pair.eigenvalues == [0, 0] && pair.rank == 0 && pair.frobeniusNorm == 0)
        let wide = try LayerNormJacobian(at: x, epsilon: 0.1).spectrum
        #expect(wide.rank == 4 && wide.eigenvalues == wide.eigenvalues.sorted() && wide.operatorNorm == wide.across)
        // Without spread every direction across 1 passes with 1/sqrt(epsilon).
        let flat = try LayerNormJacobian(at: Tensor([2, 2, 2]), epsilon: 0.25).spectrum
        #expect(flat.eigenvalues == [0, 2, 2] && flat.frobeniusNorm == 8.0.squareRoot())
    }

    @Test func refusals() throws {
        #expect(throws: NormalizationError.self) { try LayerNormJacobian(at: Tensor([1, 2], shape: [1, 2])) }
        #expect(throws: NormalizationError.self) { try LayerNormJacobian(at: Tensor([2, 2]), epsilon: 0) }
        #expect(throws: NormalizationError.self) { try LayerNormJacobian(at: Tensor([2, .infinity])) }
        #expect(throws: NormalizationError.self) { try LayerNormJacobian(at: x, epsilon: -1) }
        let jacobian = try LayerNormJacobian(at: x)
        #expect(throws: NormalizationError.self) { try jacobian.product(with: Tensor([1, 2])) }
    }
}

@Suite struct InvarianceReportTests {
    private let weights = Tensor<Float>([1, 2, -1, 0.5, 3, 0.25])
    private let data = Tensor<Float>([1, -1, 2, 0.5, 0.5, 3])

    @Test func linearAndNormedLayers() throws {
        let (weights, data) = (try weights.reshaped(to: [3, 2]), try data.reshaped(to: [3, 2]))
        let linear = try InvarianceReport(weights: weights, data: data) { weights, data in
            try matmul(data, weights.transposed(0, 1))
        }
        #expect(linear.entries.allSatisfy { !$0.isInvariant })
        let normed = try InvarianceReport(weights: weights, data: data) { weights, data in
            try layerNorm(matmul(data, weights.transposed(0, 1)), epsilon: 0)
        }
        #expect(normed.entries.map(\.isInvariant) == [true, true, false, true, false, true])
        #expect(normed[.dataRecentring].transformation == .dataRecentring && normed[.dataRecentring].residual > 0.01)
    }

    @Test func refusals() throws {
        let matrix = try weights.reshaped(to: [3, 2])
        func report(_ weights: Tensor<Float>, _ data: Tensor<Float>, factor: Double = 3) throws {
            _ = try InvarianceReport(weights: weights, data: data, factor: factor) { _, data in data }
        }
        #expect(throws: NormalizationError.self) { try report(weights, matrix) }
        #expect(throws: NormalizationError.self) { try report(matrix, data) }
        #expect(throws: NormalizationError.self) { try report(matrix, data.reshaped(to: [2, 3])) }
        #expect(throws: NormalizationError.self) { try report(matrix, matrix, factor: 1) }
        #expect(throws: NormalizationError.self) { try report(matrix, Tensor(repeating: 0, shape: [3, 2])) }
        var outputs = 0
        #expect(throws: NormalizationError.self) {
            try InvarianceReport(weights: matrix, data: matrix) { _, _ in
                outputs += 1
                return Tensor([Float](repeating: 1, count: outputs))
            }
        }
    }
}

@Suite struct ResidualUpdateTests {
    private let x = Tensor<Float>([3, 4])
    private let f = Tensor<Float>([5, 5])

    @Test func updatesOfOneVector() throws {
        #expect(try ResidualUpdate.linear.join(x, update: f).array == [8, 9])
        // <x, f> / <x, x> = 35/25: u = (0.8, -0.6).
        let h = try ResidualUpdate.orthogonal.join(x, update: f, epsilon: 0).array
        #expect(abs(h[0] - 3.8) < 1e-6 && abs(h[1] - 3.4) < 1e-6)
        let stochastic = ResidualUpdate.orthogonalStochastic(0.3)
        #expect(try stochastic.join(x, update: f, epsilon: 0, uniform: 0.29).array == h)
        #expect(try stochastic.join(x, update: f, uniform: 0.3).array == [8, 9])
    }

    /// Central differences of a loss that is quadratic along f, and smooth along x; steps of 1e-2 in float32 see 1e-3.
    @Test(arguments: [ResidualUpdate.linear, .orthogonal]) func gradients(_ update: ResidualUpdate) throws {
        let g = Tensor<Float>([1, -2])
        let gradients = try update.backward(g, x: x, update: f)
        func loss(_ x: [Float], _ f: [Float]) throws -> Float {
            let h = try update.join(Tensor(x), update: Tensor(f)).array
            return h[0] * 1 + h[1] * -2
        }
        for index in 0..<2 {
            func difference(_ loss: ([Float]) throws -> Float, _ point: [Float]) rethrows -> Float {
                var (up, down) = (point, point)
                up[index] += 1e-2
                down[index] -= 1e-2
                return (try loss(up) - loss(down)) / 2e-2
            }
            #expect(abs(try difference({ try loss($0, f.array) }, x.array) - gradients.input.array[index]) < 2e-3)
            #expect(abs(try difference({ try loss(x.array, $0) }, f.array) - gradients.update.array[index]) < 2e-3)
        }
    }

    @Test func refusals() throws {
        #expect(throws: NormalizationError.self) { try ResidualUpdate.linear.join(x, update: Tensor([1])) }
        #expect(throws: NormalizationError.self) { try ResidualUpdate.orthogonal.join(x, update: Tensor([1])) }
        #expect(throws: NormalizationError.self) { try ResidualUpdate.orthogonalStochastic(1.5).join(x, update: f) }
        #expect(throws: NormalizationError.self) { try ResidualUpdate.linear.join(x, update: f, uniform: 1) }
        #expect(throws: NormalizationError.self) { try ResidualUpdate.linear.backward(Tensor([1]), x: x, update: f) }
    }

    @Test func probe() throws {
        var probe = UpdateGeometryProbe()
        try probe.record(stream: x, update: f)
        try probe.record(stream: x, update: f, result: ResidualUpdate.orthogonal.join(x, update: f))
        // cos = 35 / (5 sqrt(50)); what is new of f is 1 - cos² = 0.02.
        #expect(abs(probe.blocks[0].cosine - 0.98995) < 1e-5 && abs(probe.blocks[0].novelty - 0.02) < 1e-12)
        #expect(probe.blocks[0].growth == 145.0 / 25 && abs(probe.blocks[1].growth - 1.04) < 1e-6)
        #expect(probe.blocks[0].absoluteAddedCosine > 0.9 && probe.blocks[1].absoluteAddedCosine < 1e-6)
        // A vector of zeros does not count.
        try probe.record(stream: Tensor([3, 4, 0, 0], shape: [2, 2]), update: Tensor([-3, -4, 1, 1], shape: [2, 2]))
        #expect(abs(probe.blocks[2].cosine + 1) < 1e-12 && probe.blocks[2].growth == 0)
        #expect(throws: NormalizationError.self) { try probe.record(stream: Tensor([0, 0]), update: f) }
        #expect(throws: NormalizationError.self) { try probe.record(stream: x, update: Tensor([1])) }
        let empty = try Tensor<Float>([], shape: [2, 0])
        #expect { try probe.record(stream: empty, update: empty) } throws: {
            ($0 as? NormalizationError)?.reason == .invalidShape
        }
        #expect(probe.blocks.count == 3)
    }
}
