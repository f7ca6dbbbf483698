// Softmax through the public functions: bits against the reference for every backend, type and width; special rows;
// layouts; axes.

internal import Foundation
internal import Normalization
import Testing
internal import Verification

@Suite struct SoftmaxTests {
    /// Scores with everything that may happen in a row: wide and tame ones, -∞, ∞, NaN, constants.
    static func scores(rows: Int, columns: Int, seed: UInt64) -> [Float] {
        var random = RandomNumbers(seed: seed)
        return (0..<rows).flatMap { row -> [Float] in
            if row % 5 == 4 {
                return RowPattern.hostile[row / 5 % RowPattern.hostile.count].row(columns, random: &random)
            }
            let scale: Float = [1, 20, 1e4, 1e5][row % 4]
            return random.normals(columns).map { $0 < -1.5 && row % 3 == 0 ? -.infinity : $0 * scale }
        }
    }

    private func expectReference<Element: KernelElement>(_ x: Tensor<Element>, _ backend: Backend) throws {
        let what = "\(Element.self), \(x.shape), \(backend)"
        let (y, sums) = try softmaxWithLogSumExp(x, backend: backend)
        let (expected, expectedSums) = try softmaxWithLogSumExp(x, backend: .reference)
        expectSameBits(y.widened().array, expected.widened().array, what)
        expectSameBits(sums.array, expectedSums.array, "log-sum-exp, \(what)")
        try expectSameBits(logSumExp(x, backend: backend).array, expectedSums.array, "log-sum-exp alone, \(what)")
        let logs = try logSoftmax(x, backend: .reference)
        try expectSameBits(logSoftmax(x, backend: backend).widened().array, logs.widened().array, "logarithms, \(what)")
        var random = RandomNumbers(seed: 9)
        let dy = try Tensor<Element>(rounding: Tensor(random.normals(x.count), shape: x.shape))
        try expectSameBits(
            softmaxBackward(dy, output: y, backend: backend).widened().array,
            softmaxBackward(dy, output: y, backend: .reference).widened().array, "gradient, \(what)")
        try expectSameBits(
            logSoftmaxBackward(dy, output: logs, backend: backend).widened().array,
            logSoftmaxBackward(dy, output: logs, backend: .reference).widened().array, "gradient of logarithms, \(what)"
        )
    }

    @Test(arguments: TestedBackends.all)
    func bitsAreTheReferences(backend: Backend) throws {
        for columns in TestedSizes.thinned(
            [1, 2, 3, 15, 16, 17, 63, 64, 65, 130, 300, 1000, 1024, 1025, 4097], debugStep: 3)
        {
            let x = try Tensor(Self.scores(rows: 23, columns: columns, seed: UInt64(columns)), shape: [23, columns])
            try expectReference(x, backend)
            try expectReference(Tensor<BFloat16>(rounding: x), backend)
            try expectReference(Tensor<Float16>(rounding: x), backend)
        }
    }

    @Test func widths() throws {
        for columns in TestedSizes.thinned(TestedSizes.widths, debugStep: 20) {
            let x = try Tensor(Self.scores(rows: 3, columns: columns, seed: UInt64(columns)), shape: [3, columns])
            try expectSameBits(softmax(x).array, softmax(x, backend: .reference).array, "width \(columns)")
        }
    }

    @Test(arguments: [1, 2, 7, 64, 300, 1500])
    func specialRows(columns: Int) throws {
        var random = RandomNumbers(seed: 3)
        let masked = [Float](repeating: -.infinity, count: columns)
        var alone = masked
        alone[columns / 2] = 37.3
        let friendly = random.normals(columns)
        var rows = [masked, alone, friendly]
        for special: Float in [.nan, .infinity] {
            rows.append(friendly)
            rows[rows.count - 1][columns / 3] = special
        }
        let x = try Tensor(rows.flatMap { $0 }, shape: [5, columns])
        let (y, sums) = try softmaxWithLogSumExp(x)
        let logs = try logSoftmax(x)
        #expect((0..<columns).allSatisfy { y[0, $0] == 0 && logs[0, $0] == -.infinity })
        #expect((0..<columns).allSatisfy { y[1, $0] == ($0 == columns / 2 ? 1 : 0) })
        #expect(logs[1, columns / 2] == 0 && sums[0] == -.infinity && sums[1] == 37.3)
        #expect((0..<columns).allSatisfy { y[2, $0] > 0 && y[3, $0].isNaN && y[4, $0].isNaN && logs[4, $0].isNaN })
        #expect(sums[2].isFinite && sums[3].isNaN && sums[4].isNaN)
        let dy = try Tensor(repeating: Float.nan, shape: [5, columns])
        let dx = try softmaxBackward(dy, output: y)
        #expect((0..<columns).allSatisfy { dx[0, $0] == 0 && (dx[1, $0] == 0 || $0 == columns / 2) })
    }

    private func normals(_ count: Int) -> [Float] {
        var random = RandomNumbers(seed: 5)
        return random.normals(count)
    }

    @Test func layouts() throws {
        let x = try Tensor(Self.scores(rows: 60, columns: 14, seed: 2), shape: [4, 15, 14])
        let y = try softmax(x)
        let view = try x.sliced(1..<3).transposed(0, 1)
        try expectSameBits(softmax(view).array, y.sliced(1..<3).transposed(0, 1).array, "a view")
        let dy = try Tensor(normals(x.count), shape: x.shape)
        for axis in 0..<3 {
            let turned = try softmax(x.movingAxis(axis, to: 2))
            let y = try softmax(x, axis: axis)
            #expect(y.shape == x.shape)
            try expectSameBits(y.array, turned.movingAxis(2, to: axis).array, "axis \(axis)")
            let dx = try softmaxBackward(dy.movingAxis(axis, to: 2), output: turned).movingAxis(2, to: axis)
            try expectSameBits(softmaxBackward(dy, output: y, axis: axis).array, dx.array, "gradient, axis \(axis)")
        }
        var inPlace = x
        try softmax(inPlace: &inPlace)
        expectSameBits(inPlace.array, y.array, "in place")
        var into = try Tensor(repeating: Float(0), shape: x.shape)
        try logSoftmax(x, into: &into)
        try expectSameBits(into.array, logSoftmax(x).array, "into")
        #expect(try softmax(Tensor<Float>([], shape: [0, 5])).count == 0)
    }

    @Test func refusals() throws {
        let x = try Tensor([Float](repeating: 1, count: 6), shape: [2, 3])
        for backend in [Backend.automatic, .reference] {
            expectError(.invalidShape, "x") { () throws(NormalizationError) in
                try softmax(Tensor([Float](), shape: [2, 0]), backend: backend)
            }
            expectError(.outOfRange, "axis") { () throws(NormalizationError) in
                try softmax(x, axis: 2, backend: backend)
            }
            expectError(.outOfRange, "axis") { () throws(NormalizationError) in
                try logSoftmaxBackward(x, output: x, axis: -1, backend: backend)
            }
            var y = try Tensor(untouched(6), shape: [3, 2])
            expectError(.shapeMismatch, "y") { () throws(NormalizationError) in
                try softmax(x, into: &y, backend: backend)
            }
            expectUntouched(y.array)
            var turned = try x.transposed(0, 1)
            expectError(.unsupportedLayout, "x") { () throws(NormalizationError) in
                try softmax(inPlace: &turned, backend: backend)
            }
            expectError(.shapeMismatch, "outputGradient") { () throws(NormalizationError) in
                try softmaxBackward(y, output: x, backend: backend)
            }
        }
        for (reason, backend) in BadInput.backends {
            expectError(reason, "backend") { () throws(NormalizationError) in try softmax(x, backend: backend) }
            expectError(reason, "backend") { () throws(NormalizationError) in
                try softmaxBackward(x, output: x, backend: backend)
            }
        }
    }
}
