// SegmentCells: what is measured of norms of parts of rows and of neighbourhoods.

internal import KernelBridge
internal import Normalization

extension Cell {
    static var segments: [Cell] {
        [
            segmented(.rmsNorm, segments: 32, (4096, 4096)),
            segmented(.layerNorm, segments: 4, (4096, 4096)),
            segmented(.layerNorm, segments: 3, (4096, 768)), neighbourhoods(degree: 16, (8, 1 << 19)),
            neighbourhoods(degree: 256, (8, 1 << 19)),
        ]
    }

    private static func segmented(_ norm: RowNorm, segments: Int, _ shape: (rows: Int, columns: Int))
        -> Cell
    {
        Cell(
            operation: "\(norm.rawValue) of \(segments) segments", storage: .float32, direction: .forward,
            rows: shape.rows, columns: shape.columns, isCold: false, tensorsRead: 1, tensorsWritten: 1
        ) { try Segmented(norm, segments: segments, shape: $0, sets: $1, backend: $2) }
    }

    /// Rows are heads, columns edges.
    private static func neighbourhoods(degree: Int, _ shape: (rows: Int, columns: Int)) -> Cell {
        Cell(
            operation: "layerNorm of degree \(degree)", storage: .float32, direction: .forward,
            rows: shape.rows,
            columns: shape.columns, isCold: false, tensorsRead: 1, tensorsWritten: 1
        ) { try Neighbourhoods(degree: degree, shape: $0, sets: $1, backend: $2) }
    }
}

private struct Segmented: Workload {
    let run: KernelRun?
    let segments: SegmentOffsets
    let terms: NormTerms<Float>
    let x, y: [Tensor<Float>]
    let statistics: RowStatistics

    init(_ norm: RowNorm, segments count: Int, shape: Shape, sets: Int, backend: Backend) throws {
        run = try backend.kernelRun()
        segments = try SegmentOffsets(widths: Array(repeating: shape[1] / count, count: count))
        terms = NormTerms(
            norm, weight: try filled([shape[1]], seed: 1000), bias: nil, weightOffset: 0, epsilon: 1e-5)
        x = try (0..<sets).map { try filled(shape, seed: $0) }
        y = try (0..<sets).map { _ in try Tensor(repeating: 0, shape: shape) }
        statistics = RowStatistics(uninitializedFor: [count, shape[0], shape[1]])
    }

    mutating func run(set: Int) throws(NormalizationError) {
        if let run {
            try SegmentNormKernels.forward(
                terms, x[set], segments: segments, shared: false, output: y[set], statistics: statistics,
                run: run)
        } else if terms.norm == .rmsNorm {
            _ = try segmentedRMSNorm(
                x[set], segments: segments, weight: terms.weight, backend: .reference)
        } else {
            _ = try segmentedLayerNorm(
                x[set], segments: segments, weight: terms.weight, backend: .reference)
        }
    }
}

private struct Neighbourhoods: Workload {
    let run: KernelRun?
    let offsets: SegmentOffsets
    let x, y: [Tensor<Float>]
    let statistics: RowStatistics

    init(degree: Int, shape: Shape, sets: Int, backend: Backend) throws {
        run = try backend.kernelRun()
        let nodes = (shape[1] + degree - 1) / degree
        offsets = try SegmentOffsets((0...nodes).map { min($0 * degree, shape[1]) })
        x = try (0..<sets).map { try filled(shape, seed: $0) }
        y = try (0..<sets).map { _ in try Tensor(repeating: 0, shape: shape) }
        statistics = RowStatistics(uninitializedFor: [shape[0], nodes, 1])
    }

    mutating func run(set: Int) throws(NormalizationError) {
        guard let run else {
            _ = try neighbourhoodLayerNorm(x[set].transposed(0, 1), offsets: offsets, backend: .reference)
            return
        }
        try CSRNormKernels.forward(
            x[set], segments: offsets, weight: nil, bias: nil, epsilon: 1e-5, output: y[set],
            statistics: statistics,
            run: run)
    }
}
