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

    /// Measured once, for the bounds and the page.
    private static let measured = Result { try SoftmaxAccuracy() }

    /// Relative to itself, e(x) is off by at most 0.93 units of 2^-23, 1 / sum and its product with e(x) by half a
    /// unit each. The sum of e(x) inherits the mean of their errors, mostly near 0, and rounds its additions: 39 in a
    /// lane at 50257 columns, each by half a unit at worst, seldom all one way. 2.6 units were seen; 4 are allowed.
    ///
    /// A row's sum inherits the errors of the sum of e(x) and of the factor, not those of single probabilities: fewer
    /// than 8 units of 2^-24, where n are allowed, or 1 where the probabilities are few. A logarithm has two
    /// differences, each rounded, and that sum: fewer than 4 units of 2^-23.
    @Test func boundsOfTheTables() throws {
        for row in try Self.measured.get().rows {
            for cell in row.cells {
                let what = "\(row.data), width \(cell.columns)"
                #expect(cell.probability <= SoftmaxAccuracy.bound, "\(what)")
                #expect(cell.sum <= min(8, Double(cell.columns)), "\(what)")
                #expect(cell.logarithm <= 4, "\(what)")
            }
        }
    }

    /// The tables have scores on which a naive evaluation fails.
    @Test func aNaiveEvaluationFails() throws {
        let cells = try Self.measured.get().rows.flatMap(\.cells)
        #expect(cells.contains { $0.naiveProbability > 10 * SoftmaxAccuracy.bound })
    }

    @Test func thePageShowsWhatTheKernelsDo() throws {
        let page = try Self.measured.get().page
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let file = root.appending(path: "Sources/Normalization/Documentation.docc/SoftmaxAccuracy.md")
        if ProcessInfo.processInfo.environment["NORMALIZATION_WRITE_DOCS"] == "1" {
            try page.write(to: file, atomically: true, encoding: .utf8)
        }
        let written = try? String(contentsOf: file, encoding: .utf8)
        let isCurrent = written == page
        #expect(
            isCurrent,
            "\(file.path) is out of date: run NORMALIZATION_WRITE_DOCS=1 swift test -c release --filter Accuracy")
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

    /// Each dx is y (dy - D), where D is the mean of dy under y: its error is bounded by y times the spread of dy in
    /// the row, whatever offset the row has. The probabilities are off by 2.6 units of 2^-23, which counts once in y
    /// and once in D; the sum D and the last product round. Together less than 8 units. (2^-50 is for the judge.)
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
