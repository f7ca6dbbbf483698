// Views: slices, transposes, reshapes, and which of them are contiguous.

internal import Tensors
import Testing

/// Elements 0, 1, 2, ... so that an element tells its place in the origin.
private func counting(_ shape: Shape) throws -> Tensor<Float> {
    try Tensor((0..<(shape.elementCount ?? 0)).map(Float.init), shape: shape)
}

@Suite struct TensorViewTests {
    @Test(arguments: [0, 1, 2])
    func aSliceHoldsTheIndicesOfItsRange(axis: Int) throws {
        let origin = try counting([3, 4, 5])
        let slice = try origin.sliced(1..<3, axis: axis)
        var extents = [3, 4, 5]
        extents[axis] = 2
        #expect(slice.shape == Shape(extents))
        #expect(slice.strides == origin.strides)
        for i in 0..<extents[0] {
            for j in 0..<extents[1] {
                for k in 0..<extents[2] {
                    let shift = [0, 1, 2].map { $0 == axis ? 1 : 0 }
                    #expect(slice[i, j, k] == origin[i + shift[0], j + shift[1], k + shift[2]])
                }
            }
        }
        #expect(slice.isContiguous == (axis == 0))
        #expect(ObjectIdentifier(slice.storage) == ObjectIdentifier(origin.storage))
    }

    @Test func slicesOfSlicesAddUp() throws {
        let origin = try counting([6, 6])
        let inner = try origin.sliced(1..<5).sliced(2..<6, axis: 1).sliced(1..<3)
        #expect(inner.array == [14, 15, 16, 17, 20, 21, 22, 23])
    }

    @Test func anEmptySliceIsEmptyAndContiguous() throws {
        let origin = try counting([3, 4])
        for range in [0..<0, 2..<2, 3..<3] {
            let slice = try origin.sliced(range)
            #expect(slice.shape == [0, 4])
            #expect(slice.array == [])
            #expect(slice.isContiguous)
        }
    }

    @Test func aTransposeExchangesIndices() throws {
        let origin = try counting([2, 3, 4])
        for (first, second) in [(0, 1), (1, 2), (0, 2), (2, 0), (1, 1)] {
            let view = try origin.transposed(first, second)
            var order = [0, 1, 2]
            order.swapAt(first, second)
            #expect(view.shape == Shape(order.map { origin.shape[$0] }))
            for i in 0..<2 {
                for j in 0..<3 {
                    for k in 0..<4 {
                        let index = order.map { [i, j, k][$0] }
                        #expect(view[index[0], index[1], index[2]] == origin[i, j, k])
                    }
                }
            }
            #expect(view.isContiguous == (first == second))
        }
    }

    @Test func aTransposeOfOneRowStaysContiguous() throws {
        let column = try counting([1, 5]).transposed(0, 1)
        #expect(column.shape == [5, 1])
        #expect(column.isContiguous)
        #expect(column.array == [0, 1, 2, 3, 4])
    }

    @Test func reshapingKeepsTheRowMajorOrder() throws {
        let origin = try counting([2, 6])
        let shared = try origin.reshaped(to: [3, 4])
        #expect(shared.array == origin.array)
        #expect(shared[2, 0] == 8)
        #expect(ObjectIdentifier(shared.storage) == ObjectIdentifier(origin.storage))

        let copied = try origin.transposed(0, 1).reshaped(to: [12])
        #expect(copied.array == [0, 6, 1, 7, 2, 8, 3, 9, 4, 10, 5, 11])
        #expect(ObjectIdentifier(copied.storage) != ObjectIdentifier(origin.storage))

        let slice = try origin.sliced(1..<2).reshaped(to: [2, 3])
        #expect(slice.array == [6, 7, 8, 9, 10, 11])
    }

    @Test func contiguousCopiesOnlyWhereItMust() throws {
        let origin = try counting([3, 4])
        #expect(ObjectIdentifier(origin.contiguous().storage) == ObjectIdentifier(origin.storage))
        let view = try origin.sliced(1..<3, axis: 1)
        let dense = view.contiguous()
        #expect(dense.isContiguous)
        #expect(dense.strides == [2, 1])
        #expect(dense == view)
        #expect(ObjectIdentifier(dense.storage) != ObjectIdentifier(origin.storage))
    }

    @Test func aViewOutlivesItsOrigin() throws {
        var view = try counting([2, 3]).transposed(0, 1)
        #expect(view.array == [0, 3, 1, 4, 2, 5])
        view[1, 1] = 40
        #expect(view.array == [0, 3, 1, 40, 2, 5])
        #expect(view.strides == [1, 3])
    }
}
