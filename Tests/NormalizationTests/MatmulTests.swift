// Products of matrices through the public function: bits against the reference for every backend, views, shared
// matrices, BLAS within a bound, errors.

internal import Normalization
import Testing
internal import Verification

@Suite struct MatmulTests {
    private func drawn<Element: KernelElement>(
        _ shape: Shape, seed: UInt64 = 3, as type: Element.Type = Float.self
    ) throws -> Tensor<Element> {
        var random = RandomNumbers(seed: seed)
        return Tensor(rounding: try Tensor(random.normals(shape.elementCount ?? 0), shape: shape))
    }

    private func expectOneAnswer<A: KernelElement, B: KernelElement>(
        _ a: Tensor<A>, _ b: Tensor<B>, scale: Float = 1, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let expected = try matmul(a, b, scale: scale, backend: .reference)
        for backend in TestedBackends.kernels {
            let given = try matmul(a, b, scale: scale, backend: backend)
            #expect(given.shape == expected.shape, sourceLocation: sourceLocation)
            expectSameBits(
                given.widened().array, expected.widened().array, "\(a.shape) \(b.shape), \(backend)",
                sourceLocation: sourceLocation)
        }
    }

    @Test(
        arguments: TestedSizes.thinned(
            [(1, 1, 1), (6, 64, 16), (7, 65, 17), (25, 128, 512), (24, 64, 513), (3, 70, 1100), (200, 33, 40)],
            debugStep: 3))
    func shapes(rows: Int, columns: Int, depth: Int) throws {
        let (a, b) = (try drawn([rows, depth]), try drawn([depth, columns], seed: 4))
        try expectOneAnswer(a, b)
        try expectOneAnswer(drawn([depth, rows]).transposed(0, 1), b, scale: 0.3)
        try expectOneAnswer(a, drawn([columns, depth]).transposed(0, 1), scale: -2)
    }

    @Test func types() throws {
        let b = try drawn([2, 2, 40, 33])
        try expectOneAnswer(drawn([2, 4, 9, 40], as: BFloat16.self), b)
        try expectOneAnswer(drawn([2, 4, 9, 40]), Tensor<Float16>(rounding: b))
        try expectOneAnswer(
            drawn([2, 4, 40, 9], as: Float16.self).transposed(2, 3),
            Tensor<BFloat16>(rounding: b.transposed(2, 3)).transposed(2, 3))
    }

    /// The sum of the formula, in whole numbers, which any order gives.
    @Test func theFormula() throws {
        func whole(_ count: Int, _ modulus: Int) -> [Float] { (0..<count).map { Float($0 % modulus - modulus / 2) } }
        let a = try Tensor(whole(120, 13), shape: [2, 4, 3, 5])
        let b = try Tensor(whole(70, 11), shape: [1, 2, 5, 7])
        let c = try matmul(a, b, scale: 0.5)
        #expect(c.shape == [2, 4, 3, 7])
        for n in 0..<2 {
            for h in 0..<4 {
                for i in 0..<3 {
                    for j in 0..<7 {
                        var sum: Float = 0
                        for t in 0..<5 { sum += a[n, h, i, t] * b[0, h / 2, t, j] }
                        #expect(c[n, h, i, j] == 0.5 * sum)
                    }
                }
            }
        }
    }

    @Test func viewsAndEmptyOnes() throws {
        let (a, b) = (try drawn([3, 8, 6]), try drawn([6, 9]))
        let whole = try matmul(a, b)
        #expect(whole.shape == [3, 8, 9])
        let rows = try matmul(a.sliced(2..<5, axis: 1), b)
        try expectSameBits(rows.array, whole.sliced(2..<5, axis: 1).array, "some rows")
        let strided = try matmul(a.movingAxis(0, to: 2).contiguous().movingAxis(2, to: 0), b)
        expectSameBits(strided.array, whole.array, "neither axis contiguous")
        for backend in [Backend.automatic, .reference] {
            let zero = try matmul(drawn([4, 0]), drawn([0, 5]), backend: backend)
            #expect(zero.shape == [4, 5] && zero.array.allSatisfy { $0 == 0 })
            #expect(try matmul(drawn([0, 3]), drawn([3, 5]), backend: backend).shape == [0, 5])
            #expect(try matmul(drawn([4, 3]), drawn([3, 0]), backend: backend).shape == [4, 0])
        }
    }

    /// Another order of the sum: at most a rounding of all magnitudes for each addition, there and here.
    @Test func byBLAS() throws {
        let (a, b) = (try drawn([2, 4, 70, 50]), try drawn([2, 2, 50, 90]))
        guard MatrixProducts.available.contains(.blas) else {
            expectError(.unavailableBLAS, "products") { () throws(NormalizationError) in
                try matmul(a, b, products: .blas)
            }
            return
        }
        func magnitudes(_ x: Tensor<Float>) throws -> Tensor<Float> {
            try Tensor(x.array.map { abs($0) }, shape: x.shape)
        }
        let bounds = try matmul(magnitudes(a), magnitudes(b)).array.map { $0 * 2 * 51 * 0x1p-24 }
        let ours = try matmul(a, b).array
        for threads in TestedBackends.threadCounts {
            for other in [b, try b.transposed(2, 3).contiguous().transposed(2, 3)] {
                let theirs = try matmul(a, other, products: .blas, backend: .kernels(threads: threads)).array
                #expect(theirs.indices.allSatisfy { abs(theirs[$0] - ours[$0]) <= bounds[$0] })
            }
        }
        let rounded = try matmul(Tensor<BFloat16>(rounding: a), Tensor<BFloat16>(rounding: b), products: .blas)
        #expect(rounded.shape == [2, 4, 70, 90])
        try expectSameBits(
            matmul(a, b, products: .blas, backend: .reference).array, matmul(a, b, backend: .reference).array,
            "the reference does without BLAS")
    }

    @Test func mistakes() throws {
        let (a, b) = (try drawn([2, 4, 3, 5]), try drawn([2, 2, 5, 7]))
        for shape in [[2, 2, 4, 7], [3, 2, 5, 7], [2, 3, 5, 7], [2, 0, 5, 7]] as [Shape] {
            expectError(.shapeMismatch, "b", "\(shape)") { () throws(NormalizationError) in
                try matmul(a, Tensor<Float>(repeating: 0, shape: shape))
            }
        }
        expectError(.invalidShape, "a") { () throws(NormalizationError) in try matmul(Tensor<Float>([1, 2]), b) }
        expectError(.invalidShape, "b") { () throws(NormalizationError) in
            try matmul(a, Tensor<Float>(repeating: 0, shape: [1, 2, 2, 5, 7]))
        }
        for scale in [Float.nan, .infinity] {
            expectError(.invalidParameter, "scale") { () throws(NormalizationError) in try matmul(a, b, scale: scale) }
        }
        for (reason, backend) in BadInput.backends {
            expectError(reason, "backend") { () throws(NormalizationError) in try matmul(a, b, backend: backend) }
        }
    }
}
