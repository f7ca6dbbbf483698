// Conversions by the kernels have the bits of the pure Swift ones, for all types, layouts and backends. (The C program
// kernelcheck judges every number, and results beyond the caches.)

internal import Normalization
import Testing
internal import Verification

/// What is converted: the tensor as it is, or a view of one of rank 3.
enum ConvertedView: CaseIterable {
    case whole
    /// Rows that do not follow one another, one stride apart.
    case columns
    /// The same with two strides.
    case columnsExchanged
    /// No contiguous rows.
    case transposed

    func of<Element>(_ tensor: Tensor<Element>) throws -> Tensor<Element> {
        switch self {
        case .whole: tensor
        case .columns: try tensor.sliced(1..<4, axis: 2)
        case .columnsExchanged: try tensor.sliced(1..<4, axis: 2).transposed(0, 1)
        case .transposed: try tensor.transposed(0, 2)
        }
    }
}

@Suite struct ConversionTests {
    private static let types: [any KernelElement.Type] = {
        #if (os(macOS) || targetEnvironment(macCatalyst)) && arch(x86_64)
            [Float.self, BFloat16.self]
        #else
            [Float.self, BFloat16.self, Float16.self]
        #endif
    }()

    /// Normal numbers, any bits (a few are NaNs), and magnitudes around those of Float16.
    private func numbers(_ count: Int) -> [Float] {
        var random = RandomNumbers(seed: UInt64(count))
        return zip(0..<count, random.normals(count)).map { index, normal in
            let bits = UInt32(truncatingIfNeeded: (index + 1) &* 0x9e37_79b9)
            let number = Float(bitPattern: index % 3 == 1 ? bits : bits >> 4 + 0x3000_0000)
            return index % 3 == 0 ? normal : number
        }
    }

    /// From every type to every type by every backend, against one number at a time.
    private func expectOneAnswer(_ x: Tensor<Float>, _ view: ConvertedView = .whole) throws {
        for source in Self.types {
            for destination in Self.types { try expectOneAnswer(source, destination, x, view) }
        }
    }

    private func expectOneAnswer<Source: KernelElement, Destination: KernelElement>(
        _: Source.Type, _: Destination.Type, _ x: Tensor<Float>, _ view: ConvertedView
    ) throws {
        let source = try view.of(Tensor<Source>(rounding: x))
        let expected = source.array.map { Destination(rounding: $0.widened).widened }
        for backend in TestedBackends.all + [.reference] {
            let given = try source.converted(to: Destination.self, backend: backend)
            #expect(given.shape == source.shape && given.isContiguous)
            expectSameBits(
                given.widened().array, expected,
                "\(Source.self) to \(Destination.self), \(x.shape), \(view), \(backend)")
        }
    }

    @Test(arguments: TestedSizes.thinned(Array(1...70) + [255, 4095, 4096, 4097, 10007], debugStep: 3))
    func everyCount(count: Int) throws { try expectOneAnswer(Tensor(numbers(count))) }

    @Test(arguments: ConvertedView.allCases)
    func views(view: ConvertedView) throws { try expectOneAnswer(Tensor(numbers(60), shape: [3, 4, 5]), view) }

    @Test func emptyTensorsAndSingleNumbers() throws {
        for shape: Shape in [[0], [3, 0], [0, 3]] {
            let empty = try Tensor<Float>([], shape: shape).converted(to: BFloat16.self)
            #expect(empty.shape == shape && empty.array == [])
        }
        let number = try Tensor<Float>([1.001], shape: []).converted(to: BFloat16.self)
        #expect(number.shape == [] && number.array == [1])
    }

    /// The result has memory of its own, also where nothing changes.
    @Test func theSourceStaysAsItIs() throws {
        let x = Tensor(numbers(100))
        var same = try x.converted(to: Float.self)
        same[3] = 7
        expectSameBits(x.array, numbers(100), "source")
    }

    @Test func backendsThatAreNotHere() throws {
        for (reason, backend) in BadInput.backends {
            for shape: Shape in [[2], [0]] {
                let x = try Tensor<Float>(repeating: 1, shape: shape)
                expectError(reason, "backend", "\(shape)") { () throws(NormalizationError) in
                    try x.converted(to: BFloat16.self, backend: backend)
                }
            }
        }
    }
}
