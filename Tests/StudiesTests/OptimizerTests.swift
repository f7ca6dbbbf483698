// The optimizers, by steps that can be calculated by hand, and the schedule of the rate.

internal import Normalization
import Testing
internal import TrainingKit

@Suite struct OptimizerTests {
    private func parameter(_ value: [Float], gradient: [Float]) -> Parameter {
        let parameter = Parameter(Tensor(value), name: "p")
        parameter.accumulate(Tensor(gradient))
        return parameter
    }

    @Test func gradientDescentGoesAgainstTheGradient() {
        let parameter = parameter([1, 2], gradient: [4, -8])
        var optimizer = SGD()
        optimizer.step([parameter], rate: 0.25)
        #expect(parameter.value.array == [0, 4])
        #expect(parameter.gradient.array == [0, 0], "a step uses its gradient up")
    }

    /// Gradients 1 and then -2: the first step is the rate, whatever the gradient's size; the second has moments -0.11 and
    /// 0.004999 over corrections 0.19 and 0.001999. A step takes some ten roundings of 6e-8 of numbers below 1: 1e-6.
    @Test func adamHasItsMomentsCorrected() {
        let parameter = parameter([0, 0], gradient: [1, 1e-3])
        var optimizer = Adam()
        optimizer.step([parameter], rate: 0.5)
        // epsilon = 1e-8 beside a gradient of 1e-3 takes 1e-5 of the step.
        #expect(abs(parameter.value.array[0] + 0.5) < 1e-6 && abs(parameter.value.array[1] + 0.5) < 1e-5)
        parameter.accumulate(Tensor([-2, 1e-3]))
        optimizer.step([parameter], rate: 0.5)
        let second = 0.5 * (0.11 / 0.19) / (0.004999 / 0.001999 as Double).squareRoot()
        #expect(abs(Double(parameter.value.array[0]) - (second - 0.5)) < 1e-6)
        #expect(abs(parameter.value.array[1] + 1) < 2e-5, "a gradient that stays goes a rate a step")
    }

    @Test func warmupEndsAtThePeak() {
        let schedule = WarmupSchedule.linear(peak: 2, steps: 4)
        #expect((0..<6).map { schedule[$0] } == [0.5, 1, 1.5, 2, 2, 2])
        #expect(WarmupSchedule.constant(3)[0] == 3)
    }
}
