// The float32 kernels beside float64, over widths and mean offsets.

internal import Normalization
internal import Plots
private import ReferenceKernels
private import TrainingKit

struct KernelErrors {
    static let widths = [1, 2, 3, 8, 64, 768, 4096]
    static let offsets = [0, 1e2, 1e3, 1e4, 1e5]
    static let rows = 64

    let backend: Backend
    let seeds: [UInt64]

    /// The largest errors over rows and seeds.
    struct Errors {
        /// |y - y64|.
        var output = 0.0
        /// |dx - dx64| relative to the root mean square of dx64.
        var gradient = 0.0
        /// |Σ dx| of a row, relative to the same.
        var sum = 0.0
        /// |y - y64| and |dx - dx64| of the textbook's single pass, E[x²] - mean², in float32.
        var singlePass = 0.0
        var singlePassGradient = 0.0
    }

    func run() throws -> (checks: [Check], tables: [Table], panel: Panel) {
        var errors: [Int: [Errors]] = [:]
        for width in Self.widths {
            errors[width] = try Self.offsets.map { try measure(width, offset: $0) }
        }
        // One to three features are in the tables: their gradients cancel.
        let wide = Self.widths.filter { $0 >= 8 }
        func worst(_ value: (Errors) -> Double) -> Double { wide.flatMap { errors[$0]! }.map(value).max()! }
        let thousand = Self.offsets.firstIndex(of: 1e3)!
        func atThousand(_ value: (Errors) -> Double) -> Double { wide.map { value(errors[$0]![thousand]) }.max()! }
        let sums = wide.map { errors[$0]![0].sum / Double($0) }.max()!
        let checks = [
            Check(
                .exact,
                "Outputs of the float32 kernel are within 2e-6 of float64 for 8 to 4096 features under any mean"
                    + " offset from 0 to 1e5 (unit variance).",
                .atMost(2e-6), observed: worst(\.output),
                mutant: ("a single pass, E[x²] - mean², at an offset of 1e3 alone", atThousand(\.singlePass))),
            Check(
                .exact,
                "Its gradients are within 4e-6 of the root mean square of float64's, for the same widths and offsets.",
                .atMost(4e-6), observed: worst(\.gradient),
                mutant: ("a single pass at an offset of 1e3 alone", atThousand(\.singlePassGradient))),
            Check(
                .exact,
                "Gradients of a row without offset sum to 0 within 2e-7 d of their root mean square, d from 8 to 4096.",
                .atMost(2e-7), observed: sums,
                mutant: ("the sum of a gradient that is not centred", try uncentredSum(width: 64) / 64)),
        ]
        return (checks, tables(errors), panel(errors))
    }

    private func measure(_ width: Int, offset: Double) throws -> Errors {
        var worst = Errors()
        for seed in seeds {
            var random = RandomStream(seed: seed, stream: UInt64(1000 + width))
            let noise = random.normals(Self.rows * width)
            let dy = try random.normal([Self.rows, width])
            let x = try Tensor(noise.map { Float($0 + offset) }, shape: [Self.rows, width])
            let (y, statistics) = try layerNormWithStatistics(x, backend: backend)
            let dx = try layerNormBackward(dy, x: x, statistics: statistics, backend: backend).input
            // The reference sees the floats that the kernel saw, so that rounding x to floats is no error of either.
            let wideX = x.array.map { Double($0) }
            let wideY = PlainNorm<Double>.forward(
                .layerNorm, wideX, columns: width, weight: nil, bias: nil, epsilon: Double(Float(1e-5)))
            let wideDX = PlainNorm<Double>.backward(
                .layerNorm, dy.array.map { Double($0) }, x: wideX, columns: width, weight: nil,
                epsilon: Double(Float(1e-5))
            ).dx
            worst.output = max(worst.output, largestDifference(y.array, wideY))
            let textbook = singlePass(x.array, dy: dy.array, width)
            worst.singlePass = max(worst.singlePass, largestDifference(textbook.y, wideY))
            let scale = (Vectors.dot(wideDX, wideDX) / Double(wideDX.count)).squareRoot()
            // One feature has no gradient: its errors are absolute.
            let divisor = width == 1 ? 1 : scale
            worst.gradient = max(worst.gradient, largestDifference(dx.array, wideDX) / divisor)
            worst.singlePassGradient = max(
                worst.singlePassGradient, largestDifference(textbook.dx, wideDX) / divisor)
            worst.sum = max(worst.sum, largestSum(dx.array, width) / divisor)
        }
        return worst
    }

    private func largestDifference(_ given: [Float], _ expected: [Double]) -> Double {
        zip(given, expected).reduce(0) { max($0, abs(Double($1.0) - $1.1)) }
    }

    private func largestSum(_ dx: [Float], _ width: Int) -> Double {
        stride(from: 0, to: dx.count, by: width).reduce(0) { largest, first in
            max(largest, abs(dx[first..<first + width].reduce(0.0) { $0 + Double($1) }))
        }
    }

    private func singlePass(_ x: [Float], dy: [Float], _ width: Int) -> (y: [Float], dx: [Float]) {
        var (y, dx): ([Float], [Float]) = ([], [])
        for first in stride(from: 0, to: x.count, by: width) {
            let (row, g) = (x[first..<first + width], dy[first..<first + width])
            let (mean, variance) = VarianceErrors.Method.singlePass.moments(row)
            // A negative variance, which a single pass gives, would be a NaN: it becomes 0, as programs make it.
            let rstd = 1 / (max(variance, 0) + 1e-5).squareRoot()
            let normalized = row.map { ($0 - mean) * rstd }
            let meanG = g.reduce(0, +) / Float(width)
            let projection = zip(g, normalized).reduce(Float(0)) { $0 + $1.0 * $1.1 } / Float(width)
            y += normalized
            dx += zip(g, normalized).map { rstd * ($0 - meanG - $1 * projection) }
        }
        return (y, dx)
    }

    private func uncentredSum(width: Int) throws -> Double {
        var random = RandomStream(seed: 0, stream: 131)
        let (x, dy) = (try random.normal([Self.rows, width]), try random.normal([Self.rows, width]))
        let statistics = try rmsNormWithStatistics(x, backend: backend).statistics
        let dx = try rmsNormBackward(dy, x: x, statistics: statistics, backend: backend).input
        return largestSum(dx.array, width) / dx.energy.squareRoot()
    }

    private func tables(_ errors: [Int: [Errors]]) -> [Table] {
        let columns = ["features"] + Self.offsets.map { $0 == 0 ? "mean 0" : TableCell.significant($0, 2) }
        func table(_ title: String, _ value: (Errors) -> Double) -> Table {
            Table(
                title, columns: columns,
                rows: Self.widths.map { width in
                    ["\(width)"] + errors[width]!.map { TableCell.significant(value($0), 2) }
                })
        }
        return [
            table("Largest |y - y64| of the float32 kernel", \.output),
            table("Largest |dx - dx64| / rms(dx64) of the float32 kernel (1 feature: absolute)", \.gradient),
            table("Largest |Σ dx| / rms(dx64) of a row (1 feature: absolute)", \.sum),
            table("Largest |y - y64| of a single pass in float32", \.singlePass),
        ]
    }

    private func panel(_ errors: [Int: [Errors]]) -> Panel {
        // Offset 0 stands at 1, where it would be for a logarithm.
        func points(_ width: Int, _ value: (Errors) -> Double) -> [(x: Double, y: Double)] {
            zip(Self.offsets, errors[width]!).map { (x: max($0, 1), y: value($1)) }
        }
        let widths = Self.widths.filter { $0 >= 8 }
        return Panel(
            "Output error of float32 LayerNorm",
            .curves(
                x: Axis("mean offset / standard deviation (0 shown at 1)", log: true),
                y: Axis("largest |y - y64|", log: true),
                series: widths.map { Series("kernel, d = \($0)", points($0, \.output), .linesAndPoints) }
                    + [Series("single pass, d = 768", points(768, \.singlePass), .linesAndPoints)]))
    }
}
