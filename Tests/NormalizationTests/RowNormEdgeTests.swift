// Cases from public bug reports of other libraries, each by name, and what the family promises of special rows.

internal import Normalization
internal import ReferenceKernels
import Testing
internal import Verification

@Suite struct RowNormEdgeTests {
    private let backends: [Backend] = TestedBackends.instructionSets.map { .kernels($0) } + [.reference]

    /// A one-pass variance makes noise of it, and 1/sqrt(epsilon) makes the noise large.
    @Test func constantRowOf1234IsExactlyTheBias() throws {
        let x = try Tensor<Float>(repeating: 1234, shape: [3, 768])
        let bias = Tensor((0..<768).map { Float($0) })
        for backend in backends {
            let y = try layerNorm(x, weight: Tensor<Float>?.none, bias: bias, epsilon: 1e-12, backend: backend)
            #expect(y.array == (0..<3).flatMap { _ in bias.array })
        }
    }

    /// Mean 40001.5, variance 1.25: beyond the squares of float32, and of binary16's range where the statistics are in it.
    @Test func row40000To40003() throws {
        let expected: [Double] = [-1.5, -0.5, 0.5, 1.5].map { $0 / 1.25.squareRoot() }
        let x = Tensor<Float>([40000, 40001, 40002, 40003])
        for backend in backends {
            let y = try layerNorm(x, epsilon: 0, backend: backend).array
            for (given, truth) in zip(y, expected) { #expect(abs(Double(given) - truth) < 2e-7) }
        }
        #if !((os(macOS) || targetEnvironment(macCatalyst)) && arch(x86_64))
            // Binary16 holds 40000, 40032, 40064, 40096 there; squares are beyond its largest number, 65504.
            let half = Tensor<Float16>([40000, 40032, 40064, 40096])
            for backend in backends {
                let y = try layerNorm(half, epsilon: 0, backend: backend)
                #expect(y.array == expected.map { Float16($0) })
            }
        #endif
    }

    @Test(arguments: RowNorm.allCases)
    func widthOne(norm: RowNorm) throws {
        let x = try Tensor<BFloat16>([3, -2, 1e30, 0], shape: [4, 1])
        let dy = try Tensor<BFloat16>([1, 2, 3, 4], shape: [4, 1])
        for backend in backends {
            switch norm {
            case .layerNorm:
                let (y, statistics) = try layerNormWithStatistics(x, backend: backend)
                #expect(y.array == [0, 0, 0, 0])
                let gradients = try layerNormBackward(dy, x: x, statistics: statistics, backend: backend)
                #expect(gradients.input.array == [0, 0, 0, 0])
                #expect(gradients.weight?.array == [0])
                #expect(gradients.bias?.array == [10])
            case .rmsNorm:
                let y = try rmsNorm(x, epsilon: 0, backend: backend)
                #expect(y.array == [1, -1, 1, 0])
            }
        }
    }

    /// No branch bias adds nothing, where one of +0 would make +0 of −0 + −0.
    @Test func absentBranchBiasKeepsTheSignOfZero() throws {
        let x = try Tensor<Float>(repeating: -0.0, shape: [2, 100]), zeros = try Tensor<Float>(repeating: 0, shape: [100])
        for backend in backends {
            let plain = try residualLayerNorm(x, adding: x, weight: zeros, backend: backend).sum
            let biased = try residualLayerNorm(x, adding: x, branchBias: zeros, weight: zeros, backend: backend).sum
            #expect(plain.array.allSatisfy { $0.sign == .minus && $0 == 0 })
            #expect(biased.array.allSatisfy { $0.sign == .plus && $0 == 0 })
        }
    }

    /// Squares of 1e20 overflow float32: elsewhere such rows become 0.
    @Test(arguments: [Float(1e20), 1e30, 3e38, 1e-20, 1e-30, 0x1p-140])
    func rmsNormOfAnyScale(scale: Float) throws {
        let signs: [Float] = [1, -1, 1, 1, -1]
        let x = Tensor(signs.map { $0 * scale })
        for backend in backends {
            let y = try rmsNorm(x, epsilon: 0, backend: backend).array
            // The square, its sum, the root and the quotient round once each.
            for (given, sign) in zip(y, signs) { #expect(abs(given - sign) <= 0x1p-22) }
            #expect(try layerNorm(Tensor([scale, -scale]), epsilon: 0, backend: backend).array.map(\.sign) == [.plus, .minus])
        }
        guard scale > 1e-38 else { return }  // bfloat16 has less below
        #expect(try rmsNorm(Tensor<BFloat16>(rounding: x), epsilon: 0) == Tensor<BFloat16>(rounding: Tensor(signs)))
    }

    /// 1e-8 is 0 in binary16, and 0 / 0 a NaN.
    @Test func epsilonBelowHalfPrecision() throws {
        #if !((os(macOS) || targetEnvironment(macCatalyst)) && arch(x86_64))
            let zeros = try Tensor<Float16>(repeating: 0, shape: [2, 64])
            for backend in backends {
                #expect(try rmsNorm(zeros, epsilon: 1e-8, backend: backend) == zeros)
                #expect(try layerNorm(zeros, epsilon: 1e-8, backend: backend) == zeros)
            }
        #endif
        let tiny = try Tensor<BFloat16>(repeating: 1e-4, shape: [64])
        let y = try rmsNorm(tiny, epsilon: 1e-8).array[0].widened
        #expect(abs(y - 0.70711) < 0.004)  // 1e-4 / sqrt(1e-8 + 1e-8), to bfloat16's 2^-8
    }

    /// A branch of 1e-3 on a stream at 1e6: h keeps float32's 0.0625 of it, its norm no less.
    @Test(arguments: RowNorm.allCases)
    func smallBranchUnderALargeOffset(norm: RowNorm) throws {
        var random = RandomNumbers(seed: 9)
        let columns = 1024
        let x = try Tensor<Float>(repeating: 1e6, shape: [columns])
        let branch = Tensor(random.normals(columns))
        let h = zip(x.array, branch.array).map { Double($0 + $1) }  // the rounded sum is what float32 can hold
        let truth = PlainNorm<Double>.forward(norm, h, columns: columns, weight: nil, bias: nil, epsilon: 1e-5)
        for backend in backends {
            let y =
                norm == .layerNorm
                ? try residualLayerNorm(x, adding: branch, weight: Tensor<Float>?.none, backend: backend)
                : try residualRMSNorm(x, adding: branch, weight: Tensor<Float>?.none, backend: backend)
            let largest = truth.map(abs).max() ?? 0
            let error = zip(y.output.array, truth).map { abs(Double($0) - $1) }.max() ?? .infinity
            #expect(error <= 3e-7 * largest)
        }
    }

    /// What is normalized is the sum before it is rounded: here rounding to bfloat16 would lose the branch altogether.
    @Test func sumsAreNormalizedBeforeTheyAreRounded() throws {
        let x = try Tensor<BFloat16>(repeating: 256, shape: [2])
        let branch = Tensor<BFloat16>([0.25, -0.25])
        for backend in backends {
            let result = try residualLayerNorm(
                x, adding: branch, weight: Tensor<Float>?.none, epsilon: 0, backend: backend)
            #expect(result.sum.array == [256, 256])
            #expect(result.output.array == [1, -1])
        }
    }

    @Test func quantizedRows() throws {
        let x = try Tensor<Float>([3, -3, 3, -3, 5, 5, 5, 5, .nan, 0, 0, 0], shape: [3, 4])
        let weight = Tensor<Float>([1, 1, 0.5, 0.25])
        for backend in backends {
            let quantized = try quantizedLayerNorm(x, weight: weight, epsilon: 0, backend: backend)
            #expect(quantized.values.array == [127, -127, 64, -32, 0, 0, 0, 0, 0, 0, 0, 0])  // 63.5 to even
            #expect(quantized.scales.array[0] == Float(1) / 127)
            #expect(quantized.scales.array[1] == 0)
            #expect(quantized.scales.array[2].isNaN)
        }
    }

    /// Outputs so small that 127 / max is infinite.
    @Test func quantizedTinyRows() throws {
        let x = Tensor<Float>([1, -1, 1, -1])
        let weight = Tensor<Float>([0x1p-140, 0x1p-140, 0x1p-141, 0])
        for backend in backends {
            let quantized = try quantizedRMSNorm(x, weight: weight, epsilon: 0, backend: backend)
            #expect(quantized.values.array == [127, -127, 64, 0])
        }
    }

    @Test func dropout() throws {
        let shape: Shape = [400, 300]
        let zeros = try Tensor<Float>(repeating: 0, shape: shape)
        let ones = try Tensor<Float>(repeating: 1, shape: shape)
        func sum(_ probability: Float, _ seed: UInt64) throws -> [Float] {
            let dropout = try Dropout(probability: probability, seed: seed)
            return try residualLayerNorm(zeros, adding: ones, dropout: dropout, weight: Tensor<Float>?.none).sum.array
        }
        #expect(try sum(0, 1).allSatisfy { $0 == 1 })
        for probability: Float in [0.1, 0.5, 0.9] {
            let elements = try sum(probability, 7)
            #expect(elements.allSatisfy { $0 == 0 || $0 == 1 / (1 - probability) })
            // 120,000 draws: a standard deviation of at most 0.0015; six of them.
            let dropped = Float(elements.count { $0 == 0 }) / Float(elements.count)
            #expect(abs(dropped - probability) < 0.009)
        }
        #expect(try sum(0.5, 1) == sum(0.5, 1))
        #expect(try sum(0.5, 1) != sum(0.5, 2))
        #expect(throws: NormalizationError.self) { try Dropout(probability: 1, seed: 0) }
        #expect(throws: NormalizationError.self) { try Dropout(probability: .nan, seed: 0) }
    }
}
