// Cases from public bug reports of other libraries, each by name, for every operator that normalizes rows.

internal import Normalization
internal import ReferenceKernels
import Testing
internal import Verification

@Suite struct FamilyEdgeTests {
    private static let backends: [Backend] =
        TestedBackends.instructionSets.map { .kernels($0, threads: 2) } + [.reference]

    /// A gradient of small whole numbers of both signs.
    private func gradient<Element: KernelElement>(like x: Tensor<Element>) throws -> Tensor<Element> {
        let elements = (0..<x.count).map { index in Float((index * 5) % 11 - 4) }
        return Tensor(rounding: try Tensor(elements, shape: x.shape))
    }

    /// A variance from the mean of squares makes noise of such a row, and 1/sqrt(epsilon) makes the noise large.
    @Test(arguments: NormForm.layerNorms, backends)
    func constantRowOf1234IsExactlyTheBias(form: NormForm, backend: Backend) throws {
        let x = try Tensor<Float>(repeating: 1234, shape: [3, 768])
        let result = try form(x, dy: gradient(like: x), affine: true, epsilon: 1e-12, backend: backend)
        let y = result.output.array
        #expect(y.indices.allSatisfy { y[$0] == result.bias[form.biasIndex(row: $0 / 768, column: $0 % 768)] })
        #expect(result.inputGradient.array.allSatisfy { $0.isFinite })
        #expect(result.weightGradient.allSatisfy { $0 == 0 })
    }

    /// Of RMSNorm it is the weight, to the roundings of the square, its sum, the root, the quotient and the product.
    @Test(arguments: NormForm.rmsNorms, backends)
    func constantRowOf1234IsOnes(form: NormForm, backend: Backend) throws {
        let x = try Tensor<Float>(repeating: 1234, shape: [3, 768])
        let result = try form(x, dy: gradient(like: x), epsilon: 1e-12, backend: backend)
        #expect(result.output.array.allSatisfy { abs($0 - 1) <= 0x1p-21 })
    }

    /// Mean 40001.5 and variance 1.25; squares are beyond 24 bits.
    @Test(arguments: NormForm.layerNorms, backends)
    func row40000To40003(form: NormForm, backend: Backend) throws {
        let x = try Tensor<Float>([40000, 40001, 40002, 40003, 40003, 40001, 40000, 40002], shape: [2, 4])
        let dy = try gradient(like: x)
        let result = try form(x, dy: dy, backend: backend)
        let epsilon = Double(Float(1e-5))
        let wide = x.array.map(Double.init)
        let truth = PlainNorm.forward(.layerNorm, wide, columns: 4, weight: nil, bias: nil, epsilon: epsilon)
        #expect(AccuracyTable.worstError(result.output.array, truth, columns: 4) <= LayerNormAccuracy.forwardBound)
        let gradients = PlainNorm.backward(
            .layerNorm, dy.array.map(Double.init), x: wide, columns: 4, weight: nil, epsilon: epsilon)
        // Sums of four numbers, and five roundings after them; some of it may cancel to a third.
        #expect(AccuracyTable.worstError(result.inputGradient.array, gradients.dx, columns: 4) <= 1e-6)
    }

    /// A row of one element is its own mean: nothing depends on it, exactly.
    @Test(arguments: NormForm.layerNorms, backends)
    func widthOne(form: NormForm, backend: Backend) throws {
        func expectZeros<Element: KernelElement>(_: Element.Type) throws {
            let x = Tensor<Element>(rounding: try Tensor([3, -2, 1e30, 0, 1234, -0x1p-120], shape: [6, 1]))
            let result = try form(x, dy: gradient(like: x), backend: backend)
            #expect(result.output.widened().array.allSatisfy { $0 == 0 })
            #expect(result.inputGradient.widened().array.allSatisfy { $0 == 0 })
            #expect(result.weightGradient.allSatisfy { $0 == 0 })
        }
        try expectZeros(Float.self)
        try expectZeros(BFloat16.self)
    }

    /// Width 1 in bfloat16 with a weight and a bias is the bias, and its weight has gradient 0.
    @Test(arguments: NormForm.layerNorms, backends)
    func bfloat16OfWidthOne(form: NormForm, backend: Backend) throws {
        let x = try Tensor<BFloat16>([3, -2, 0.5], shape: [3, 1])
        let result = try form(x, dy: gradient(like: x), affine: true, backend: backend)
        for row in 0..<3 {
            #expect(result.output.array[row] == BFloat16(result.bias[form.biasIndex(row: row, column: 0)]))
        }
        #expect(result.weightGradient.allSatisfy { $0 == 0 })
        #expect(result.inputGradient.array.allSatisfy { $0 == 0 })
    }

    /// RMSNorm of one element is its sign; the gradient is 0 but for the rounding of the two factors whose product is 1.
    @Test(arguments: NormForm.rmsNorms, backends)
    func rmsNormOfWidthOne(form: NormForm, backend: Backend) throws {
        let x = try Tensor<BFloat16>([3, -2, 1e30, 0], shape: [4, 1])
        let dy = try Tensor<BFloat16>(repeating: 1, shape: [4, 1])
        let result = try form(x, dy: dy, epsilon: 0, backend: backend)
        #expect(result.output.array == [1, -1, 1, 0])
        let dx = result.inputGradient.widened().array
        for (dx, x) in zip(dx, x.widened().array) { #expect(abs(dx * x) <= 0x1p-22) }
    }

    /// Squares of 1e20 overflow float32, those of 1e-30 vanish: elsewhere such rows become 0, or NaN.
    @Test(arguments: NormForm.allCases, [Float(1e20), 1e30, 1e-20, 1e-30])
    func rowsOfAnyScale(form: NormForm, scale: Float) throws {
        var random = RandomNumbers(seed: 12)
        let x = try Tensor(random.normals(3 * 40).map { $0 * scale }, shape: [3, 40])
        let dy = try gradient(like: x)
        let norm: RowNorm = form.isRMS ? .rmsNorm : .layerNorm
        let wide = x.array.map(Double.init)
        let truth = PlainNorm.forward(norm, wide, columns: 40, weight: nil, bias: nil, epsilon: 0)
        let gradients = PlainNorm.backward(
            norm, dy.array.map(Double.init), x: wide, columns: 40, weight: nil, epsilon: 0)
        for backend in Self.backends {
            let result = try form(x, dy: dy, epsilon: 0, backend: backend)
            #expect(
                AccuracyTable.worstError(result.output.array, truth, columns: 40) <= LayerNormAccuracy.forwardBound)
            // Two sums of 40 numbers and five roundings: as twice the naive error of friendly rows of that width.
            #expect(AccuracyTable.worstError(result.inputGradient.array, gradients.dx, columns: 40) <= 6e-7)
        }
    }

    /// 1e-8 is 0 in binary16: rows of zeros would be 0 / 0, and rows whose squares are of that size would lose epsilon.
    @Test(arguments: NormForm.allCases, backends)
    func epsilonBelowHalfPrecision(form: NormForm, backend: Backend) throws {
        #if !((os(macOS) || targetEnvironment(macCatalyst)) && arch(x86_64))
            let zeros = try Tensor<Float16>(repeating: 0, shape: [2, 64])
            let result = try form(zeros, dy: gradient(like: zeros), epsilon: 1e-8, backend: backend)
            #expect(result.output == zeros)
            // 1 / sqrt(1e-8) is 1e4, so that gradients of size 9 are beyond 65504, and infinite; but no NaN.
            #expect(result.inputGradient.array.allSatisfy { !$0.isNaN })
            let small = Tensor<Float16>(
                rounding: try Tensor((0..<64).map { $0 % 2 == 0 ? 0x1p-13 : -0x1p-13 }, shape: [1, 64]))
            let y = try form(small, dy: small, epsilon: 1e-8, backend: backend).output.array
            let expected = Float16(0x1p-13 / (0x1p-26 + Double(Float(1e-8))).squareRoot())
            #expect(y == (0..<64).map { $0 % 2 == 0 ? expected : -expected })
        #endif
    }

    /// One infinity makes its row NaN and no other.
    @Test(arguments: NormForm.allCases, [Float.infinity, -.infinity, .nan])
    func aRowWithAnInfinity(form: NormForm, poison: Float) throws {
        var random = RandomNumbers(seed: 12)
        var elements = random.normals(3 * 40)
        elements[57] = poison
        let x = try Tensor(elements, shape: [3, 40])
        elements[57] = 1
        let clean = try Tensor(elements, shape: [3, 40])
        for backend in Self.backends {
            let y = try form(x, dy: gradient(like: x), backend: backend)
            let expected = try form(clean, dy: gradient(like: x), backend: backend)
            for index in 0..<120 {
                let isPoisoned = index / 40 == 1
                #expect(y.output.array[index].isNaN == isPoisoned)
                if !isPoisoned {
                    #expect(y.output.array[index] == expected.output.array[index])
                    #expect(y.inputGradient.array[index] == expected.inputGradient.array[index])
                }
            }
        }
    }
}
