// What the family refuses, with the name of the argument, before anything is written.

internal import Normalization
import Testing

@Suite struct RowNormErrorTests {
    private let x = Tensor<Float>([1, 2, 3, 4])
    private let short = Tensor<Float>([1, 2, 3])
    private let none = Tensor<Float>?.none

    private func expect<Result>(
        _ reason: NormalizationError.Reason, _ argument: String, sourceLocation: SourceLocation = #_sourceLocation,
        _ call: () throws -> Result
    ) {
        let error = #expect(throws: NormalizationError.self, sourceLocation: sourceLocation) { _ = try call() }
        #expect(error?.reason == reason && error?.argument == argument, sourceLocation: sourceLocation)
    }

    @Test(arguments: [Backend.automatic, .reference])
    func rmsNormArguments(backend: Backend) throws {
        expect(.invalidParameter, "weightOffset") { try rmsNorm(x, weight: x, weightOffset: .nan, backend: backend) }
        expect(.invalidEpsilon, "epsilon") { try rmsNorm(x, epsilon: -1, backend: backend) }
        expect(.shapeMismatch, "weight") { try rmsNorm(x, weight: short, backend: backend) }
        expect(.shapeMismatch, "bias") { try rmsNorm(x, weight: x, bias: short, backend: backend) }
        expect(.invalidShape, "x") { try rmsNorm(Tensor<Float>([]), backend: backend) }
        var y = short
        expect(.shapeMismatch, "y") { try rmsNorm(x, into: &y, backend: backend) }
        #expect(y == short)
    }

    @Test(arguments: [Backend.automatic, .reference])
    func residualArguments(backend: Backend) throws {
        expect(.shapeMismatch, "branch") { try residualLayerNorm(x, adding: short, weight: none, backend: backend) }
        expect(.shapeMismatch, "branchBias") {
            try residualLayerNorm(x, adding: x, branchBias: short, weight: none, backend: backend)
        }
        expect(.shapeMismatch, "branchScale") {
            try residualRMSNorm(x, adding: x, branchScale: short, weight: none, backend: backend)
        }
        expect(.invalidParameter, "residualScale") {
            try residualLayerNorm(x, adding: x, residualScale: .infinity, weight: none, backend: backend)
        }
        let statistics = try layerNormWithStatistics(x).statistics
        expect(.shapeMismatch, "outputGradient") {
            try residualLayerNormBackward(short, x: x, adding: x, weight: none, statistics: statistics, backend: backend)
        }
        expect(.shapeMismatch, "sumGradient") {
            try residualLayerNormBackward(
                x, sumGradient: short, x: x, adding: x, weight: none, statistics: statistics, backend: backend)
        }
        expect(.shapeMismatch, "statistics") {
            let two = try Tensor<Float>([1, 2, 3, 4], shape: [2, 2])
            let statistics = try layerNormWithStatistics(two).statistics
            return try residualLayerNormBackward(
                x, x: x, adding: x, weight: none, statistics: statistics, backend: backend)
        }
    }

    @Test(arguments: [Backend.automatic, .reference])
    func updatingFormsLeaveEverythingUntouched(backend: Backend) throws {
        var stream = x
        var y = x
        expect(.shapeMismatch, "branch") {
            try residualLayerNorm(updating: &stream, adding: short, weight: none, into: &y, backend: backend)
        }
        var wrong = short
        expect(.shapeMismatch, "y") {
            try residualRMSNorm(updating: &stream, adding: x, weight: none, into: &wrong, backend: backend)
        }
        var view = try Tensor<Float>([1, 2, 3, 4], shape: [2, 2]).transposed(0, 1)
        let square = try Tensor<Float>([1, 2, 3, 4], shape: [2, 2])
        var output = square
        expect(.unsupportedLayout, "stream") {
            try residualLayerNorm(updating: &view, adding: square, weight: none, into: &output, backend: backend)
        }
        #expect(stream == x && y == x && wrong == short && output == square)
    }

    @Test func placementsAgreeWithTheirFormulas() throws {
        let branch = Tensor<Float>([0.5, -1, 2, 0.25])
        let norm = try LayerNorm(featureCount: 4)
        let branchNorm = try RMSNorm(featureCount: 4)
        let sum = Tensor(zip(x.array, branch.array).map { $0 + $1 })
        let added = Tensor(zip(x.array, try branchNorm(branch).array).map { $0 + $1 })
        let expected: [NormPlacement: (Tensor<Float>, Tensor<Float>)] = [
            .preNorm: (sum, try norm(sum)), .postNorm: (try norm(sum), try norm(sum)),
            .branchOutputNorm: (added, added), .periNorm: (added, try norm(added)),
        ]
        for placement in NormPlacement.allCases {
            let (stream, next) = try placement.join(x, branch: branch, norm: norm, branchNorm: branchNorm)
            #expect(stream == expected[placement]?.0 && next == expected[placement]?.1)
        }
        expect(.shapeMismatch, "x") { try branchNorm(branch, addedTo: short) }
    }
}
