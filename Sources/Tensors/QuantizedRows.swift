/// Rows of eight-bit integers with one scale a row: an element is `values · scale` of its row.
///
/// Symmetric, nearest even: `scales = max|y| / 127` over a row, `values = round(y / scale)` in −127 … 127. A row of zeros
/// has scale 0; a row with a NaN or an infinity has zeros and scale NaN.
public struct QuantizedRows: Sendable, Equatable {
    /// The shape of what was quantized.
    public package(set) var values: Tensor<Int8>
    /// One element a row: the shape without its last axis.
    public package(set) var scales: Tensor<Float>

    package init(uninitializedFor shape: Shape) {
        values = Tensor(uninitializedLike: shape)
        scales = Tensor(uninitializedLike: Shape(Array(shape.extents.dropLast())))
    }
}
