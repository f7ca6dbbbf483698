// Kernel elements: their storage types, and tensors rounded and widened.

internal import Tensors
import Testing

/// A view that is not contiguous, of values that each type rounds; then back.
private func checkTensors<Element: KernelElement>(of _: Element.Type) throws {
    let elements = (0..<24).map { Float($0) / 7 - 1 }
    let view = try Tensor(elements, shape: [4, 6]).sliced(1..<5, axis: 1).transposed(0, 1)
    let expected = view.array.map(Element.init(rounding:))

    let rounded = Tensor<Element>(rounding: view)
    #expect(rounded.shape == [4, 4])
    #expect(rounded.isContiguous)
    #expect(rounded.array == expected)

    let transpose = try rounded.transposed(0, 1)
    let widened = transpose.widened()
    #expect(widened.isContiguous)
    #expect(widened.array == transpose.array.map(\.widened))
    #expect(Tensor<Element>(rounding: widened) == transpose)

    let empty = Tensor<Element>(rounding: try Tensor([], shape: [3, 0]))
    #expect(empty.shape == [3, 0])
    #expect(empty.widened().array == [])
    #expect(try Tensor<Element>(repeating: .zero, shape: [2]).widened().array == [0, 0])
}

@Suite struct KernelElementTests {
    @Test func storageTypesAreNamed() {
        #expect(StorageType.allCases.map(\.rawValue) == ["float32", "bfloat16", "float16"])
        #expect(Float.storageType == .float32)
        #expect(BFloat16.storageType == .bfloat16)
    }

    @Test func floatsStayAsTheyAre() throws {
        try checkTensors(of: Float.self)
        let pattern: UInt32 = 0x7fc1_2345
        #expect(Float(rounding: Float(bitPattern: pattern)).widened.bitPattern == pattern)
    }

    @Test func tensorsOfBFloat16RoundOnceAndWiden() throws { try checkTensors(of: BFloat16.self) }

    #if !((os(macOS) || targetEnvironment(macCatalyst)) && arch(x86_64))
        @Test func tensorsOfFloat16RoundOnceAndWiden() throws {
            #expect(Float16.storageType == .float16)
            try checkTensors(of: Float16.self)
        }
    #endif
}
