// Elementwise: what the nets do to one number at a time, in row-major order, in plain Swift.

package import Normalization

extension Tensor<Float> {
    package func map(_ transform: (Float) -> Float) -> Tensor {
        var result = Tensor(uninitializedLike: shape)
        withSpan { x in
            result.withMutableSpan { y in
                for index in x.indices { y[index] = transform(x[index]) }
            }
        }
        return result
    }

    /// Combines two tensors of one shape.
    package func zip(_ other: Tensor, _ combine: (Float, Float) -> Float) -> Tensor {
        precondition(shape == other.shape, "\(shape) meets \(other.shape)")
        var result = Tensor(uninitializedLike: shape)
        withSpan { a in
            other.withSpan { b in
                result.withMutableSpan { y in
                    for index in a.indices { y[index] = combine(a[index], b[index]) }
                }
            }
        }
        return result
    }

    package mutating func add(_ other: Tensor) {
        precondition(shape == other.shape, "\(shape) meets \(other.shape)")
        other.withSpan { b in
            withMutableSpan { y in
                for index in b.indices { y[index] += b[index] }
            }
        }
    }

    package static func + (a: Tensor, b: Tensor) -> Tensor { a.zip(b, +) }
    package static func - (a: Tensor, b: Tensor) -> Tensor { a.zip(b, -) }
    package static func * (factor: Float, x: Tensor) -> Tensor { x.map { factor * $0 } }

    /// The scalar product of all elements, in double precision, from left to right.
    package func dot(_ other: Tensor) -> Double {
        precondition(shape == other.shape, "\(shape) meets \(other.shape)")
        return withSpan { a in
            other.withSpan { b in
                var sum = 0.0
                for index in a.indices { sum += Double(a[index]) * Double(b[index]) }
                return sum
            }
        }
    }

    /// The mean of the squares of all elements.
    package var energy: Double { dot(self) / Double(Swift.max(count, 1)) }

    /// Sums over all axes but the last.
    package func columnSums() -> Tensor {
        let columns = shape[shape.rank - 1]
        var sums = [Double](repeating: 0, count: columns)
        withSpan { x in
            for first in Swift.stride(from: 0, to: x.count, by: Swift.max(columns, 1)) {
                for column in 0..<columns { sums[column] += Double(x[first + column]) }
            }
        }
        return Tensor(sums.map { Float($0) })
    }

    /// Adds `row`, a vector, to each vector along the last axis.
    package func adding(row: Tensor) -> Tensor {
        let columns = shape[shape.rank - 1]
        precondition(row.count == columns, "\(row.shape) on rows of \(shape)")
        var result = Tensor(uninitializedLike: shape)
        withSpan { x in
            row.withSpan { b in
                result.withMutableSpan { y in
                    for first in Swift.stride(from: 0, to: x.count, by: Swift.max(columns, 1)) {
                        for column in 0..<columns { y[first + column] = x[first + column] + b[column] }
                    }
                }
            }
        }
        return result
    }

    /// All axes but the last as one.
    package func asRows() throws(NormalizationError) -> Tensor {
        let columns = shape[shape.rank - 1]
        return try reshaped(to: [columns == 0 ? 0 : count / columns, columns])
    }
}
