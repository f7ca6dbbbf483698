/// The contract's row sum: 64 lanes in three levels, folded by halves.
///
/// Element i is added to lane i mod 64. After every 1,024 elements the lanes are added to the second level and
/// start again from +0, after every 16,384 the second level to the third.
struct LaneSum<Scalar: ReferenceScalar> {
    private var lanes = [Scalar](repeating: 0, count: 64)
    private var second = [Scalar](repeating: 0, count: 64)
    private var third = [Scalar](repeating: 0, count: 64)
    private var count = 0

    /// Adds the next element.
    mutating func add(_ element: Scalar) {
        lanes[count % 64] += element
        advance()
    }

    /// Adds a product, rounded once together with the addition.
    mutating func add(_ a: Scalar, times b: Scalar) {
        lanes[count % 64].addProduct(a, b)
        advance()
    }

    private mutating func advance() {
        count += 1
        if count % 1024 == 0 { Self.move(&lanes, to: &second) }
        if count % 16384 == 0 { Self.move(&second, to: &third) }
    }

    private static func move(_ lower: inout [Scalar], to upper: inout [Scalar]) {
        for lane in 0..<64 {
            upper[lane] += lower[lane]
            lower[lane] = 0
        }
    }

    /// The sum of everything added.
    var total: Scalar {
        var sums = self
        Self.move(&sums.lanes, to: &sums.second)
        Self.move(&sums.second, to: &sums.third)
        var width = 32
        while width > 0 {
            for lane in 0..<width { sums.third[lane] += sums.third[lane + width] }
            width /= 2
        }
        return sums.third[0]
    }
}
