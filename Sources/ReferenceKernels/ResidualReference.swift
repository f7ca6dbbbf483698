package import Tensors

/// The sum of a residual stream and the output of a branch, and its gradients, in plain Swift:
/// h = residualScale · x + branchScale ⊙ dropout(branch + branchBias).
package struct ResidualReference<Scalar: ReferenceScalar> {
    private let columns: Int
    private let branch: [Scalar]
    private let bias: [Scalar]?
    private let scale: [Scalar]?
    private let residualScale: Scalar
    private let dropout: Dropout?

    package init(
        columns: Int, branch: [Scalar], bias: [Scalar]?, scale: [Scalar]?, residualScale: Scalar, dropout: Dropout?
    ) {
        self.columns = columns
        self.branch = branch
        self.bias = bias
        self.scale = scale
        self.residualScale = residualScale
        self.dropout = (dropout?.probability ?? 0) > 0 ? dropout : nil
    }

    private func dropped(_ value: Scalar, at index: Int) -> Scalar {
        guard let dropout else { return value }
        let kept = dropout.keeps(row: index / columns, column: index % columns) ? value : 0
        return kept * (1 / (1 - Scalar(dropout.probability)))
    }

    /// An absent bias is −0, which changes nothing, not even a branch of −0.
    private func droppedBranch(_ index: Int) -> Scalar {
        dropped(branch[index] + (bias?[index % columns] ?? -Scalar.zero), at: index)
    }

    @_specialize(where Scalar == Float)
    @_specialize(where Scalar == Double)
    package func sum(_ x: [Scalar]) -> [Scalar] {
        x.indices.map { index in
            ((scale?[index % columns] ?? 1) * droppedBranch(index)).addingProduct(residualScale, x[index])
        }
    }

    package struct Gradients {
        package var x: [Scalar] = []
        package var branch: [Scalar] = []
        package var bias: [Scalar] = []
        package var scale: [Scalar] = []
    }

    /// From the gradient of the sum.
    @_specialize(where Scalar == Float)
    @_specialize(where Scalar == Double)
    package func gradients(_ dh: [Scalar]) -> Gradients {
        var gradients = Gradients()
        var biasSums = BlockedColumnSums<Scalar>(rows: dh.count / columns, columns: columns)
        var scaleSums = biasSums
        for index in dh.indices {
            let (row, column) = index.quotientAndRemainder(dividingBy: columns)
            if column == 0 {
                biasSums.begin(row: row)
                scaleSums.begin(row: row)
            }
            let dbranch = dropped(dh[index] * (scale?[column] ?? 1), at: index)
            gradients.x.append(residualScale * dh[index])
            gradients.branch.append(dbranch)
            biasSums.add(dbranch, times: 1, column: column)
            scaleSums.add(dh[index], times: droppedBranch(index), column: column)
        }
        gradients.bias = biasSums.totals
        gradients.scale = scaleSums.totals
        return gradients
    }
}
