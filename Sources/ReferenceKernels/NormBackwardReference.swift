package import Tensors

extension NormReference {
    package struct Gradients {
        package var dx: [Scalar]
        package var dweight: [Scalar]
        package var dbias: [Scalar]
    }

    /// Gradients of `forward`, from the statistics that it saved. (Those of RMSNorm have mean 0.)
    @_specialize(where Scalar == Float)
    @_specialize(where Scalar == Double)
    package static func backward(
        _ norm: RowNorm, _ dy: [Scalar], x: [Scalar], columns: Int, weight: [Scalar]?, mean: [Scalar], meanLow: [Scalar],
        rstd: [Scalar]
    ) -> Gradients {
        let rows = x.count / columns
        let n = Scalar(columns)
        var dx = [Scalar](repeating: 0, count: x.count)
        var weightSums = BlockedColumnSums<Scalar>(rows: rows, columns: columns)
        var biasSums = weightSums
        for row in 0..<rows {
            let first = row * columns
            func xhat(_ column: Int) -> Scalar { normalized(x[first + column] - mean[row], meanLow[row], rstd[row]) }
            func w(_ column: Int) -> Scalar { weight?[column] ?? 1 }

            let centre = norm == .layerNorm ? RowSample.mean(columns: columns) { dy[first + $0] * w($0) } : 0
            func t(_ column: Int) -> Scalar { (-centre).addingProduct(dy[first + column], w(column)) }
            var remainder = LaneSum<Scalar>()
            var projection = LaneSum<Scalar>()
            for column in 0..<columns {
                remainder.add(t(column))
                projection.add(t(column), times: xhat(column))
            }
            let tau = norm == .layerNorm ? remainder.total / n : 0
            let h = projection.total / n

            weightSums.begin(row: row)
            biasSums.begin(row: row)
            for column in 0..<columns {
                dx[first + column] = (t(column) - tau).addingProduct(-xhat(column), h) * rstd[row]
                weightSums.add(dy[first + column], times: xhat(column), column: column)
                biasSums.add(dy[first + column], times: 1, column: column)
            }
        }
        return Gradients(dx: dx, dweight: weightSums.totals, dbias: biasSums.totals)
    }
}

/// Sums over rows, column by column: one partial sum a block of rows, merged in the blocks' order. The
/// size of a block depends on the number of rows alone: at most 64 blocks, of at least 16 rows and a
/// multiple of 4.
struct BlockedColumnSums<Scalar: ReferenceScalar> {
    private let rowsPerBlock: Int
    private var merged: [Scalar]?
    private var block: [Scalar]

    static func rowsPerBlock(rows: Int) -> Int {
        let share = (rows + 63) / 64
        return share <= 16 ? 16 : (share + 3) / 4 * 4
    }

    init(rows: Int, columns: Int) {
        rowsPerBlock = Self.rowsPerBlock(rows: rows)
        block = [Scalar](repeating: 0, count: columns)
    }

    /// Rows come in increasing order.
    mutating func begin(row: Int) {
        guard row > 0, row % rowsPerBlock == 0 else { return }
        merged = totals
        for column in block.indices { block[column] = 0 }
    }

    mutating func add(_ a: Scalar, times b: Scalar, column: Int) { block[column].addProduct(a, b) }

    /// The sums of all rows so far.
    var totals: [Scalar] {
        guard let merged else { return block }
        return zip(merged, block).map { $0 + $1 }
    }
}
