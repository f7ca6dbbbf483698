// Gradients of rows that are sharded: gradient moments of parts, merged, and the gradients of each part by them. (That every
// backend gives the same bits is checked with the forward pass, in RowMomentsTests.)

internal import KernelBridge
internal import Normalization
internal import ReferenceKernels
import Testing
internal import Verification

@Suite struct RowMomentsBackwardTests {
    /// Rows that are cut at some columns, a process for each part; an empty part has nothing to compute.
    private struct Shards {
        let x, dy: Tensor<Float>
        let weight: Tensor<Float>?
        let ranges: [Range<Int>]

        init(_ input: LayerNormVerification.Case, cuts: [Int]) {
            (x, dy, weight) = (input.x, input.outputGradient, input.weight)
            let bounds = [0] + cuts + [input.x.shape[1]]
            ranges = zip(bounds, bounds.dropFirst()).map { $0..<$1 }
        }

        func part(_ tensor: Tensor<Float>, _ range: Range<Int>) throws -> Tensor<Float> {
            try tensor.sliced(range, axis: 1)
        }

        /// What all processes agree on: merged over parts, in their order, row by row.
        func merged() throws -> (moments: [Moments], gradientMoments: [GradientMoments]) {
            let rows = x.shape[0]
            let parts = try ranges.map { range in
                range.isEmpty ? [Moments](repeating: Moments(), count: rows) : try rowMoments(part(x, range))
            }
            let moments = (0..<rows).map { row in parts.map { $0[row] }.merged() }
            let gradientParts = try ranges.map { range in
                range.isEmpty
                    ? [GradientMoments](repeating: GradientMoments(), count: rows)
                    : try rowGradientMoments(
                        part(dy, range), x: part(x, range), moments: moments, weight: weight?.sliced(range))
            }
            return (moments, (0..<rows).map { row in gradientParts.map { $0[row] }.merged() })
        }

        /// The gradients of all parts side by side.
        func gradients() throws -> (dx: [Float], dweight: [Float], dbias: [Float]) {
            let (moments, gradientMoments) = try merged()
            let parts = try ranges.filter { !$0.isEmpty }.map { range in
                try normalizeBackward(
                    part(dy, range), x: part(x, range), moments: moments, gradientMoments: gradientMoments,
                    weight: weight?.sliced(range))
            }
            let dx = (0..<x.shape[0]).flatMap { row in
                parts.flatMap { part in
                    let columns = part.input.shape[1]
                    return Array(part.input.array[row * columns..<(row + 1) * columns])
                }
            }
            return (dx, parts.flatMap { $0.weight?.array ?? [] }, parts.flatMap { $0.bias?.array ?? [] })
        }
    }

    /// One shard, even and uneven ones, shards of one column, empty shards.
    private static let cuts: [[Int]] = [
        [], [384], [1], [1, 1, 2, 700], [0, 100, 100, 101], [96, 192, 288, 384, 480, 576, 672],
    ]

    private func input(
        x: Float = 0, dy: Float = 0, columns: Int = 768, affine: Bool = true
    ) throws -> LayerNormVerification.Case {
        let friendly = try LayerNormVerification.Case("", rows: 24, columns: columns, affine: affine)
        return LayerNormVerification.Case(
            "", x: try Tensor(friendly.x.array.map { $0 + x }, shape: friendly.x.shape),
            outputGradient: try Tensor(friendly.outputGradient.array.map { $0 + dy }, shape: friendly.x.shape),
            weight: friendly.weight, bias: friendly.bias, epsilon: 1e-5)
    }

    private typealias Errors = (dx: Double, dweight: Double, dbias: Double)

    /// How far gradients are from the textbook's in float64, each relative to the largest one of a row or of all.
    private func errors(
        _ given: (dx: [Float], dweight: [Float], dbias: [Float]), _ input: LayerNormVerification.Case
    ) -> Errors {
        let truth = PlainNorm<Double>.backward(
            .layerNorm, input.outputGradient.array.map(Double.init), x: input.x.array.map(Double.init),
            columns: input.x.shape[1], weight: input.weight?.array.map(Double.init), epsilon: 1e-5)
        let columns = input.x.shape[1]
        return (
            AccuracyTable.worstError(given.dx, truth.dx, columns: columns),
            AccuracyTable.worstError(given.dweight, truth.dweight, columns: columns),
            AccuracyTable.worstError(given.dbias, truth.dbias, columns: columns)
        )
    }

    /// The bounds of the whole rows' gradients: twice the error of a naive evaluation on data without offsets, since more
    /// roundings are made to be safe, or four half units in the last place, where that one has few roundings, or luck.
    private func bounds(_ friendly: LayerNormVerification.Case) -> Errors {
        let naive = errors(
            PlainNorm<Float>.backward(
                .layerNorm, friendly.outputGradient.array, x: friendly.x.array, columns: friendly.x.shape[1],
                weight: friendly.weight?.array, epsilon: 1e-5), friendly)
        let least = 4 * 0x1p-24
        return (max(2 * naive.dx, least), max(2 * naive.dweight, least), max(2 * naive.dbias, least))
    }

    /// Rows in parts have gradients as accurate as whole ones, whatever the offsets of x and, without weights (whose product
    /// with an offset is no offset), of dy.
    @Test(arguments: cuts)
    func partsAreAsAccurateAsWholeRows(cuts: [Int]) throws {
        for (x, dy, affine) in [(Float(0), Float(0), true), (1e3, 0, true), (1e6, 0, true), (0, 1e3, false), (0, 1e6, false)] {
            let input = try input(x: x, dy: dy, affine: affine)
            let error = errors(try Shards(input, cuts: cuts).gradients(), input)
            let bound = bounds(try self.input(affine: affine))
            #expect(error.dx <= bound.dx, "dx, offsets \(x), \(dy)")
            if dy != 0 { continue }  // sums of dy * xhat and of dy over rows are what the offset says
            #expect(error.dweight <= bound.dweight, "dweight, offsets \(x), \(dy)")
            #expect(error.dbias <= bound.dbias, "dbias, offsets \(x), \(dy)")
        }
    }

    /// Beside the backward pass of whole rows: both are within the bound of the truth, so within twice that of each other.
    @Test(arguments: cuts)
    func partsAgreeWithWholeRows(cuts: [Int]) throws {
        let input = try input()
        let shards = try Shards(input, cuts: cuts).gradients()
        let (_, statistics) = try layerNormWithStatistics(input.x)
        let whole = try layerNormBackward(
            input.outputGradient, x: input.x, weight: input.weight, statistics: statistics)
        let bound = bounds(input)
        func distance(_ given: [Float], _ expected: [Float]) -> Double {
            AccuracyTable.worstError(given, expected.map(Double.init), columns: 768)
        }
        #expect(distance(shards.dx, whole.input.array) <= 2 * bound.dx)
        #expect(distance(shards.dweight, try #require(whole.weight).array) <= 2 * bound.dweight)
        #expect(shards.dbias == whole.bias?.array, "sums of dy over rows do not know how rows are cut")
    }

    /// For the same moments it does not matter how rows are cut.
    @Test func theSameMomentsGiveTheSameBits() throws {
        let input = try LayerNormVerification.Case("", rows: 37, columns: 300, patterns: [.offset(7)])
        let (moments, gradientMoments) = try Shards(input, cuts: [100]).merged()
        func gradients(_ range: Range<Int>) throws -> NormGradients<Float> {
            try normalizeBackward(
                input.outputGradient.sliced(range, axis: 1), x: input.x.sliced(range, axis: 1), moments: moments,
                gradientMoments: gradientMoments, weight: input.weight?.sliced(range))
        }
        let whole = try gradients(0..<300)
        for range in [0..<1, 1..<65, 65..<300] {
            let part = try gradients(range)
            expectSameBits(part.input.array, try whole.input.sliced(range, axis: 1).array, "input \(range)")
            expectSameBits(try #require(part.weight).array, try #require(whole.weight).sliced(range).array, "\(range)")
            expectSameBits(try #require(part.bias).array, try #require(whole.bias).sliced(range).array, "\(range)")
        }
    }

    // MARK: - Finite differences

    /// sum(dy * y) of rows that are cut, in Double, and its gradient.
    private struct Loss {
        let cuts: [Int]
        let columns: Int
        let dy: [Double]
        var x: [Double]
        var weight: [Double]

        var ranges: [Range<Int>] {
            let bounds = [0] + cuts + [columns]
            return zip(bounds, bounds.dropFirst()).map { $0..<$1 }
        }
        typealias Reference = RowMomentsReference<Double>
        var moments: [Moments] { [ranges.map { Reference.moments(Array(x[$0]), columns: $0.count)[0] }.merged()] }

        var terms: [Double] {
            let moments = moments
            return ranges.flatMap { range in
                let y = Reference.normalize(
                    Array(x[range]), columns: range.count, with: moments, weight: Array(weight[range]), bias: nil,
                    epsilon: 1e-5)
                return zip(dy[range], y).map { $0 * $1 }
            }
        }
        var value: Double { terms.reduce(0, +) }

        var gradients: (dx: [Double], dweight: [Double]) {
            let moments = moments
            let merged = ranges.map { range in
                Reference.gradientMoments(
                    Array(dy[range]), x: Array(x[range]), columns: range.count, moments: moments,
                    weight: Array(weight[range]), epsilon: 1e-5)[0]
            }.merged()
            let parts = ranges.map { range in
                Reference.backward(
                    Array(dy[range]), x: Array(x[range]), columns: range.count, moments: moments,
                    gradientMoments: [merged], weight: Array(weight[range]), epsilon: 1e-5)
            }
            return (parts.flatMap(\.dx), parts.flatMap(\.dweight))
        }
    }

    /// The step and the bounds are those of LayerNormGradientTests: h^2 / 6 times the third derivative, at most some 15
    /// rstd^3 sqrt(columns) times the loss's terms, and 32 roundings an element.
    @Test(arguments: [(2, [1]), (3, [1, 2]), (8, []), (33, [5, 30]), (130, [1, 65])])
    func finiteDifferences(columns: Int, cuts: [Int]) {
        var random = RandomNumbers(seed: UInt64(columns))
        let loss = Loss(
            cuts: cuts, columns: columns, dy: random.normals(columns).map(Double.init),
            x: random.normals(columns).map { Double($0) + 3 }, weight: random.normals(columns).map(Double.init))
        let h = 0x1p-17
        let rstd = 1 / (loss.moments[0].variance + 1e-5).squareRoot()
        let terms = loss.dy.reduce(0) { $0 + abs($1) } * (loss.weight.map(abs).max() ?? 1)
        let size = loss.terms.reduce(0) { $0 + abs($1) }
        let cut = h * h / 6 * 15 * (rstd * rstd * rstd) * Double(columns).squareRoot() * terms
        let rounding = 32 * 0x1p-52 * (size + terms) / h
        let gradients = loss.gradients
        func difference(_ path: WritableKeyPath<Loss, Double>, _ h: Double) -> Double {
            var (above, below) = (loss, loss)
            above[keyPath: path] += h
            below[keyPath: path] -= h
            return (above.value - below.value) / (2 * h)
        }
        for column in 0..<columns {
            #expect(abs(gradients.dx[column] - difference(\.x[column], h)) <= cut + rounding, "x \(column)")
            #expect(abs(gradients.dweight[column] - difference(\.weight[column], 1)) <= rounding, "weight \(column)")
        }
    }

    // MARK: - Special moments

    @Test func merging() throws {
        let some = GradientMoments(count: 3, gradient: 2, normalized: -1, comoment: 5)
        #expect(GradientMoments().merged(with: some) == some && some.merged(with: GradientMoments()) == some)
        #expect([GradientMoments]().merged() == GradientMoments())
        let four = some.merged(with: GradientMoments(count: 1, gradient: 6, normalized: 3))
        #expect(four == GradientMoments(count: 4, gradient: 3, normalized: 0, comoment: 17))
        let parts = [some, GradientMoments(), four, GradientMoments(count: 7, gradient: 1e9, normalized: 0.1, comoment: -3)]
        for count in 0...parts.count {
            #expect(try RowMomentsKernels.merged(Array(parts[..<count])) == parts[..<count].merged())
        }
    }

    /// A row of one element, in whatever place, does not depend on it.
    @Test(arguments: [Float(0), 3, 1e30])
    func rowsOfOneElement(value: Float) throws {
        let x = try Tensor<Float>([value, -value], shape: [2, 1])
        let dy = try Tensor<Float>([5, 7], shape: [2, 1])
        let moments = try rowMoments(x)
        let gradientMoments = try rowGradientMoments(dy, x: x, moments: moments)
        let gradients = try normalizeBackward(dy, x: x, moments: moments, gradientMoments: gradientMoments)
        #expect(gradients.input.array == [0, 0] && gradients.weight?.array == [0] && gradients.bias?.array == [12])
    }

    /// Moments that do not depend on x: the gradient is g / deviation, exact here.
    @Test func momentsThatAreConstants() throws {
        let x = try Tensor<Float>([1, 2, 3, 4], shape: [1, 4])
        let dy = try Tensor<Float>([8, 4, 2, 1], shape: [1, 4])
        let moments = [Moments(count: 9, mean: 2, sumOfSquaredDeviations: 36)]
        let gradients = try normalizeBackward(
            dy, x: x, moments: moments, gradientMoments: [GradientMoments(count: 1)], weight: Tensor([1, 2, 3, 4]),
            epsilon: 0)
        #expect(gradients.input.array == [4, 4, 3, 2])
        #expect(gradients.weight?.array == [-4, 0, 1, 1] && gradients.bias?.array == [8, 4, 2, 1])
    }

    @Test(arguments: [Backend.automatic, .reference])
    func existingGradients(backend: Backend) throws {
        let input = try LayerNormVerification.Case("", rows: 40, columns: 24)
        let (moments, gradientMoments) = try Shards(input, cuts: []).merged()
        let expected = try normalizeBackward(
            input.outputGradient, x: input.x, moments: moments, gradientMoments: gradientMoments, weight: input.weight)
        var gradients = try NormGradients<Float>(shape: input.x.shape)
        for accumulating in [false, true] {
            try normalizeBackward(
                input.outputGradient, x: input.x, moments: moments, gradientMoments: gradientMoments,
                weight: input.weight, into: &gradients, accumulating: accumulating, backend: backend)
        }
        #expect(gradients.input == expected.input)
        #expect(gradients.weight?.array == expected.weight?.array.map { $0 + $0 })
        #expect(gradients.bias?.array == expected.bias?.array.map { $0 + $0 })
        var some = try NormGradients<Float>(shape: input.x.shape, weight: false, bias: false)
        try normalizeBackward(
            input.outputGradient, x: input.x, moments: moments, gradientMoments: gradientMoments,
            weight: input.weight, into: &some, backend: backend)
        #expect(some.input == expected.input && some.weight == nil && some.bias == nil)
    }

    @Test func noRows() throws {
        let x = try Tensor<Float>(repeating: 0, shape: [0, 4])
        #expect(try rowGradientMoments(x, x: x, moments: []).isEmpty)
        let gradients = try normalizeBackward(x, x: x, moments: [], gradientMoments: [])
        #expect(gradients.input.count == 0 && gradients.weight?.array == [0, 0, 0, 0])
    }

    @Test func badInput() throws {
        let ones = try Tensor<Float>(repeating: 1, shape: [2, 4])
        let other = try Tensor<Float>(repeating: 1, shape: [4, 2])
        let moments = try rowMoments(ones)
        let gradientMoments = try rowGradientMoments(ones, x: ones, moments: moments)
        func expect(
            _ reason: NormalizationError.Reason, _ argument: String, dy: Tensor<Float>? = nil, x: Tensor<Float>? = nil,
            moments given: [Moments]? = nil, weight: Tensor<Float>? = nil, epsilon: Float = 1e-5,
            backend: Backend = .automatic
        ) {
            let (dy, x, moments) = (dy ?? ones, x ?? ones, given ?? moments)
            expectError(reason, argument) { () throws(NormalizationError) in
                try rowGradientMoments(dy, x: x, moments: moments, weight: weight, epsilon: epsilon, backend: backend)
            }
            expectError(reason, argument) { () throws(NormalizationError) in
                try normalizeBackward(
                    dy, x: x, moments: moments, gradientMoments: gradientMoments, weight: weight, epsilon: epsilon,
                    backend: backend)
            }
        }
        expect(.invalidShape, "x", x: Tensor([]))
        expect(.shapeMismatch, "outputGradient", dy: other)
        expect(.shapeMismatch, "moments", moments: [moments[0]])
        expect(.invalidMoments, "moments", moments: [moments[0], Moments()])
        expect(.shapeMismatch, "weight", weight: Tensor([1, 2, 3]))
        for epsilon in BadInput.epsilons { expect(.invalidEpsilon, "epsilon", epsilon: epsilon) }
        for (reason, backend) in BadInput.backends { expect(reason, "backend", backend: backend) }
        expectError(.shapeMismatch, "gradientMoments") { () throws(NormalizationError) in
            try normalizeBackward(ones, x: ones, moments: moments, gradientMoments: [])
        }
        expectError(.invalidMoments, "gradientMoments") { () throws(NormalizationError) in
            try normalizeBackward(ones, x: ones, moments: moments, gradientMoments: [gradientMoments[0], GradientMoments()])
        }
        var gradients = try NormGradients<Float>(shape: [4, 2])
        expectError(.shapeMismatch, "gradients") { () throws(NormalizationError) in
            try normalizeBackward(
                ones, x: ones, moments: moments, gradientMoments: gradientMoments, into: &gradients)
        }
    }
}
