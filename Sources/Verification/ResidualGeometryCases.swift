package import Normalization

// Cases of the orthogonal residual addition, of tangents, and of gradients of gradients.

extension OperatorCase {
    /// Both directions of the orthogonal residual addition.
    package static func orthogonalAdd<Element: KernelElement>(
        _ type: Element.Type, rows: Int, columns: Int, patterns: [RowPattern] = [.offset(0)], centred: Bool,
        epsilon: Float = 1e-6, seed: UInt64 = 1
    ) throws(NormalizationError) -> OperatorCase {
        var random = RandomNumbers(seed: seed)
        let x: Tensor<Element> = try RowPattern.tensor(patterns, rows: rows, columns: columns, random: &random)
        let update: Tensor<Element> = try RowPattern.tensor(
            patterns.reversed(), rows: rows, columns: columns, random: &random)
        let dh: Tensor<Element> = try RowPattern.tensor([.offset(0)], rows: rows, columns: columns, random: &random)
        let data = "\(Element.storageType) \(rows)x\(columns)\(centred ? " centred" : "") \(patterns[0])"
        return OperatorCase("orthogonalAdd", data) { backend throws(NormalizationError) in
            let h = try orthogonalResidualAdd(x, update: update, centred: centred, epsilon: epsilon, backend: backend)
            let gradients = try orthogonalResidualAddBackward(
                dh, x: x, update: update, centred: centred, epsilon: epsilon, backend: backend)
            return [h.floats, gradients.input.floats, gradients.update.floats]
        }
    }

    /// The tangent of a norm and the gradients of its gradients. `affine`: with a weight and all that belongs to it.
    package static func secondOrder<Element: KernelElement>(
        _ type: Element.Type, isRMS: Bool, rows: Int, columns: Int, patterns: [RowPattern] = [.offset(0)],
        affine: Bool = true, epsilon: Float = 1e-5, seed: UInt64 = 1
    ) throws(NormalizationError) -> OperatorCase {
        var random = RandomNumbers(seed: seed)
        let x: Tensor<Element> = try RowPattern.tensor(patterns, rows: rows, columns: columns, random: &random)
        let v: Tensor<Element> = try RowPattern.tensor(
            [.offset(0), .offset(30)], rows: rows, columns: columns, random: &random)
        let dy: Tensor<Element> = try RowPattern.tensor([.offset(-5)], rows: rows, columns: columns, random: &random)
        func vector() -> Tensor<Float>? { affine ? Tensor(random.normals(columns)) : nil }
        let (weight, p, q) = (vector(), vector(), vector())
        let data = "\(Element.storageType) \(rows)x\(columns) \(patterns[0])"
        if isRMS {
            return OperatorCase("rmsNorm 2nd order", data) { backend throws(NormalizationError) in
                let statistics = try rmsNormWithStatistics(x, epsilon: epsilon, backend: backend).statistics
                let tangent = try rmsNormTangent(
                    v, x: x, weight: weight, weightOffset: 1, weightTangent: p, biasTangent: q, statistics: statistics,
                    backend: backend)
                let second = try rmsNormDoubleBackward(
                    inputCotangent: v, weightCotangent: p, biasCotangent: q, outputGradient: dy, x: x, weight: weight,
                    weightOffset: 1, statistics: statistics, backend: backend)
                return [tangent.floats, second.outputGradient.floats, second.input.floats, second.weight.array]
            }
        }
        return OperatorCase("layerNorm 2nd order", data) { backend throws(NormalizationError) in
            let statistics = try layerNormWithStatistics(x, epsilon: epsilon, backend: backend).statistics
            let tangent = try layerNormTangent(
                v, x: x, weight: weight, weightTangent: p, biasTangent: q, statistics: statistics, backend: backend)
            let second = try layerNormDoubleBackward(
                inputCotangent: v, weightCotangent: p, biasCotangent: q, outputGradient: dy, x: x, weight: weight,
                statistics: statistics, backend: backend)
            return [tangent.floats, second.outputGradient.floats, second.input.floats, second.weight.array]
        }
    }

    package static func residualGeometry<Element: KernelElement>(
        _ type: Element.Type
    ) throws(NormalizationError) -> [OperatorCase] {
        var cases: [OperatorCase] = []
        for columns in [1, 2, 17, 64, 65, 300, 1025] {
            for isOn in [false, true] {
                cases.append(try orthogonalAdd(type, rows: 19, columns: columns, centred: isOn))
                cases.append(try secondOrder(type, isRMS: isOn, rows: 19, columns: columns))
            }
        }
        for isOn in [false, true] {
            cases.append(
                try orthogonalAdd(
                    type, rows: 16, columns: 100, patterns: RowPattern.hostile, centred: isOn, epsilon: isOn ? 0 : 1e-6)
            )
            cases.append(
                try secondOrder(type, isRMS: isOn, rows: 16, columns: 100, patterns: RowPattern.hostile, affine: false))
        }
        return cases
    }
}
