// Normalization along any axis of views of any strides: line by line the bits of a contiguous row.

internal import Normalization
import Testing
internal import Verification

@Suite struct AxisTests {
    private func tensor(_ shape: Shape) throws -> Tensor<Float> {
        var random = RandomNumbers(seed: 2)
        return try Tensor(random.normals(shape.elementCount ?? 0), shape: shape)
    }

    /// Views of up to four axes: dense, transposed, sliced along each axis, and both.
    private func views(rank: Int) throws -> [Tensor<Float>] {
        let dense = try tensor(Shape(Array([4, 3, 5, 6].prefix(rank))))
        var views = [dense]
        for axis in 0..<rank {
            views.append(try dense.sliced(1..<dense.shape[axis], axis: axis))
            for other in 0..<axis {
                views.append(try dense.transposed(other, axis))
                views.append(try dense.transposed(other, axis).sliced(1..<3, axis: other))
            }
        }
        return views
    }

    /// Every index of a shape.
    private func indices(_ extents: [Int]) -> [[Int]] {
        extents.reduce([[]]) { lines, extent in lines.flatMap { line in (0..<extent).map { line + [$0] } } }
    }

    /// The lines along an axis, each as a row of its own.
    private func lines(_ x: Tensor<Float>, axis: Int) throws -> [[Float]] {
        var others = x.shape.extents
        others.remove(at: axis)
        let elements = x.array
        return indices(others).map { index in
            (0..<x.shape[axis]).map { position in
                var full = index
                full.insert(position, at: axis)
                return elements[zip(full, x.shape.extents).reduce(0) { $0 * $1.1 + $1.0 }]
            }
        }
    }

    @Test(arguments: 1...4)
    func everyAxisOfEveryView(rank: Int) throws {
        for x in try views(rank: rank) {
            for axis in 0..<rank {
                let weight = try tensor([x.shape[axis]])
                let y = try layerNorm(x, axis: axis, weight: weight)
                let (again, statistics) = try layerNormWithStatistics(x, axis: axis, weight: weight)
                let rms = try rmsNorm(x, axis: axis, weight: weight)
                let gradients = try layerNormBackward(y, x: x, axis: axis, weight: weight, statistics: statistics)
                #expect(y.shape == x.shape && again == y && gradients.input.shape == x.shape)
                var sum = [Float](repeating: 0, count: x.shape[axis])
                let results = zip(
                    zip(try lines(y, axis: axis), try lines(gradients.input, axis: axis)), try lines(rms, axis: axis))
                for (number, (line, ((yLine, gradientLine), rmsLine))) in zip(try lines(x, axis: axis), results)
                    .enumerated()
                {
                    let (expected, own) = try layerNormWithStatistics(Tensor(line), weight: weight)
                    #expect(yLine == expected.array, "shape \(x.shape), strides \(x.strides), axis \(axis)")
                    #expect(statistics.mean.array[number] == own.mean.array[0])
                    let back = try layerNormBackward(expected, x: Tensor(line), weight: weight, statistics: own)
                    #expect(gradientLine == back.input.array)
                    #expect(rmsLine == (try rmsNorm(Tensor(line), weight: weight).array))
                    for (index, value) in (back.bias?.array ?? []).enumerated() { sum[index] += value }
                }
                if lines(count: x, axis: axis) <= 16 { #expect(gradients.bias?.array == sum) }
            }
        }
    }

    private func lines(count x: Tensor<Float>, axis: Int) -> Int { x.count / x.shape[axis] }

    @Test func theLastAxisOfADenseTensorIsNotCopied() throws {
        let x = try tensor([3, 4])
        #expect(try layerNorm(x, axis: 1) == layerNorm(x))
        #expect(try layerNorm(x, axis: 0).transposed(0, 1).isContiguous)
    }

    @Test func axesMove() throws {
        let x = try tensor([2, 3, 4])
        #expect(try x.movingAxis(0, to: 2).shape == [3, 4, 2])
        #expect(try x.movingAxis(2, to: 0).shape == [4, 2, 3])
        #expect(try x.movingAxis(0, to: 2).movingAxis(2, to: 0) == x)
        #expect(try x.movingAxis(0, to: 2)[1, 3, 1] == x[1, 1, 3])
    }

    @Test func badInputIsNamed() throws {
        let x = try tensor([2, 3])
        func failure(_ body: () throws -> Void) -> NormalizationError? {
            do { try body() } catch { return error as? NormalizationError }
            return nil
        }
        for axis in [-1, 2] {
            #expect(failure { _ = try layerNorm(x, axis: axis) }?.reason == .outOfRange)
            #expect(failure { _ = try x.movingAxis(axis, to: 0) }?.argument == "source")
            #expect(failure { _ = try x.movingAxis(0, to: axis) }?.argument == "destination")
        }
        #expect(failure { _ = try layerNorm(x, axis: 0, weight: Tensor<Float>([1, 2, 3])) }?.argument == "weight")
        #expect(failure { _ = try layerNorm(Tensor<Float>(repeating: 1, shape: []), axis: 0) }?.reason == .outOfRange)
        #expect(
            failure { _ = try layerNorm(Tensor<Float>(repeating: 1, shape: [0, 2]), axis: 0) }?.reason == .invalidShape)
    }
}
