internal import Foundation
internal import Normalization
internal import ReferenceKernels

/// How far softmax is from float64, beside a naive evaluation in float32: e^(x - max) with a correctly rounded
/// exponential, sums from left to right, a quotient.
///
/// What stands in a table is the worst of some rows. Inputs come from integer arithmetic, so that the tables are the
/// same on every machine.
package struct SoftmaxAccuracy: Sendable {
    /// Errors on one kind of scores at one width.
    package struct Cell: Sendable {
        package let columns: Int
        /// The largest |y - y64| / y64 of a probability, in units of 2^-23. (Below 2^-126, where the distance of floats
        /// no longer falls with them, beside 2^-126.)
        package var probability = 0.0
        package var naiveProbability = 0.0
        /// The largest |sum(y) - 1| of a row, in units of 2^-24.
        package var sum = 0.0
        package var naiveSum = 0.0
        /// The largest |y - y64| of a logarithm beside max(1, |y64|), in units of 2^-23.
        package var logarithm = 0.0
        package var naiveLogarithm = 0.0
    }

    /// Scores of one scale and offset at several widths.
    package struct Row: Sendable {
        package let data: String
        package let cells: [Cell]
    }

    package static let widths = [2, 8, 64, 768, 4096, 50257]

    /// What is promised of every probability, in units of 2^-23 (SoftmaxAccuracyTests has the reasons).
    package static let bound = 4.0

    package let rows: [Row]

    /// Measures all of it.
    package init() throws {
        let kinds: [(String, scale: Float, offset: Float)] = [
            ("scores of size 0.01", 0.01, 0), ("1", 1, 0), ("8", 8, 0), ("30", 30, 0), ("1000", 1e3, 0),
            ("10000", 1e4, 0), ("1, offset 10000", 1, 1e4), ("30, offset -10000", 30, -1e4),
        ]
        rows = try kinds.map { data, scale, offset in
            Row(data: data, cells: try Self.widths.map { try Self.cell(columns: $0, scale: scale, offset: offset) })
        }
    }

    private static func cell(columns: Int, scale: Float, offset: Float) throws -> Cell {
        var cell = Cell(columns: columns)
        var random = RandomNumbers(seed: UInt64(columns))
        let judge = PlainSoftmax<Double>(exp: Foundation.exp)
        let naive = PlainSoftmax<Float> { Float(Foundation.exp(Double($0))) }
        for _ in 0..<max(2, min(64, 65536 / columns)) {
            let x = random.normals(columns).map { $0 * scale + offset }
            let wide = x.map(Double.init)
            let truth = judge.forward(wide)
            let y = try softmax(Tensor(x)).array
            let plain = naive.forward(x)
            cell.probability = max(cell.probability, relative(y, truth))
            cell.naiveProbability = max(cell.naiveProbability, relative(plain, truth))
            cell.sum = max(cell.sum, ofSum(y))
            cell.naiveSum = max(cell.naiveSum, ofSum(plain))
            let most = wide.max()!
            let total = most + Foundation.log(wide.reduce(0) { $0 + Foundation.exp($1 - most) })
            let logarithms = wide.map { $0 - total }
            let plainTotal = Float(most) + Float(Foundation.log(Double(plainSum(x))))
            cell.logarithm = max(cell.logarithm, besideOne(try logSoftmax(Tensor(x)).array, logarithms))
            cell.naiveLogarithm = max(cell.naiveLogarithm, besideOne(x.map { $0 - plainTotal }, logarithms))
        }
        return cell
    }

    /// The naive sum of e^(x - max).
    private static func plainSum(_ x: [Float]) -> Float {
        let most = x.max()!
        return x.reduce(0) { $0 + Float(Foundation.exp(Double($1 - most))) }
    }

    private static func relative(_ y: [Float], _ truth: [Double]) -> Double {
        zip(y, truth).map { abs(Double($0) - $1) / max($1, 0x1p-126) }.max()! * 0x1p23
    }

    private static func besideOne(_ y: [Float], _ truth: [Double]) -> Double {
        zip(y, truth).map { abs(Double($0) - $1) / max(abs($1), 1) }.max()! * 0x1p23
    }

    private static func ofSum(_ y: [Float]) -> Double { abs(y.reduce(0.0) { $0 + Double($1) } - 1) * 0x1p24 }
}

// MARK: - The page

extension SoftmaxAccuracy {
    /// The DocC article "Accuracy of softmax".
    package var page: String {
        """
        # Accuracy of softmax

        How far softmax and its logarithm are from float64, measured.

        ## Overview

        Each row is compared with the textbook formula evaluated in float64 on the same float32 scores. The tables
        show the worst of 2 to 64 rows of nearly normal scores at widths from 2 to 50257, twice: before the slash
        this package, after it a naive evaluation in float32 (e^(x - max), correctly rounded, divided by its sum
        from left to right).

        Every probability, however small, is within \(Int(Self.bound)) units of 2⁻²³ of itself: the exponentials are
        formed without rounding x - max, which costs the naive evaluation more the further a score is below the
        largest. (2⁻²³ is the last place of a float32 from 1 on; a rounding costs half of it.)

        All instruction sets and thread counts give the same bits, and the inputs come from integer arithmetic, so
        that the numbers are the same on every machine. A test makes this page, and fails where it differs:
        `NORMALIZATION_WRITE_DOCS=1 swift test -c release --filter Accuracy` writes it.

        ## Probabilities

        The largest error of a probability, beside itself, in units of 2⁻²³.

        \(table { "\(Self.short($0.probability)) / \(Self.short($0.naiveProbability))" })

        ## Sums of rows

        The largest distance of a row's sum from 1, in units of 2⁻²⁴, the distance of floats below 1.

        \(table { "\(Self.short($0.sum)) / \(Self.short($0.naiveSum))" })

        ## Logarithms

        The largest error of log-softmax, beside the greater of itself and 1, in units of 2⁻²³. The naive evaluation
        takes max + log(sum), rounded, from each score.

        \(table { "\(Self.short($0.logarithm)) / \(Self.short($0.naiveLogarithm))" })

        """
    }

    private func table(_ text: (Cell) -> String) -> String {
        let head = ["scores"] + Self.widths.map { "width \($0)" }
        let lines = rows.map { [$0.data] + $0.cells.map(text) }
        return ([head, head.map { _ in "---" }] + lines)
            .map { "| " + $0.joined(separator: " | ") + " |" }.joined(separator: "\n")
    }

    /// One digit after the point; two significant ones of large numbers.
    private static func short(_ error: Double) -> String {
        error < 100
            ? String(format: "%.1f", error)
            : String(format: "%.1e", error).replacingOccurrences(of: "e+0", with: "e")
    }
}
