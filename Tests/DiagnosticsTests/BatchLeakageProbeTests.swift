// BatchLeakageProbe: what it finds, what it refuses.

import NormalizationDiagnostics
import Testing

@Suite struct BatchLeakageProbeTests {
    private let x = try! Tensor<Float>([1, 2, -1, 0.5, 3, -2, 0.25, 1], shape: [4, 2])

    /// y_i = x_i + c x_{i+1}, summed over features; its pullback is written out.
    private func neighbours(_ c: Float) throws -> BatchLeakageProbe {
        try BatchLeakageProbe(at: x) { x in
            let rows = x.shape[0]
            return (
                try Tensor(repeating: 0, shape: [rows]),
                { gradient in
                    let g = gradient.array
                    return try Tensor(
                        (0..<rows).flatMap { i in
                            let sum = g[i] + (i > 0 ? c * g[i - 1] : 0)
                            return [sum, sum]
                        }, shape: x.shape)
                }
            )
        }
    }

    @Test func findsTheMatrix() throws {
        let probe = try neighbours(0.5)
        #expect(!probe.isExactlyZero && probe.leakCount == 3)
        let root = 2.0.squareRoot()
        for (i, row) in probe.norms.enumerated() {
            for (j, norm) in row.enumerated() {
                #expect(abs(norm - (i == j ? root : j == i + 1 ? root / 2 : 0)) < 1e-7)
            }
        }
        #expect(abs(probe.largestLeak - root / 2) < 1e-7)
        #expect(abs(probe.leak(to: 0..<2, from: 1..<4) - 1) < 1e-7)
    }

    @Test func zeroIsExact() throws {
        #expect(try neighbours(0).isExactlyZero)
        #expect(try !neighbours(1e-18).isExactlyZero)
        #expect(try !neighbours(.nan).isExactlyZero)
    }

    @Test func refusesOtherShapes() {
        func expectMismatch(logits: Int, gradient: Shape) {
            #expect {
                try BatchLeakageProbe(at: x) { _ in
                    (Tensor([Float](repeating: 0, count: logits)), { _ in try Tensor(repeating: 0, shape: gradient) })
                }
            } throws: { ($0 as? NormalizationError)?.reason == .shapeMismatch }
        }
        expectMismatch(logits: 3, gradient: [4, 2])
        expectMismatch(logits: 4, gradient: [2, 4])
        #expect {
            try BatchLeakageProbe(at: Tensor([1], shape: [])) { ($0, { $0 }) }
        } throws: { ($0 as? NormalizationError)?.reason == .invalidShape }
    }
}
