/// What a normalization saves of each row for its backward pass.
///
/// The mean is a pair: `mean`, rounded to a float, and `meanLow`, what that rounding lost. Under a mean
/// offset of 1e6 one float is off by up to 0.03, as much as 3 % of a row of unit variance.
public struct RowStatistics: Sendable, Equatable {
    /// One element a row, shaped like the input without its last axis.
    public package(set) var mean: Tensor<Float>
    public package(set) var meanLow: Tensor<Float>
    /// 1 / sqrt(variance + epsilon).
    public package(set) var reciprocalDeviation: Tensor<Float>

    package init(uninitializedFor input: Shape) {
        let rows = Shape(Array(input.extents.dropLast()))
        mean = Tensor(uninitializedLike: rows)
        meanLow = Tensor(uninitializedLike: rows)
        reciprocalDeviation = Tensor(uninitializedLike: rows)
    }
}
