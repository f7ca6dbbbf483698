internal import Normalization
internal import ReferenceKernels

// Norms of residual sums, whose judge adds in float64.

extension RowFamilyAccuracy {
    /// A residual stream, the output of a branch, and what the branch is scaled and shifted by.
    private struct Problem {
        let columns: Int
        let x, branch: Tensor<Float>
        let branchBias, branchScale, weight, outputGradient: Tensor<Float>
        let residualScale: Float

        /// An exact branch is rounded to the stream's unit in the last place, so that the sum of the two is exact.
        init(columns: Int, offset: Float, isExact: Bool, residualScale: Float = 1) throws {
            let rows = RowFamilyAccuracy.rowCount(columns)
            let shape: Shape = [rows, columns]
            var random = RandomNumbers(seed: UInt64(columns))
            let unit = offset.ulp
            self.columns = columns
            self.residualScale = residualScale
            x = try Tensor(random.normals(rows * columns).map { $0 + offset }, shape: shape)
            branch = try Tensor(
                random.normals(rows * columns).map { isExact ? ($0 / unit).rounded() * unit : $0 }, shape: shape)
            outputGradient = try Tensor(random.normals(rows * columns), shape: shape)
            branchBias = Tensor(random.normals(columns))
            branchScale = Tensor(random.normals(columns))
            weight = Tensor(random.normals(columns))
        }

        /// h, in `Scalar`: the plain sum, or that of all terms.
        func sum<Scalar: BinaryFloatingPoint>(_ type: Scalar.Type, allTerms: Bool) -> [Scalar] {
            let (bias, scale) = (branchBias.array, branchScale.array)
            return zip(x.array, branch.array).enumerated().map { index, pair in
                let (x, branch) = (Scalar(pair.0), Scalar(pair.1))
                guard allTerms else { return x + branch }
                let t = Scalar(scale[index % columns]) * (branch + Scalar(bias[index % columns]))
                return Scalar(residualScale) * x + t
            }
        }
    }

    private static func norm(_ norm: RowNorm, of p: Problem, allTerms: Bool) throws -> ResidualNormOutput<Float> {
        let (bias, scale) = allTerms ? (p.branchBias, p.branchScale) : (nil, nil)
        return switch norm {
        case .layerNorm:
            try residualLayerNorm(
                p.x, adding: p.branch, branchBias: bias, branchScale: scale, residualScale: p.residualScale, weight: nil
            )
        case .rmsNorm:
            try residualRMSNorm(
                p.x, adding: p.branch, branchBias: bias, branchScale: scale, residualScale: p.residualScale, weight: nil
            )
        }
    }

    private static func cell(_ norm: RowNorm, _ p: Problem, allTerms: Bool) throws -> AccuracyTable.Cell {
        AccuracyTable.Cell(
            columns: p.columns, try self.norm(norm, of: p, allTerms: allTerms).output.array,
            naive: PlainNorm.forward(
                norm, p.sum(Float.self, allTerms: allTerms), columns: p.columns, weight: nil, bias: nil, epsilon: 1e-5),
            truth: PlainNorm.forward(
                norm, p.sum(Double.self, allTerms: allTerms), columns: p.columns, weight: nil, bias: nil,
                epsilon: Double(Float(1e-5))))
    }

    /// The norm of the plain sum.
    ///
    /// Bounds: as for LayerNorm where the sum is exact. Elsewhere each element of h is off by up to half a unit in its
    /// last place, u; that moves an output by u, its mean by at most u, and the deviation by at most u of 1.4, relative
    /// to which the largest output is at least 1: 3 u / 1.4.
    static func sum(_ norm: RowNorm, offset: Float, isExact: Bool) throws -> AccuracyTable.Row {
        let cells = try sumWidths.map { columns in
            try cell(norm, try Problem(columns: columns, offset: offset, isExact: isExact), allTerms: false)
        }
        let ulp = Double((offset + 8).ulp)
        let how = offset == 0 ? "" : isExact ? ", exact" : ", rounded"
        return AccuracyTable.Row("\(norm.rawValue), offset \(AccuracyTable.short(offset))\(how)", cells) { cell in
            let own = norm == .layerNorm ? LayerNormAccuracy.forwardBound : LayerNormAccuracy.derivedBound(cell.columns)
            return isExact ? own : own + 3 * (ulp / 2) / 1.4
        }
    }

    /// With every term. h has two more roundings, each of half a unit in the last place of numbers up to 16.
    static func allTerms(_ norm: RowNorm) throws -> AccuracyTable.Row {
        let cells = try sumWidths.map { columns in
            try cell(
                norm, try Problem(columns: columns, offset: 0, isExact: false, residualScale: 1.7), allTerms: true)
        }
        return AccuracyTable.Row("\(norm.rawValue), all terms", cells) { _ in
            LayerNormAccuracy.forwardBound + 3 * 0x1p-21 / 1.7
        }
    }

    private static let sumWidths = [8, 64, 768, 4096]

    /// A sum that its storage cannot hold: 256 and numbers of size 0.25 in bfloat16, whose unit in the last place is 2
    /// there.
    ///
    /// Bound: the output is rounded to bfloat16 once, which costs 2^-8 of it; what comes before is lost beside that.
    static func storedInBrief() throws -> AccuracyTable.Row {
        let cells = try sumWidths.map { columns in
            let rows = RowFamilyAccuracy.rowCount(columns)
            let x = try Tensor<BFloat16>(repeating: 256, shape: [rows, columns])
            let branch = Tensor<BFloat16>(
                rounding: try Tensor(
                    numbers(.scale(0.25), rows: rows, columns: columns, seed: columns), shape: [rows, columns]))
            let y = try residualLayerNorm(x, adding: branch, weight: Tensor<Float>?.none).output
            let rounded = Tensor<BFloat16>(
                rounding: try Tensor(branch.widened().array.map { 256 + $0 }, shape: x.shape))
            return AccuracyTable.Cell(
                columns: columns, y.widened().array,
                naive: PlainNorm.forward(
                    .layerNorm, rounded.widened().array, columns: columns, weight: nil, bias: nil, epsilon: 1e-5),
                truth: PlainNorm.forward(
                    .layerNorm, branch.widened().array.map { 256 + Double($0) }, columns: columns, weight: nil,
                    bias: nil,
                    epsilon: Double(Float(1e-5))))
        }
        return AccuracyTable.Row("layerNorm, bfloat16", cells) { _ in 0x1p-8 + LayerNormAccuracy.forwardBound }
    }

    // MARK: - Gradients

    /// Of everything that the sum depends on, with a branch that makes it exact under an offset.
    static func residualGradients(_ norm: RowNorm, offset: Float, columns: Int) throws -> [AccuracyTable.Gradient] {
        let p = try Problem(columns: columns, offset: offset, isExact: offset > 0)
        let given: ResidualNormGradients<Float>
        switch norm {
        case .layerNorm:
            let statistics = try residualLayerNorm(p.x, adding: p.branch, weight: p.weight).statistics
            given = try residualLayerNormBackward(
                p.outputGradient, x: p.x, adding: p.branch, weight: p.weight, statistics: statistics)
        case .rmsNorm:
            let statistics = try residualRMSNorm(p.x, adding: p.branch, weight: p.weight).statistics
            given = try residualRMSNormBackward(
                p.outputGradient, x: p.x, adding: p.branch, weight: p.weight, statistics: statistics)
        }
        let naive = plainGradients(norm, p, as: Float.self)
        let truth = plainGradients(norm, p, as: Double.self)
        let all = [given.input, given.branchBias, given.branchScale, given.weight, given.bias]
        let names = ["dx", "dbranchBias", "dbranchScale", "dweight", "dbias"]
        return names.indices.map { index in
            (names[index], .init(columns: columns, all[index].array, naive: naive[index], truth: truth[index]))
        }
    }

    /// dx, dbranchBias, dbranchScale, dweight and dbias by the formulas as they stand.
    private static func plainGradients<Scalar: BinaryFloatingPoint>(
        _ norm: RowNorm, _ p: Problem, as type: Scalar.Type
    ) -> [[Scalar]] {
        let plain = PlainNorm<Scalar>.backward(
            norm, p.outputGradient.array.map { Scalar($0) }, x: p.sum(type, allTerms: false), columns: p.columns,
            weight: p.weight.array.map { Scalar($0) }, epsilon: Scalar(Float(1e-5)))
        var dbranchBias = [Scalar](repeating: 0, count: p.columns)
        var dbranchScale = dbranchBias
        for (index, branch) in p.branch.array.enumerated() {
            dbranchBias[index % p.columns] += plain.dx[index]
            dbranchScale[index % p.columns] += plain.dx[index] * Scalar(branch)
        }
        return [plain.dx, dbranchBias, dbranchScale, plain.dweight, plain.dbias]
    }
}
