// What scoreSoftmax refuses: the right error for the right argument, before any output is touched.

internal import Normalization
import Testing
internal import Verification

@Suite struct ScoreSoftmaxErrorTests {
    private static let shape: Shape = [2, 3, 4, 5]
    private let backends = [Backend.automatic, .reference]

    private func zeros(_ shape: Shape) throws(NormalizationError) -> Tensor<Float> {
        try Tensor(repeating: 0, shape: shape)
    }

    @Test func masks() throws {
        let x = try zeros(Self.shape)
        let yes = try Tensor(repeating: true, shape: [4, 4])
        let wrong: [(NormalizationError.Reason, String, AttentionMask)] = [
            (.invalidParameter, "mask.softcap", .softcap(0)), (.invalidParameter, "mask.softcap", .softcap(-1)),
            (.invalidParameter, "mask.softcap", .softcap(.nan)),
            (.invalidParameter, "mask.softcap", .softcap(.infinity)),
            (.shapeMismatch, "mask.bias", .bias(try zeros([4, 1]))),
            (.shapeMismatch, "mask.bias", .bias(try zeros([]))),
            (.shapeMismatch, "mask.bias", .bias(try zeros([2, 4, 5]))),
            (.shapeMismatch, "mask.bias", .bias(try zeros([1, 2, 3, 4, 5]))),
            (.shapeMismatch, "mask.boolean", .boolean(yes)),
            (.shapeMismatch, "mask.slopes", .alibi(slopes: try zeros([2]))),
            (.shapeMismatch, "mask.slopes", .alibi(slopes: try zeros([1, 3]))),
            (.shapeMismatch, "mask.sinks", .sinks(try zeros([4]))),
            (.outOfRange, "mask.window", .window(left: -1, right: nil)),
            (.outOfRange, "mask.window", .window(left: nil, right: Int.max)),
            (.outOfRange, "mask.queryOffset", .causal(offset: Int.min)),
            (.outOfRange, "mask.queryOffset", .causal().queryOffsets([0, Int.max])),
            (.shapeMismatch, "mask.queryOffsets", .causal().queryOffsets([0, 0, 0])),
            (.outOfRange, "mask.keyLengths", .keyLengths([3, 6])), (.outOfRange, "mask.keyLengths", .keyLengths([-1])),
            (.shapeMismatch, "mask.keyLengths", .keyLengths([1, 2, 3])),
            (.shapeMismatch, "mask.keyLengths", .keyLengths(try Tensor(repeating: 1, shape: [2, 3, 5]))),
        ]
        for backend in backends {
            for (reason, argument, mask) in wrong {
                var y = try Tensor(untouched(x.count), shape: Self.shape)
                expectError(reason, argument) { () throws(NormalizationError) in
                    try scoreSoftmax(x, mask: mask, into: &y, backend: backend)
                }
                expectUntouched(y.array, argument)
                expectError(reason, argument) { () throws(NormalizationError) in
                    try scoreSoftmaxBackward(x, output: x, scores: x, mask: mask, backend: backend)
                }
            }
        }
    }

    @Test func shapes() throws {
        let x = try zeros(Self.shape)
        for backend in backends {
            for shape: Shape in [[5], [2, 0], [1, 2, 3, 4, 5]] {
                expectError(.invalidShape, "scores") { () throws(NormalizationError) in
                    try scoreSoftmax(zeros(shape), backend: backend)
                }
                expectError(.invalidShape, "output") { () throws(NormalizationError) in
                    try scoreSoftmaxBackward(zeros(shape), output: zeros(shape), backend: backend)
                }
            }
            for scale in [Float.nan, .infinity] {
                expectError(.invalidParameter, "scale") { () throws(NormalizationError) in
                    try scoreSoftmax(x, scale: scale, backend: backend)
                }
                expectError(.invalidParameter, "scale") { () throws(NormalizationError) in
                    try scoreSoftmaxBackward(x, output: x, scale: scale, backend: backend)
                }
            }
            var y = try Tensor(untouched(x.count), shape: [3, 2, 4, 5])
            expectError(.shapeMismatch, "y") { () throws(NormalizationError) in
                try scoreSoftmax(x, into: &y, backend: backend)
            }
            expectUntouched(y.array)
            var turned = try x.transposed(2, 3)
            expectError(.unsupportedLayout, "scores") { () throws(NormalizationError) in
                try scoreSoftmax(inPlace: &turned, backend: backend)
            }
            var turnedOutput = try zeros([2, 3, 5, 4]).transposed(2, 3)
            expectError(.unsupportedLayout, "y") { () throws(NormalizationError) in
                try scoreSoftmax(x, into: &turnedOutput, backend: backend)
            }
        }
        for (reason, backend) in BadInput.backends {
            expectError(reason, "backend") { () throws(NormalizationError) in try scoreSoftmax(x, backend: backend) }
            expectError(reason, "backend") { () throws(NormalizationError) in
                try scoreSoftmaxBackward(x, output: x, backend: backend)
            }
        }
    }

    @Test func gradients() throws {
        let x = try zeros(Self.shape)
        let other = try zeros([2, 3, 5, 4])
        let sinks = AttentionMask.sinks(try zeros([3]))
        for backend in backends {
            expectError(.shapeMismatch, "outputGradient") { () throws(NormalizationError) in
                try scoreSoftmaxBackward(other, output: x, backend: backend)
            }
            expectError(.shapeMismatch, "scores") { () throws(NormalizationError) in
                try scoreSoftmaxBackward(x, output: x, scores: other, backend: backend)
            }
            expectError(.missingArgument, "scores") { () throws(NormalizationError) in
                try scoreSoftmaxBackward(x, output: x, mask: .softcap(5), backend: backend)
            }
            expectError(.missingArgument, "logSumExp") { () throws(NormalizationError) in
                try scoreSoftmaxBackward(x, output: x, mask: sinks, backend: backend)
            }
            expectError(.shapeMismatch, "logSumExp") { () throws(NormalizationError) in
                try scoreSoftmaxBackward(x, output: x, logSumExp: zeros([2, 3]), mask: sinks, backend: backend)
            }
            let masked = try scoreSoftmaxBackward(
                x, output: x, logSumExp: zeros([2, 3, 4]), mask: sinks, parameters: false, backend: backend)
            #expect(masked.sinks == nil && masked.bias == nil && masked.slopes == nil)
        }
    }
}
