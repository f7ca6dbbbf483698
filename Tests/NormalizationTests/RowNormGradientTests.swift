// Gradients of RMSNorm and of residual sums by finite differences in Double through the generic reference.

internal import Normalization
internal import ReferenceKernels
import Testing
internal import Verification

@Suite struct RowNormGradientTests {
    /// One residual norm in Double, and a linear function of its sum and output.
    private struct Problem {
        let norm: RowNorm
        let columns: Int
        let dropout: Dropout?
        var x, branch, branchBias, branchScale, weight, bias: [Double]
        let outputGradient, sumGradient: [Double]
        let residualScale = 1.5

        init(_ norm: RowNorm, rows: Int, columns: Int, seed: UInt64) throws {
            var random = RandomNumbers(seed: seed)
            func draw(_ count: Int) -> [Double] { random.normals(count).map { Double($0) } }
            self.norm = norm
            self.columns = columns
            dropout = seed % 2 == 0 ? nil : try Dropout(probability: 0.25, seed: seed)
            (x, branch) = (draw(rows * columns), draw(rows * columns))
            (branchBias, branchScale) = (draw(columns), draw(columns))
            (weight, bias) = (draw(columns), draw(columns))
            (outputGradient, sumGradient) = (draw(rows * columns), draw(rows * columns))
        }

        var residual: ResidualReference<Double> {
            ResidualReference(
                columns: columns, branch: branch, bias: branchBias, scale: branchScale, residualScale: residualScale,
                dropout: dropout)
        }
        var forward: NormReference<Double>.Output {
            NormReference.forward(
                norm, residual.sum(x), columns: columns, weight: weight, bias: bias, epsilon: 1e-3)
        }
        var value: Double {
            let y = forward.y
            let h = residual.sum(x)
            return zip(y, outputGradient).reduce(0) { $0 + $1.0 * $1.1 } + zip(h, sumGradient).reduce(0) { $0 + $1.0 * $1.1 }
        }
    }

    private func difference(_ problem: Problem, _ path: WritableKeyPath<Problem, [Double]>, _ index: Int) -> Double {
        let step = 1e-5
        var (above, below) = (problem, problem)
        above[keyPath: path][index] += step
        below[keyPath: path][index] -= step
        return (above.value - below.value) / (2 * step)
    }

    /// Central differences with a step of 1e-5 are off by some 1e-10 of the third derivative and 1e-11 of rounding; gradients
    /// here are of the order of 1 to 10.
    private let tolerance = 1e-6

    @Test(arguments: RowNorm.allCases, [(3, 1), (2, 2), (4, 7), (3, 66), (18, 5)])
    func differences(norm: RowNorm, size: (rows: Int, columns: Int)) throws {
        for seed in 1...2 as ClosedRange<UInt64> {
            let p = try Problem(norm, rows: size.rows, columns: size.columns, seed: seed)
            let forward = p.forward
            let backward = NormReference.backward(
                norm, p.outputGradient, x: p.residual.sum(p.x), columns: p.columns, weight: p.weight, mean: forward.mean,
                meanLow: forward.meanLow, rstd: forward.rstd)
            let sums = p.residual.gradients(zip(backward.dx, p.sumGradient).map { $0 + $1 })
            let all: [(WritableKeyPath<Problem, [Double]>, [Double])] = [
                (\.x, sums.x), (\.branch, sums.branch), (\.branchBias, sums.bias), (\.branchScale, sums.scale),
                (\.weight, backward.dweight), (\.bias, backward.dbias),
            ]
            for (path, gradient) in all {
                for index in gradient.indices {
                    let expected = difference(p, path, index)
                    #expect(abs(gradient[index] - expected) <= tolerance * max(1, abs(expected)))
                }
            }
        }
    }
}
