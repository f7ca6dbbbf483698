package import Normalization
private import Foundation
private import ReferenceKernels

/// Random numbers that depend on a seed, a stream and an index alone (Philox 4x32-10): no thread, no order of calls
/// elsewhere can change them.
package struct RandomStream: Sendable {
    private let seed: UInt64
    private let stream: UInt64
    private var block: UInt64 = 0
    private var buffered: [UInt64] = []
    private var spareNormal: Double?

    /// - Parameter stream: One for each use of randomness under the same seed, so that more numbers here change none
    ///   there.
    package init(seed: UInt64, stream: UInt64 = 0) {
        self.seed = seed
        self.stream = stream
    }

    package mutating func nextBits() -> UInt64 {
        if buffered.isEmpty {
            let w = Philox.words(
                counter: [
                    UInt32(truncatingIfNeeded: block), UInt32(truncatingIfNeeded: block >> 32),
                    UInt32(truncatingIfNeeded: stream), UInt32(truncatingIfNeeded: stream >> 32),
                ], key: seed)
            block += 1
            buffered = [UInt64(w[2]) << 32 | UInt64(w[3]), UInt64(w[0]) << 32 | UInt64(w[1])]
        }
        return buffered.removeLast()
    }

    /// Uniform in [0, 1), a multiple of 2^-53.
    package mutating func uniform() -> Double { Double(nextBits() >> 11) * 0x1p-53 }

    package mutating func uniform(in range: Range<Double>) -> Double {
        range.lowerBound + (range.upperBound - range.lowerBound) * uniform()
    }

    /// Uniform in 0..<bound, without bias beyond 2^-53.
    package mutating func index(below bound: Int) -> Int { Int(uniform() * Double(bound)) }

    /// Mean 0, variance 1 (Box and Muller, 1958).
    package mutating func normal() -> Double {
        if let spare = spareNormal {
            spareNormal = nil
            return spare
        }
        let radius = (-2 * log(1 - uniform())).squareRoot()
        let angle = 2 * Double.pi * uniform()
        spareNormal = radius * sin(angle)
        return radius * cos(angle)
    }

    package mutating func normals(_ count: Int) -> [Double] { (0..<count).map { _ in normal() } }

    /// A tensor of normal numbers with the given standard deviation.
    package mutating func normal(_ shape: Shape, deviation: Double = 1) throws(NormalizationError) -> Tensor<Float> {
        try Tensor((0..<(shape.elementCount ?? 0)).map { _ in Float(deviation * normal()) }, shape: shape)
    }

    /// 0..<count in random order (Fisher and Yates).
    package mutating func permutation(_ count: Int) -> [Int] {
        var order = Array(0..<count)
        for last in stride(from: count - 1, to: 0, by: -1) { order.swapAt(last, index(below: last + 1)) }
        return order
    }
}
