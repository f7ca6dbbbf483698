// Softmax and its gradient against float64.

internal import Foundation
internal import Normalization
internal import ReferenceKernels
import Testing
internal import Verification

@Suite struct SoftmaxAccuracyTests {
    static let widths = [2, 8, 64, 300, 1024, 4096, 50257]
    static let scales: [Float] = [0.01, 1, 8, 30, 1e3, 1e4]

    private let judge = PlainSoftmax<Double>(exp: Foundation.exp)

    private func rows(_ columns: Int) -> Int { max(2, min(40, 20000 / columns)) }

    /// Relative to itself, e(x) is off by at most 0.93 units of 2^-23, 1 / sum and its product with e(x) by half a
    /// unit each. The sum of e(x) inherits the mean of their errors, mostly near 0, and rounds its additions: 39 in a
    /// lane at 50257 columns, each by half a unit at worst, seldom all one way. 2.6 units were seen; 4 are allowed.
    @Test(arguments: widths)
    func probabilities(columns: Int) throws {
        var random = RandomNumbers(seed: UInt64(columns))
        for scale in Self.scales {
            for offset: Float in [0, -50, 1e4] {
                for _ in 0..<rows(columns) {
                    let x = random.normals(columns).map { $0 * scale + offset }
                    let y = try softmax(Tensor(x)).array
                    let truth = judge.forward(x.map(Double.init))
                    // Below the normal numbers the distance of floats no longer falls with them.
                    let worst = zip(y, truth).map { abs(Double($0) - $1) / max($1, 0x1p-126) }.max()!
                    #expect(worst <= 4 * 0x1p-23, "scale \(scale), offset \(offset)")
                    let sum = y.reduce(0.0) { $0 + Double($1) }
                    #expect(abs(sum - 1) <= Double(columns) * 0x1p-24, "the sum of a row, scale \(scale)")
                    #expect(
                        abs(sum - 1) <= 4e-7,
                        "the sum of a row, scale \(scale): e(x) is off by 1e-7, sum and factor likewise")
                }
            }
        }
    }

    /// logSumExp is max + ln(sum) in binary64, of a sum that is off by some 2^-23, rounded once. log-softmax is two
    /// differences, each rounded, and ln(sum).
    @Test(arguments: widths)
    func logarithms(columns: Int) throws {
        var random = RandomNumbers(seed: UInt64(columns))
        for scale in Self.scales {
            let x = random.normals(columns).map { $0 * scale }
            let most = Double(x.max()!)
            let truth = most + Foundation.log(x.reduce(0.0) { $0 + Foundation.exp(Double($1) - most) })
            let sum = try logSumExp(Tensor(x)).array[0]
            #expect(abs(Double(sum) - truth) <= abs(truth) * 0x1p-24 + 4e-7, "scale \(scale)")
            for (x, y) in zip(x, try logSoftmax(Tensor(x)).array) {
                let expected = Double(x) - truth
                #expect(abs(Double(y) - expected) <= abs(expected) * 0x1p-22 + 4e-7, "scale \(scale), \(x)")
            }
        }
    }

    /// Each dx is y (dy - D), where D is the mean of dy under y: its error is bounded by y times the spread of dy in the
    /// row, whatever offset the row has. The probabilities are off by 2.6 units of 2^-23, which counts once in y and once
    /// in D; the sum D and the last product round. Together less than 8 units. (2^-50 is for the judge.)
    @Test(arguments: widths)
    func gradients(columns: Int) throws {
        for scale: Float in [0.01, 1, 8] {
            var random = RandomNumbers(seed: UInt64(columns))
            for _ in 0..<rows(columns) {
                let x = random.normals(columns).map { $0 * scale }
                let friendly = random.normals(columns)
                let y = try softmax(Tensor(x))
                let probabilities = judge.forward(x.map(Double.init))
                for offset: Float in [0, 1e3, 1e6] {
                    let dy = friendly.map { $0 + offset }
                    let spread = Double(dy.max()! - dy.min()!)
                    let truth = judge.backward(dy.map(Double.init), x: x.map(Double.init))
                    let dx = try softmaxBackward(Tensor(dy), output: y).array
                    let worst = dx.indices.map { abs(Double(dx[$0]) - truth[$0]) / max(probabilities[$0], 0x1p-126) }
                        .max()!
                    #expect(
                        worst <= 8 * 0x1p-23 * spread + Double(offset) * 0x1p-50, "scale \(scale), offset \(offset)")
                }
            }
        }
    }
}
