/// The contract's row sum: 64 lanes in two levels, folded by halves.
///
/// Element i is added to lane i mod 64. After every 1,024 elements the lanes are added to the second
/// level and start again from +0.
struct LaneSum<Scalar: ReferenceScalar> {
    private var lanes = [Scalar](repeating: 0, count: 64)
    private var upper = [Scalar](repeating: 0, count: 64)
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
        if count % 1024 == 0 { moveUp() }
    }

    private mutating func moveUp() {
        for lane in 0..<64 {
            upper[lane] += lanes[lane]
            lanes[lane] = 0
        }
    }

    /// The sum of everything added.
    var total: Scalar {
        var sums = self
        sums.moveUp()
        var width = 32
        while width > 0 {
            for lane in 0..<width { sums.upper[lane] += sums.upper[lane + width] }
            width /= 2
        }
        return sums.upper[0]
    }
}
