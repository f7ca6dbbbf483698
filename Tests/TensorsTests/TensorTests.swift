// Tensors: making them, reading and writing elements, value semantics, equality.

internal import Tensors
import Testing

@Suite struct TensorTests {
    @Test func arraysComeBackAsTheyWentIn() throws {
        let elements = (0..<24).map { Float($0) / 3 }
        #expect(Tensor(elements).array == elements)
        #expect(Tensor(elements).shape == [24])
        for shape: Shape in [[24], [1, 24], [2, 3, 4], [4, 1, 3, 2], [24, 1]] {
            let tensor = try Tensor(elements, shape: shape)
            #expect(tensor.array == elements)
            #expect(tensor.count == 24)
            #expect(tensor.isContiguous)
            tensor.withSpan { span in
                #expect(span.count == 24)
                for index in span.indices where span[index] != elements[index] { Issue.record("element \(index)") }
            }
        }
    }

    @Test func repeatingFillsEveryElement() throws {
        let tensor = try Tensor<Double>(repeating: 1.5, shape: [3, 5])
        #expect(tensor.array == [Double](repeating: 1.5, count: 15))
    }

    @Test func stridesAreRowMajor() throws {
        #expect(try Tensor<Float>(repeating: 0, shape: [2, 3, 4]).strides == [12, 4, 1])
        #expect(try Tensor<Float>(repeating: 0, shape: []).strides == [])
    }

    @Test func subscriptReadsAndWritesOneElement() throws {
        var tensor = try Tensor((0..<6).map(Float.init), shape: [2, 3])
        #expect(tensor[1, 2] == 5)
        tensor[1, 0] = -1
        #expect(tensor.array == [0, 1, 2, -1, 4, 5])
    }

    @Test func aTensorOfRankZeroHoldsOneElement() throws {
        var scalar = try Tensor<Float>([7], shape: [])
        #expect(scalar.count == 1)
        #expect(scalar.isContiguous)
        scalar[] += 1
        #expect(scalar.array == [8])
    }

    @Test(arguments: [[0], [0, 4], [3, 0], [2, 0, 5]])
    func emptyTensorsHaveNoElements(extents: [Int]) throws {
        let tensor = try Tensor<Float>([], shape: Shape(extents))
        #expect(tensor.count == 0)
        #expect(tensor.array == [])
        #expect(tensor.isContiguous)
        #expect(tensor.contiguous() == tensor)
    }

    @Test func writingACopyLeavesTheOriginal() throws {
        let original = try Tensor((0..<6).map(Float.init), shape: [2, 3])
        var copy = original
        copy[0, 0] = 100
        #expect(original[0, 0] == 0)
        #expect(copy[0, 0] == 100)

        var other = original
        other.withMutableSpan { $0[5] = -5 }
        #expect(original[1, 2] == 5)
        #expect(other[1, 2] == -5)
    }

    @Test func writingTheOriginalLeavesTheCopy() throws {
        var original = try Tensor((0..<6).map(Float.init), shape: [2, 3])
        let copy = original
        original[1, 1] = 100
        #expect(copy[1, 1] == 4)
    }

    @Test func writingASliceLeavesItsOriginalAndTheOtherWayRound() throws {
        var original = try Tensor((0..<6).map(Float.init), shape: [2, 3])
        var slice = try original.sliced(1..<2)
        slice[0, 0] = 100
        #expect(original.array == [0, 1, 2, 3, 4, 5])
        #expect(slice.array == [100, 4, 5])

        let transpose = try original.transposed(0, 1)
        original[0, 1] = -1
        #expect(transpose[1, 0] == 1)
        #expect(original[0, 1] == -1)
    }

    @Test func aMutableSpanOfATransposeIsInRowMajorOrder() throws {
        let original = try Tensor((0..<6).map(Float.init), shape: [2, 3])
        var transpose = try original.transposed(0, 1)
        transpose.withMutableSpan { span in
            for index in span.indices { span[index] = Float(index) * 10 }
        }
        #expect(transpose.array == [0, 10, 20, 30, 40, 50])
        #expect(transpose[2, 0] == 40)
        #expect(original.array == [0, 1, 2, 3, 4, 5])
    }

    @Test func aSoleTensorIsWrittenWithoutACopy() throws {
        var tensor = try Tensor<Float>(repeating: 0, shape: [4, 4])
        let storage = ObjectIdentifier(tensor.storage)
        tensor[2, 2] = 1
        tensor.withMutableSpan { $0[0] = 2 }
        tensor.makeUnique()
        tensor.makeUniqueForOverwriting()
        #expect(ObjectIdentifier(tensor.storage) == storage)
    }

    @Test func equalityIsOfShapesAndElements() throws {
        let elements = (0..<6).map(Float.init)
        let dense = try Tensor(elements, shape: [2, 3])
        #expect(dense == (try Tensor(elements, shape: [2, 3])))
        #expect(dense != (try Tensor(elements, shape: [3, 2])))
        var other = dense
        other[1, 2] = 6
        #expect(dense != other)
        // Two transposes: the same elements in another layout.
        let back = try dense.transposed(0, 1).contiguous().transposed(0, 1)
        #expect(back.strides != dense.strides)
        #expect(back == dense)
        #expect(Tensor<Float>([.nan]) != Tensor<Float>([.nan]))
    }

    @Test func assigningKeepsTheLayout() throws {
        var transpose = try Tensor<Float>(repeating: 0, shape: [2, 3]).transposed(0, 1)
        transpose.assign([1, 2, 3, 4, 5, 6])
        #expect(transpose.strides == [1, 3])
        #expect(transpose.array == [1, 2, 3, 4, 5, 6])
        #expect(transpose[2, 1] == 6)
    }

    /// Small, odd and large: from 4 MiB on memory is asked for in another way.
    @Test(arguments: [0, 1, 15, 1000, 1 << 20, (1 << 20) + 1])
    func memoryStartsAtACacheLine(count: Int) throws {
        let tensor = try Tensor<Float>(repeating: 1, shape: [count])
        let address = unsafe UInt(bitPattern: tensor.storage.base)
        #expect(address % 64 == 0)
        #expect(tensor.array.allSatisfy { $0 == 1 })
    }

    @Test func descriptionsSayElementAndShape() throws {
        #expect(try Tensor<Float>(repeating: 0, shape: [2, 3]).description == "Tensor<Float>[2, 3]")
        #expect(Shape([4, 5]).description == "[4, 5]")
    }

    @Test func tensorsCrossIsolation() async throws {
        let tensor = try Tensor((0..<6).map(Float.init), shape: [2, 3])
        let sums = await withTaskGroup(of: Float.self) { group in
            for row in 0..<2 { group.addTask { (0..<3).reduce(0) { $0 + tensor[row, $1] } } }
            return await group.reduce(into: Set<Float>()) { $0.insert($1) }
        }
        #expect(sums == [3, 12])
    }
}
