/// Products of matrices in plain Swift, with the bits of the C kernels. Matrices are dense: [batch, heads, rows,
/// columns].
package enum MatmulReference {
    package struct Shape {
        package let batch, heads, bHeads, rows, columns, depth: Int

        package init(batch: Int, heads: Int, bHeads: Int, rows: Int, columns: Int, depth: Int) {
            self.batch = batch
            self.heads = heads
            self.bHeads = bHeads
            self.rows = rows
            self.columns = columns
            self.depth = depth
        }
    }

    /// Terms in a chain of a sum.
    static let chain = 512

    package static func multiply(_ a: [Float], _ b: [Float], scale: Float, _ s: Shape) -> [Float] {
        var c: [Float] = []
        c.reserveCapacity(s.batch * s.heads * s.rows * s.columns)
        for plane in 0..<s.batch * s.heads {
            let bPlane = plane / s.heads * s.bHeads + plane % s.heads * s.bHeads / s.heads
            for row in 0..<s.rows {
                let first = (plane * s.rows + row) * s.depth
                for column in 0..<s.columns {
                    c.append(scale * sum(s.depth) { (a[first + $0], b[(bPlane * s.depth + $0) * s.columns + column]) })
                }
            }
        }
        return c
    }

    /// Of the products of `depth` pairs.
    private static func sum(_ depth: Int, _ pair: (Int) -> (Float, Float)) -> Float {
        var total: Float = 0
        for first in stride(from: 0, to: depth, by: chain) {
            var sum: Float = 0
            for term in first..<min(first + chain, depth) {
                let (a, b) = pair(term)
                sum.addProduct(a, b)
            }
            total = first == 0 ? sum : total + sum
        }
        return total
    }
}
