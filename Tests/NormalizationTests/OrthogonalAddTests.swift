// The orthogonal residual addition: bits, accuracy, geometry, gradients, bad input.

internal import Foundation
internal import Normalization
internal import ReferenceKernels
import Testing
internal import Verification

@Suite struct OrthogonalAddTests {
    /// The textbook in Double: h, and what is added.
    private func plain(
        _ x: [Double], _ f: [Double], centred: Bool, epsilon: Double
    ) -> (h: [Double], update: [Double]) {
        let n = Double(x.count)
        let (xMean, fMean) = centred ? (x.reduce(0, +) / n, f.reduce(0, +) / n) : (0, 0)
        let (a, b) = (x.map { $0 - xMean }, f.map { $0 - fMean })
        let squares = dot(a, a) + epsilon
        let slope = squares == 0 ? 0 : dot(a, b) / squares
        let update = zip(a, b).map { $1 - slope * $0 }
        return (zip(x, update).map { $0 + $1 }, update)
    }

    private func dot(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
    private func norm(_ a: [Double]) -> Double { dot(a, a).squareRoot() }

    private func input<Element: KernelElement>(
        _ type: Element.Type, rows: Int, columns: Int, centred: Bool
    ) throws -> OperatorCase {
        try .orthogonalAdd(
            type, rows: rows, columns: columns, patterns: [.offset(0), .offset(50), .scale(1e-3), .outlier(2e4)],
            centred: centred)
    }

    @Test(arguments: [1, 2, 3, 15, 16, 17, 63, 64, 65, 127, 129, 300, 1023, 1024, 1025, 4097, 20000], [false, true])
    func everyBackendGivesTheSameBits(columns: Int, centred: Bool) throws {
        try expectOneAnswer(
            input(Float.self, rows: columns > 2000 ? 3 : 19, columns: columns, centred: centred),
            input(BFloat16.self, rows: 3, columns: columns, centred: centred),
            input(Float16.self, rows: 3, columns: columns, centred: centred))
    }

    @Test(arguments: [1, 5, 64, 65, 300], [Float(1e-6), 0, 1])
    func hostileRowsGiveTheSameBits(columns: Int, epsilon: Float) throws {
        for centred in [false, true] {
            try expectOneAnswer(
                .orthogonalAdd(
                    Float.self, rows: RowPattern.hostile.count, columns: columns, patterns: RowPattern.hostile,
                    centred: centred, epsilon: epsilon))
        }
    }

    /// u is off by a few roundings of f and of a x, whose elements are at most ‖f‖ by Cauchy and Schwarz. Each of the two
    /// sums that make a is off by at most (16 + 16 + 6) / 2 roundings at these widths, relative to ‖x‖ ‖f‖; a few more come
    /// from the quotient and the last steps. Under an offset of x that is all relative to the deviations if centred.
    @Test(arguments: [2, 8, 64, 768, 4096], [false, true])
    func updatesAreAccurate(columns: Int, centred: Bool) throws {
        var random = RandomNumbers(seed: UInt64(columns))
        for (scale, offset): (Float, Float) in [(1, 0), (1e-30, 0), (1e30, 0), (1, 100), (1e-12, 0)] {
            let x = random.normals(columns).map { $0 * scale + offset * scale }
            let f = random.normals(columns).map { $0 * scale }
            let given = try orthogonalResidualAdd(Tensor(x), update: Tensor(f), centred: centred, epsilon: 0).array
            let truth = plain(x.map(Double.init), f.map(Double.init), centred: centred, epsilon: 0)
            let largest = truth.h.map(abs).max() ?? 0
            let bound = 40 * 0x1p-24 * norm(f.map(Double.init)) + 0x1p-24 * largest
            for (a, b) in zip(given, truth.h) {
                #expect(abs(Double(a) - b) <= bound, "scale \(scale), offset \(offset)")
            }
        }
    }

    /// Scales far apart: the update vanishes beside x, or x beside the update, but nothing becomes NaN or infinite.
    @Test(arguments: [Float(1e-30), 1, 1e30], [Float(1e-30), 1, 1e30])
    func scalesFarApart(xScale: Float, fScale: Float) throws {
        var random = RandomNumbers(seed: 3)
        let x = random.normals(100).map { $0 * xScale }
        let f = random.normals(100).map { $0 * fScale }
        for centred in [false, true] {
            let given = try orthogonalResidualAdd(Tensor(x), update: Tensor(f), centred: centred, epsilon: 0).array
            let truth = plain(x.map(Double.init), f.map(Double.init), centred: centred, epsilon: 0)
            let largest = truth.h.map(abs).max() ?? 0
            for (a, b) in zip(given, truth.h) {
                #expect(abs(Double(a) - b) <= 1e-6 * max(largest, norm(f.map(Double.init))))
            }
        }
    }

    /// S4: Pythagoras, and no part of the update along x.
    @Test(arguments: [false, true])
    func updatesAreOrthogonal(centred: Bool) throws {
        var random = RandomNumbers(seed: 9)
        let x = random.normals(512).map(Double.init)
        let f = zip(x, random.normals(512)).map { 0.5 * $0 + Double($1) }
        let h = OrthogonalAddReference.forward(x, update: f, columns: 512, centred: centred, epsilon: 0)
        let update = zip(h, x).map { $0 - $1 }
        let mean = x.reduce(0, +) / 512
        let direction = centred ? x.map { $0 - mean } : x
        #expect(abs(dot(update, direction)) <= 1e-13 * norm(update) * norm(direction))
        if centred { #expect(abs(update.reduce(0, +)) <= 1e-13 * norm(update)) }
        if !centred { #expect(abs(dot(h, h) - dot(x, x) - dot(update, update)) <= 1e-12 * dot(h, h)) }
        // The sum that is not projected fails this by 2 <x, f>.
        #expect(abs(dot(f, direction)) > 0.1 * norm(f) * norm(direction))
    }

    @Test(arguments: TestedBackends.kernels + [.reference])
    func zerosAsXGiveTheUpdate(backend: Backend) throws {
        let x = try Tensor<Float>(repeating: 0, shape: [2, 70])
        var random = RandomNumbers(seed: 1)
        var f = random.normals(140)
        f[3] = 3e38
        f[4] = 0x1p-140
        for epsilon: Float in [0, 1e-6] {
            let h = try orthogonalResidualAdd(x, update: Tensor(f, shape: [2, 70]), epsilon: epsilon, backend: backend)
            #expect(h.array == f)
        }
    }

    @Test func zeroUpdatesLeaveX() throws {
        var random = RandomNumbers(seed: 1)
        let x = try Tensor(random.normals(140), shape: [2, 70])
        #expect(try orthogonalResidualAdd(x, update: Tensor(repeating: 0, shape: [2, 70])) == x)
    }

    /// A NaN or an infinity of either stays in its row.
    @Test(arguments: [Float.nan, .infinity, -.infinity], [false, true])
    func poisonStaysInItsRow(value: Float, inX: Bool) throws {
        var random = RandomNumbers(seed: 1)
        var x = try Tensor(random.normals(300), shape: [3, 100])
        var f = try Tensor(random.normals(300), shape: [3, 100])
        let clean = try orthogonalResidualAdd(x, update: f).array
        if inX { x[1, 5] = value } else { f[1, 5] = value }
        let given = try orthogonalResidualAdd(x, update: f).array
        #expect(Array(given[0..<100]) == Array(clean[0..<100]) && Array(given[200...]) == Array(clean[200...]))
        #expect(!given[105].isFinite)
    }

    /// Gradients of sum(g * h) by central differences in Double: h is smooth, of size 1, and depends on 40 numbers; with
    /// a step of 2^-17 both errors of a difference are below 1e-8.
    @Test(arguments: [2, 3, 8, 20, 65], [false, true])
    func gradientsAreExact(columns: Int, centred: Bool) {
        var random = RandomNumbers(seed: UInt64(columns))
        let x = random.normals(2 * columns).map(Double.init)
        let f = random.normals(2 * columns).map(Double.init)
        let g = random.normals(2 * columns).map(Double.init)
        func loss(_ x: [Double], _ f: [Double]) -> Double {
            dot(g, OrthogonalAddReference.forward(x, update: f, columns: columns, centred: centred, epsilon: 0.1))
        }
        let (dx, df) = OrthogonalAddReference.backward(
            g, x: x, update: f, columns: columns, centred: centred, epsilon: 0.1)
        let step = 0x1p-17
        for index in x.indices {
            var (above, below) = (x, x)
            above[index] += step
            below[index] -= step
            #expect(abs((loss(above, f) - loss(below, f)) / (2 * step) - dx[index]) <= 1e-7)
            (above, below) = (f, f)
            above[index] += step
            below[index] -= step
            #expect(abs((loss(x, above) - loss(x, below)) / (2 * step) - df[index]) <= 1e-7)
        }
    }

    /// Rows that are worked on times powers of two have the gradients of the formula. 1e-5 relative to the largest: the
    /// gradient of x has products of two rounded sums.
    @Test(arguments: [Float(1e-25), 1e-12, 1e12, 1e25], [false, true])
    func gradientsOfScaledRows(scale: Float, centred: Bool) throws {
        var random = RandomNumbers(seed: 4)
        let x = random.normals(80).map { $0 * scale }
        let (f, g) = (random.normals(80), random.normals(80))
        let given = try orthogonalResidualAddBackward(
            Tensor(g), x: Tensor(x), update: Tensor(f), centred: centred, epsilon: 0)
        let truth = OrthogonalAddReference.backward(
            g.map(Double.init), x: x.map(Double.init), update: f.map(Double.init), columns: 80, centred: centred,
            epsilon: 0)
        for (given, truth) in [(given.input.array, truth.dx), (given.update.array, truth.dupdate)] {
            let largest = truth.map(abs).max() ?? 0
            for (a, b) in zip(given, truth) { #expect(abs(Double(a) - b) <= 1e-5 * largest) }
        }
    }

    @Test func scopesAreVectorsOfTheirAxes() throws {
        var random = RandomNumbers(seed: 6)
        let shape: Shape = [3, 5, 7]
        let x = try Tensor(random.normals(105), shape: shape)
        let f = try Tensor(random.normals(105), shape: shape)
        let byToken = try orthogonalResidualAdd(x, update: f, scope: .token)
        let swapped = try orthogonalResidualAdd(x.transposed(1, 2), update: f.transposed(1, 2))
        #expect(byToken == (try swapped.transposed(1, 2)))
        let whole = try orthogonalResidualAdd(x, update: f, scope: .global)
        let flat = try orthogonalResidualAdd(x.reshaped(to: [3, 35]), update: f.reshaped(to: [3, 35]))
        #expect(whole == (try flat.reshaped(to: shape)))
        let back = try orthogonalResidualAddBackward(f, x: x, update: f, scope: .token)
        #expect(back.input.shape == shape && back.update.shape == shape)
    }

    @Test func badInputIsNamed() throws {
        let x = try Tensor<Float>(repeating: 1, shape: [2, 3])
        let other = try Tensor<Float>(repeating: 1, shape: [2, 4])
        func reason(_ body: () throws -> Void) -> NormalizationError? {
            do { try body() } catch { return error as? NormalizationError }
            return nil
        }
        #expect(reason { _ = try orthogonalResidualAdd(x, update: other) }?.argument == "update")
        #expect(reason { _ = try orthogonalResidualAdd(x, update: x, epsilon: -1) }?.reason == .invalidEpsilon)
        #expect(reason { _ = try orthogonalResidualAdd(x, update: x, epsilon: .nan) }?.reason == .invalidEpsilon)
        #expect(reason { _ = try orthogonalResidualAddBackward(other, x: x, update: x) }?.argument == "outputGradient")
        let vector = Tensor<Float>([1, 2])
        #expect(
            reason { _ = try orthogonalResidualAdd(vector, update: vector, scope: .token) }?.reason == .invalidShape)
        #expect(
            reason { _ = try orthogonalResidualAdd(vector, update: vector, scope: .global) }?.reason == .invalidShape)
        let empty = try Tensor<Float>(repeating: 0, shape: [2, 0])
        #expect(reason { _ = try orthogonalResidualAdd(empty, update: empty) }?.reason == .invalidShape)
        let none = try Tensor<Float>(repeating: 0, shape: [0, 3])
        #expect(try orthogonalResidualAdd(none, update: none).shape == [0, 3])
    }
}
