package import Normalization

// Cases of norms of parts of rows and of neighbourhoods.

extension OperatorCase {
    package static func segments<Element: KernelElement>(
        _ type: Element.Type, isRMS: Bool, rows: Int, widths: [Int], parameters: SegmentParameters = .perColumn,
        patterns: [RowPattern] = [.offset(3)], affine: Bool = true, epsilon: Float = 1e-5, seed: UInt64 = 1
    ) throws(NormalizationError) -> OperatorCase {
        var random = RandomNumbers(seed: seed)
        let segments = try SegmentOffsets(widths: widths)
        let columns = segments.total
        let x: Tensor<Element> = try RowPattern.tensor(patterns, rows: rows, columns: columns, random: &random)
        let dy: Tensor<Element> = try RowPattern.tensor([.offset(0)], rows: rows, columns: columns, random: &random)
        let count = parameters == .shared ? segments.commonWidth ?? columns : columns
        let weight = affine ? Tensor<Float>(random.normals(count)) : nil
        let bias = affine ? Tensor<Float>(random.normals(count)) : nil
        let data = "\(Element.storageType) \(rows)x\(columns), \(widths.count) \(parameters)"
        return OperatorCase(isRMS ? "segmentedRMSNorm" : "segmentedLayerNorm", data) {
            backend throws(NormalizationError) in
            let (y, statistics) =
                isRMS
                ? try segmentedRMSNormWithStatistics(
                    x, segments: segments, parameters: parameters, weight: weight, bias: bias, epsilon: epsilon,
                    backend: backend)
                : try segmentedLayerNormWithStatistics(
                    x, segments: segments, parameters: parameters, weight: weight, bias: bias, epsilon: epsilon,
                    backend: backend)
            let gradients =
                isRMS
                ? try segmentedRMSNormBackward(
                    dy, x: x, segments: segments, parameters: parameters, weight: weight, statistics: statistics,
                    backend: backend)
                : try segmentedLayerNormBackward(
                    dy, x: x, segments: segments, parameters: parameters, weight: weight, statistics: statistics,
                    backend: backend)
            return [
                y.floats, statistics.mean.array, statistics.meanLow.array, statistics.reciprocalDeviation.array,
                gradients.input.floats, gradients.weight.array, gradients.bias.array,
            ]
        }
    }

    /// `heads` nil: scores without an axis for them.
    package static func neighbourhoods<Element: KernelElement>(
        _ type: Element.Type, degrees: [Int], heads: Int?, pattern: RowPattern = .offset(3), affine: Bool = true,
        epsilon: Float = 1e-5, seed: UInt64 = 1
    ) throws(NormalizationError) -> OperatorCase {
        var random = RandomNumbers(seed: seed)
        let offsets = try SegmentOffsets(widths: degrees)
        let edges = offsets.total
        func scores(_ pattern: RowPattern) throws(NormalizationError) -> Tensor<Element> {
            let byHead: Tensor<Element> = try RowPattern.tensor(
                [pattern], rows: heads ?? 1, columns: edges, random: &random)
            return heads == nil ? try byHead.reshaped(to: [edges]) : try byHead.transposed(0, 1)
        }
        let x = try scores(pattern)
        let dy = try scores(.offset(0))
        let weight = affine ? Tensor<Float>(random.normals(heads ?? 1)) : nil
        let bias = affine ? Tensor<Float>(random.normals(heads ?? 1)) : nil
        let data = "\(Element.storageType) \(degrees.count) nodes, \(heads ?? 1) heads"
        return OperatorCase("neighbourhoodLayerNorm", data) { backend throws(NormalizationError) in
            let (y, statistics) = try neighbourhoodLayerNormWithStatistics(
                x, offsets: offsets, weight: weight, bias: bias, epsilon: epsilon, backend: backend)
            let gradients = try neighbourhoodLayerNormBackward(
                dy, x: x, offsets: offsets, weight: weight, statistics: statistics, backend: backend)
            return [
                y.floats, statistics.mean.array, statistics.meanLow.array, statistics.reciprocalDeviation.array,
                gradients.input.floats, gradients.weight.array, gradients.bias.array,
            ]
        }
    }

    package static func segmentsAndNeighbourhoods<Element: KernelElement>(
        _ type: Element.Type
    ) throws(NormalizationError) -> [OperatorCase] {
        var cases: [OperatorCase] = []
        for isRMS in [false, true] {
            cases.append(try segments(type, isRMS: isRMS, rows: 19, widths: [1, 300, 0, 64, 17, 2]))
            cases.append(try segments(type, isRMS: isRMS, rows: 1100, widths: [8, 8, 8, 8], parameters: .shared))
            cases.append(
                try segments(
                    type, isRMS: isRMS, rows: 16, widths: [100, 30], patterns: RowPattern.hostile, affine: false,
                    epsilon: 0))
        }
        let degrees = (0..<200).map { [0, 1, 2, 3, 7, 16, 17, 70][($0 * $0) % 8] } + [1500]
        for heads in [nil, 1, 4] { cases.append(try neighbourhoods(type, degrees: degrees, heads: heads)) }
        return cases
    }
}
