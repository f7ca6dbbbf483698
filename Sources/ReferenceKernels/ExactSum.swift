/// The contract's exact sum: each term, or product, of at most 2 is rounded to a multiple of 2^-50 by itself, and the
/// multiples are added as whole numbers. The order of the terms does not matter.
struct ExactSum {
    /// high · 2^32 + low units of 2^-50.
    private var high: Int64 = 0
    private var low: Int64 = 0
    private var isNumber = true

    mutating func add(_ a: Float) {
        addUnits(of: 6 + Double(a), isNumber: a.isFinite)
    }

    mutating func add(_ a: Float, times b: Float) {
        let product = Double(a) * Double(b)  // exact
        addUnits(of: 6 + product, isNumber: product.isFinite)
    }

    /// From 4 to 8 the last place of a `Double` is 2^-50: the bits of a number count units from there on.
    private mutating func addUnits(of sixMore: Double, isNumber: Bool) {
        let units = Int64(bitPattern: sixMore.bitPattern &- Double(6).bitPattern)
        high &+= units >> 32
        low &+= units & 0xffff_ffff
        self.isNumber = self.isNumber && isNumber
    }

    /// The sum; NaN if a term was NaN or infinite.
    var total: Double {
        isNumber ? (Double(high &+ (low >> 32)) * 0x1p32 + Double(low & 0xffff_ffff)) * 0x1p-50 : .nan
    }
}
