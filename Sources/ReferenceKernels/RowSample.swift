/// The contract's sample of a row: all of it up to 64 columns, else 16 columns around the middle of each quarter.
enum RowSample {
    /// The mean of the sample of a row whose element `column` is `element(column)`.
    static func mean<Scalar: ReferenceScalar>(columns n: Int, _ element: (_ column: Int) -> Scalar) -> Scalar {
        sum(columns: n, element) / Scalar(min(n, 64))
    }

    /// The sum of that sample.
    static func sum<Scalar: ReferenceScalar>(columns n: Int, _ element: (_ column: Int) -> Scalar) -> Scalar {
        var sum = LaneSum<Scalar>()
        if n <= 64 {
            for column in 0..<n { sum.add(element(column)) }
            return sum.total
        }
        for quarter in 0..<4 {
            let first = (2 * quarter + 1) * n / 8 - 8
            for column in first..<first + 16 { sum.add(element(column)) }
        }
        return sum.total
    }
}
