// exp and tanh through the public functions: bits against the reference, special values, layouts, errors. kernelcheck
// has the error bounds, on every float.

internal import Foundation
internal import Normalization
import Testing
internal import Verification

@Suite struct ElementaryFunctionTests {
    /// Floats of all kinds: every 49999th pattern, NaNs and infinities among them, and numbers where exp is no constant.
    private static let numbers: [Float] = {
        var random = RandomNumbers(seed: 4)
        return stride(from: UInt32(0), through: 0xffff_0000, by: 49999).map(Float.init(bitPattern:))
            + (0..<20000).map { _ in 40 * random.nextNormal() } + [.infinity, -.infinity, .nan, 0, -0.0, 1, -1]
    }()

    @Test(arguments: TestedBackends.all)
    func bitsAreTheReferences(backend: Backend) throws {
        let x = Tensor(Self.numbers)
        try expectSameBits(exp1ULP(x, backend: backend).array, exp1ULP(x, backend: .reference).array, "exp")
        try expectSameBits(tanh2ULP(x, backend: backend).array, tanh2ULP(x, backend: .reference).array, "tanh")
    }

    /// The reference itself, against float64. The unit is the distance of the floats around the result.
    @Test func errors() throws {
        let x = Self.numbers.filter { $0.isFinite }
        let exps = try exp1ULP(Tensor(x), backend: .reference).array
        let tanhs = try tanh2ULP(Tensor(x), backend: .reference).array
        for (index, x) in x.enumerated() {
            #expect(ulps(exps[index], Foundation.exp(Double(x))) <= 1, "exp(\(x))")
            #expect(ulps(tanhs[index], Foundation.tanh(Double(x))) <= 2, "tanh(\(x))")
        }
    }

    private func ulps(_ given: Float, _ truth: Double) -> Double {
        if abs(truth) >= 0x1.ffffffp127 { return given == .infinity ? 0 : .infinity }
        let unit = max(Double(sign: .plus, exponent: truth == 0 ? -126 : Int(truth.exponent), significand: 1), 0x1p-126)
        return abs(Double(given) - truth) / (unit * 0x1p-23)
    }

    @Test func viewsAndPlaces() throws {
        let x = try Tensor(Self.numbers.prefix(600).map { $0 }, shape: [20, 30])
        let turned = try x.transposed(0, 1)
        try expectSameBits(exp1ULP(turned).array, exp1ULP(turned.contiguous()).array, "a transposed tensor")
        var inPlace = turned
        try exp1ULP(inPlace: &inPlace)
        try expectSameBits(inPlace.array, exp1ULP(turned).array, "in place, a view")
        #expect(inPlace.shape == turned.shape)
        expectSameBits(x.array, Self.numbers.prefix(600).map { $0 }, "the view's origin")
        var y = [Float](repeating: 0, count: 600)
        var span = y.mutableSpan
        try x.withSpan { (source) throws(NormalizationError) in try tanh2ULP(source, into: &span) }
        try expectSameBits(y, tanh2ULP(x).array, "spans")
        #expect(try exp1ULP(Tensor<Float>([])).count == 0)
    }

    @Test func refusals() throws {
        var y = untouched(5)
        for backend in [Backend.automatic, .reference] {
            expectError(.shapeMismatch, "y") { () throws(NormalizationError) in
                var span = y.mutableSpan
                try exp1ULP([Float](repeating: 1, count: 4).span, into: &span, backend: backend)
            }
        }
        for (reason, backend) in BadInput.backends {
            expectError(reason, "backend") { () throws(NormalizationError) in
                var span = y.mutableSpan
                try tanh2ULP([Float](repeating: 1, count: 5).span, into: &span, backend: backend)
            }
            var x = Tensor<Float>(untouched(5))
            expectError(reason, "backend") { () throws(NormalizationError) in try exp1ULP(inPlace: &x, backend: backend)
            }
            expectUntouched(x.array)
        }
        expectUntouched(y)
    }
}
