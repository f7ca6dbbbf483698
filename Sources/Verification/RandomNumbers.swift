/// Numbers that depend on a seed and an index alone, by integer arithmetic and exact conversions: the same
/// on every machine. (The mixing function is that of splitmix64, Steele, Lea, Flood, 2014.)
package struct RandomNumbers {
    private var state: UInt64

    package init(seed: UInt64) { state = seed }

    package mutating func nextBits() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }

    /// Uniform in [0, 1), a multiple of 2^-24.
    package mutating func nextUniform() -> Float { Float(nextBits() >> 40) * 0x1p-24 }

    /// Mean 0, variance 1, nearly normal: the sum of twelve uniform numbers, less 6.
    package mutating func nextNormal() -> Float {
        var sum: Float = -6
        for _ in 0..<12 { sum += nextUniform() }
        return sum
    }

    package mutating func normals(_ count: Int) -> [Float] { (0..<count).map { _ in nextNormal() } }
}
