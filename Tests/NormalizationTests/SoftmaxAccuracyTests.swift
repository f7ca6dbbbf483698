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

    /// The bound that the header states, for every probability that is a normal number (subnormal ones: as a
    /// multiple of 2^-149): e(x) is off by at most 0.93 ULP and so, relative to itself, is the sum of them, in which the
    /// errors of many elements mostly cancel; the sum's additions, the quotient 1 / sum and the product round.
    /// What is tested is 4 ULP, twice what was seen.
    @Test(arguments: widths)
    func probabilities(columns: Int) throws {
        var random = RandomNumbers(seed: UInt64(columns))
        for scale in Self.scales {
            for offset: Float in [0, -50, 1e4] {
                for _ in 0..<rows(columns) {
                    let x = random.normals(columns).map { $0 * scale + offset }
                    let y = try softmax(Tensor(x)).array
                    let truth = judge.forward(x.map(Double.init))
                    var worst = 0.0
                    for (y, truth) in zip(y, truth) {
                        let unit = max(Double(sign: .plus, exponent: truth == 0 ? -126 : Int(truth.exponent), significand: 1), 0x1p-126)
                        worst = max(worst, abs(Double(y) - truth) / (unit * 0x1p-23))
                    }
                    #expect(worst <= 4, "scale \(scale), offset \(offset)")
                    let sum = y.reduce(0.0) { $0 + Double($1) }
                    #expect(abs(sum - 1) <= Double(columns) * 0x1p-24, "the sum of a row, scale \(scale)")
                    #expect(abs(sum - 1) <= 4e-7, "the sum of a row, scale \(scale): e(x) is off by 1e-7, sum and factor likewise")
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

    /// The error of a row's gradient, relative to its largest, is at most twice that of a naive evaluation in float32 on
    /// friendly data; a common offset of dy, which changes nothing in exact arithmetic, does not show beyond its rounding.
    @Test(arguments: widths)
    func gradients(columns: Int) throws {
        var random = RandomNumbers(seed: UInt64(columns))
        let naive = PlainSoftmax<Float>(exp: Foundation.exp)
        for scale: Float in [0.01, 1, 8] {
            let x = random.normals(columns).map { $0 * scale }
            let friendly = random.normals(columns)
            let y = try softmax(Tensor(x))
            var allowed = 0.0
            for offset: Float in [0, 1e3, 1e6] {
                let dy = friendly.map { $0 + offset }
                let truth = judge.backward(dy.map(Double.init), x: x.map(Double.init))
                if offset == 0 {
                    let error = LayerNormAccuracy.worstError(naive.backward(dy, x: x), truth, columns: columns)
                    allowed = max(2 * error, 2e-6)
                }
                let dx = try softmaxBackward(Tensor(dy), output: y).array
                #expect(LayerNormAccuracy.worstError(dx, truth, columns: columns) <= allowed, "scale \(scale), offset \(offset)")
            }
        }
    }
}
