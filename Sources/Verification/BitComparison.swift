package import Tensors

/// Counts elements compared and elements that differ. A NaN equals any NaN; all else is compared by bits.
package struct BitComparison: Hashable, Sendable {
    package private(set) var compared = 0
    package private(set) var different = 0

    package init() {}

    package mutating func compare(_ given: [Float], _ expected: [Float]) {
        compared += max(given.count, expected.count)
        different += abs(given.count - expected.count)
        for (a, b) in zip(given, expected) where a.bitPattern != b.bitPattern && !(a.isNaN && b.isNaN) {
            different += 1
        }
    }

    package mutating func compare(_ given: Tensor<Float>, _ expected: Tensor<Float>) {
        compare(given.array, expected.array)
    }

    package mutating func compare(_ given: Tensor<Float>?, _ expected: Tensor<Float>?) {
        compare(given?.array ?? [], expected?.array ?? [])
    }

    package mutating func compare(_ given: [Moments], _ expected: [Moments]) {
        compared += max(given.count, expected.count)
        different += abs(given.count - expected.count)
        for (a, b) in zip(given, expected)
        where a.count != b.count || !isSame(a.mean, b.mean)
            || !isSame(a.sumOfSquaredDeviations, b.sumOfSquaredDeviations)
        {
            different += 1
        }
    }

    package mutating func compare(_ given: [GradientMoments], _ expected: [GradientMoments]) {
        compared += max(given.count, expected.count)
        different += abs(given.count - expected.count)
        for (a, b) in zip(given, expected)
        where a.count != b.count || !isSame(a.gradient, b.gradient) || !isSame(a.normalized, b.normalized)
            || !isSame(a.comoment, b.comoment)
        {
            different += 1
        }
    }

    package mutating func add(_ other: BitComparison) {
        compared += other.compared
        different += other.different
    }
}

private func isSame(_ a: Double, _ b: Double) -> Bool { a.bitPattern == b.bitPattern || (a.isNaN && b.isNaN) }
