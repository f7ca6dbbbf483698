// Four ways to a variance in float32 and the package's kernel, as the mean grows.

internal import Normalization
internal import Plots
private import TrainingKit

struct VarianceErrors {
    let backend: Backend
    let seeds: [UInt64]

    static let width = 768
    static let rows = 16
    static let offsets = [1, 10, 1e2, 1e3, 1e4, 1e5]

    /// In float32, sums from left to right.
    enum Method: String, CaseIterable {
        case singlePass = "single pass"
        case twoPass = "two passes"
        case correctedTwoPass = "two passes, corrected"
        case welford = "Welford"

        func moments(_ x: ArraySlice<Float>) -> (mean: Float, variance: Float) {
            let n = Float(x.count)
            if self == .welford {
                var (count, mean, sum) = (Float(0), Float(0), Float(0))
                for element in x {
                    count += 1
                    let distance = element - mean
                    mean += distance / count
                    sum += distance * (element - mean)
                }
                return (mean, sum / n)
            }
            let mean = x.reduce(0, +) / n
            if self == .singlePass { return (mean, x.reduce(0) { $0 + $1 * $1 } / n - mean * mean) }
            let squares = x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / n
            if self == .twoPass { return (mean, squares) }
            let rest = x.reduce(0) { $0 + ($1 - mean) } / n
            return (mean, squares - rest * rest)
        }
    }

    func run() throws -> (checks: [Check], table: Table, panel: Panel) {
        var errors = Method.allCases.map { _ in [Double]() }
        var kernel: [Double] = []
        for offset in Self.offsets {
            var worst = Method.allCases.map { _ in 0.0 }
            var worstKernel = 0.0
            for seed in seeds {
                var random = RandomStream(seed: seed, stream: 141)
                let elements = random.normals(Self.rows * Self.width).map { Float($0 + offset) }
                let moments = try rowMoments(Tensor(elements, shape: [Self.rows, Self.width]), backend: backend)
                for row in 0..<Self.rows {
                    let slice = elements[row * Self.width..<(row + 1) * Self.width]
                    let centred = Vectors.centred(slice.map { Double($0) })
                    let variance = Vectors.dot(centred, centred) / Double(Self.width)
                    for (index, method) in Method.allCases.enumerated() {
                        worst[index] = max(worst[index], abs(Double(method.moments(slice).variance) / variance - 1))
                    }
                    worstKernel = max(worstKernel, abs(moments[row].variance / variance - 1))
                }
            }
            for index in worst.indices { errors[index].append(worst[index]) }
            kernel.append(worstKernel)
        }
        return (checks(errors, kernel), table(errors, kernel), panel(errors, kernel))
    }

    private func checks(_ errors: [[Double]], _ kernel: [Double]) -> [Check] {
        func at(_ offset: Double, _ method: Method) -> Double {
            errors[Method.allCases.firstIndex(of: method)!][Self.offsets.firstIndex(of: offset)!]
        }
        func worst(_ method: Method) -> Double { errors[Method.allCases.firstIndex(of: method)!].max()! }
        return [
            Check(
                .exact, "The package's variance is within 1e-6 of float64 for mean offsets up to 1e5 at d = 768.",
                .atMost(1e-6), observed: kernel.max()!,
                mutant: ("the worst of two passes in float32", worst(.twoPass))),
            Check(
                .exact,
                "Two corrected passes, mean((x - m)²) - mean(x - m)², summed in float32 from left to right, keep the"
                    + " variance within 1e-5 up to an offset of 1e5.",
                .atMost(1e-5), observed: worst(.correctedTwoPass),
                mutant: ("a single pass, E[x²] - mean², at an offset of 1e3 alone", at(1e3, .singlePass))),
            Check(
                .exact,
                "Welford's running mean keeps the variance within 2e-2 of float64 up to an offset of 1e5 and is never"
                    + " negative, but loses more digits than two corrected passes.",
                .atMost(2e-2), observed: worst(.welford),
                mutant: ("a single pass at an offset of 1e3 alone", at(1e3, .singlePass))),
        ]
    }

    private func table(_ errors: [[Double]], _ kernel: [Double]) -> Table {
        Table(
            "Largest relative error of a variance in float32, d = 768, sums from left to right",
            columns: ["method"] + Self.offsets.map { "mean " + TableCell.significant($0, 2) },
            rows: zip(Method.allCases.map(\.rawValue) + ["the package's kernel"], errors + [kernel]).map {
                [$0] + $1.map { TableCell.significant($0, 2) }
            })
    }

    private func panel(_ errors: [[Double]], _ kernel: [Double]) -> Panel {
        let names = Method.allCases.map(\.rawValue) + ["the package's kernel"]
        let series = zip(names, errors + [kernel]).map { name, values in
            // 1e-9 stands for no error.
            Series(name, zip(Self.offsets, values).map { (x: $0, y: max($1, 1e-9)) }, .linesAndPoints)
        }
        let growth = Double(Self.width).squareRoot() * 0x1p-24
        let theory = Series("2^-24 sqrt(d) M²", Self.offsets.map { (x: $0, y: growth * $0 * $0) }, .theory)
        return Panel(
            "Error of a variance",
            .curves(
                x: Axis("mean offset M / standard deviation", log: true),
                y: Axis("largest relative error of the variance", log: true), series: series + [theory]))
    }
}
