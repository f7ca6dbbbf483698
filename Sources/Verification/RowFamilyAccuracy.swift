internal import Normalization
internal import ReferenceKernels

/// How far the relatives of layer normalization are from float64: RMSNorm, norms of residual sums, of parts of rows, of
/// neighbourhoods, and by moments of parts.
package struct RowFamilyAccuracy: Sendable {
    package let rms, residual, parts, gradients: AccuracyTable

    private static let widths = [8, 64, 768, 4096]

    /// Five roundings of 2^-24, as for LayerNorm.
    private static let fewRoundings: @Sendable (AccuracyTable.Cell) -> Double = { _ in LayerNormAccuracy.forwardBound }
    /// Squares that are all nearly alike may round the same way in every addition.
    private static let alikeSquares: @Sendable (AccuracyTable.Cell) -> Double = {
        LayerNormAccuracy.derivedBound($0.columns)
    }

    /// Measures all of it.
    package init() throws {
        rms = AccuracyTable(
            title: "RMSNorm",
            text: """
                Rows of unit variance, plus an offset, with one element replaced, or times a scale (there with epsilon
                0). Rows of 1e20 overflow in a naive evaluation and become 0. Under a large offset all squares are
                alike.
                """, data: "row",
            rows: try [0, 1e3, 1e6].map {
                try Self.rms(.offset($0), "offset \(AccuracyTable.short($0))", Self.alikeSquares)
            }
                + [1e4, 1e7].map { try Self.rms(.outlier($0), "outlier \(AccuracyTable.short($0))", Self.fewRoundings) }
                + [1e-30, 1e-20, 1e20, 1e30].map {
                    try Self.rms(.scale($0), "scale \(AccuracyTable.short($0))", Self.fewRoundings, epsilon: 0)
                }
                + [try Self.rms(.signs(1.1), "1.1 of both signs", Self.alikeSquares)])
        residual = AccuracyTable(
            title: "Residual sums",
            text: """
                A branch of unit variance is added to a stream of unit variance plus an offset; the judge is the norm
                of the sum in float64. "Exact" branches are multiples of the stream's unit in the last place, so that
                float32 holds the sum, and nothing of the branch is lost. A sum that float32 must round (to 0.06 at
                1e6) has lost what was rounded, whoever normalizes it. "All terms" has a residual scale, a scale and a
                bias of the branch. In the last row a stream of 256 and a branch of size 0.25 are stored in bfloat16,
                which cannot hold their sum: here it is normalized before it is rounded, naively after.
                """, data: "sum",
            rows: try [0, 1e3, 1e6].map { try Self.sum(.layerNorm, offset: $0, isExact: $0 > 0) }
                + [try Self.sum(.layerNorm, offset: 1e6, isExact: false)]
                + [0, 1e6].map { try Self.sum(.rmsNorm, offset: $0, isExact: $0 > 0) }
                + RowNorm.allCases.map(Self.allTerms) + [try Self.storedInBrief()])
        parts = AccuracyTable(
            title: "Parts of rows",
            text: """
                Segments of a row and neighbourhoods of a graph, each of the width that the column says; and rows that
                are normalized by the merged moments of four parts. Scales come with epsilon 0.
                """, data: "part",
            rows: try RowNorm.allCases.flatMap { norm in
                try Self.partData(norm).map { try Self.segments(norm, $0) }
            } + Self.partData(.layerNorm).map(Self.neighbourhoods) + Self.partData(.layerNorm).map(Self.byMoments))
        gradients = AccuracyTable(
            title: "Gradients",
            text: """
                Rows of unit variance plus an offset of x; epsilon 1e-5, random weights. The errors of sums over rows
                are relative to their largest element.
                """, data: "gradient",
            rows: try AccuracyTable.gradients("rmsNorm", sizes: Self.widths, measure: Self.rmsGradients)
                + RowNorm.allCases.flatMap { norm in
                    try AccuracyTable.gradients("residual \(norm.rawValue)", sizes: Self.widths) {
                        try Self.residualGradients(norm, offset: $0, columns: $1)
                    }
                }
                + AccuracyTable.gradients("segments", sizes: Self.widths, measure: Self.segmentGradients)
                + AccuracyTable.gradients("neighbourhoods", sizes: Self.widths, measure: Self.neighbourhoodGradients))
    }

    /// Rows of a case: fewer than for LayerNorm, of which these are relatives.
    static func rowCount(_ columns: Int) -> Int { max(2, min(64, 16384 / columns)) }

    /// `rows` rows of a pattern.
    static func numbers(_ pattern: RowPattern, rows: Int, columns: Int, seed: Int) -> [Float] {
        var random = RandomNumbers(seed: UInt64(seed))
        return (0..<rows).flatMap { _ in pattern.row(columns, random: &random) }
    }
}

// MARK: - Forward

extension RowFamilyAccuracy {
    private typealias Bound = @Sendable (AccuracyTable.Cell) -> Double

    /// A cell whose judge is the norm of `x` in float64, and whose naive evaluation is that in float32.
    private static func cell(
        _ norm: RowNorm, _ given: [Float], x: [Float], columns: Int, epsilon: Float
    ) -> AccuracyTable.Cell {
        AccuracyTable.Cell(
            columns: columns, given,
            naive: PlainNorm.forward(norm, x, columns: columns, weight: nil, bias: nil, epsilon: epsilon),
            truth: PlainNorm.forward(
                norm, x.map(Double.init), columns: columns, weight: nil, bias: nil, epsilon: Double(epsilon)))
    }

    private static func rms(
        _ pattern: RowPattern, _ data: String, _ bound: @escaping Bound, epsilon: Float = 1e-5
    ) throws -> AccuracyTable.Row {
        let cells = try LayerNormAccuracy.widths.map { columns in
            let x = numbers(pattern, rows: rowCount(columns), columns: columns, seed: columns)
            let y = try rmsNorm(Tensor(x, shape: [x.count / columns, columns]), epsilon: epsilon)
            return cell(.rmsNorm, y.array, x: x, columns: columns, epsilon: epsilon)
        }
        return AccuracyTable.Row(data, cells, bound: bound)
    }

    /// A pattern, its name and the epsilon that belongs to it.
    private typealias PartData = (name: String, pattern: RowPattern, epsilon: Float)

    private static func partData(_ norm: RowNorm) -> [PartData] {
        let both: [PartData] = [
            ("offset 0", .offset(0), 1e-5), ("scale 1e-30", .scale(1e-30), 0), ("scale 1e30", .scale(1e30), 0),
        ]
        return norm == .rmsNorm
            ? both : both + [("offset 1e6", .offset(1e6), 1e-5), ("outlier 1e7", .outlier(1e7), 1e-5)]
    }

    private static func segments(_ norm: RowNorm, _ data: PartData) throws -> AccuracyTable.Row {
        let cells = try widths.map { columns in
            let rows = max(1, rowCount(columns) / 3)
            let x = numbers(data.pattern, rows: 3 * rows, columns: columns, seed: columns)
            let tensor = try Tensor(x, shape: [rows, 3 * columns])
            let segments = try SegmentOffsets(widths: [columns, columns, columns])
            let y =
                norm == .layerNorm
                ? try segmentedLayerNorm(tensor, segments: segments, epsilon: data.epsilon)
                : try segmentedRMSNorm(tensor, segments: segments, weight: Tensor<Float>?.none, epsilon: data.epsilon)
            return cell(norm, y.array, x: x, columns: columns, epsilon: data.epsilon)
        }
        return AccuracyTable.Row("segments, \(norm.rawValue), \(data.name)", cells, bound: fewRoundings)
    }

    private static func neighbourhoods(_ data: PartData) throws -> AccuracyTable.Row {
        let cells = try widths.map { columns in
            let nodes = rowCount(columns)
            let x = numbers(data.pattern, rows: nodes, columns: columns, seed: columns)
            let y = try neighbourhoodLayerNorm(
                Tensor(x), offsets: SegmentOffsets(widths: Array(repeating: columns, count: nodes)),
                epsilon: data.epsilon)
            return cell(.layerNorm, y.array, x: x, columns: columns, epsilon: data.epsilon)
        }
        return AccuracyTable.Row("neighbourhoods, \(data.name)", cells, bound: fewRoundings)
    }

    /// Rows in four parts, as four processes would hold them.
    private static func byMoments(_ data: PartData) throws -> AccuracyTable.Row {
        let cells = try widths.map { columns in
            let rows = rowCount(columns)
            let x = try Tensor(
                numbers(data.pattern, rows: rows, columns: columns, seed: columns), shape: [rows, columns])
            let shards = try (0..<4).map { try x.sliced($0 * columns / 4..<($0 + 1) * columns / 4, axis: 1) }
            let moments = try shards.map { try rowMoments($0) }
            let merged = (0..<rows).map { row in moments.map { $0[row] }.merged() }
            let parts = try shards.map { try normalize($0, with: merged, epsilon: data.epsilon).array }
            let y = (0..<rows).flatMap { row in
                parts.flatMap { $0[row * columns / 4..<(row + 1) * columns / 4] }
            }
            return cell(.layerNorm, y, x: x.array, columns: columns, epsilon: data.epsilon)
        }
        return AccuracyTable.Row("by moments of parts, \(data.name)", cells, bound: fewRoundings)
    }
}

// MARK: - Gradients

extension RowFamilyAccuracy {
    /// The judge and the naive evaluation of a row norm's gradients.
    private typealias Plain = (dx: [Float], dweight: [Float], dbias: [Float])
    private typealias Judge = (dx: [Double], dweight: [Double], dbias: [Double])

    private static func plain(
        _ norm: RowNorm, _ dy: [Float], x: [Float], columns: Int, weight: [Float]
    ) -> (naive: Plain, truth: Judge) {
        (
            PlainNorm.backward(norm, dy, x: x, columns: columns, weight: weight, epsilon: 1e-5),
            PlainNorm.backward(
                norm, dy.map(Double.init), x: x.map(Double.init), columns: columns, weight: weight.map(Double.init),
                epsilon: Double(Float(1e-5)))
        )
    }

    private static func rmsGradients(offset: Float, columns: Int) throws -> [AccuracyTable.Gradient] {
        let input = try LayerNormVerification.Case(
            "", rows: rowCount(columns), columns: columns, patterns: [.offset(offset)], seed: UInt64(columns))
        let statistics = try rmsNormWithStatistics(input.x).statistics
        let given = try rmsNormBackward(input.outputGradient, x: input.x, weight: input.weight, statistics: statistics)
        let (naive, truth) = plain(
            .rmsNorm, input.outputGradient.array, x: input.x.array, columns: columns, weight: input.weight?.array ?? [])
        return [
            ("dx", .init(columns: columns, given.input.array, naive: naive.dx, truth: truth.dx)),
            ("dweight", .init(columns: columns, given.weight?.array ?? [], naive: naive.dweight, truth: truth.dweight)),
            ("dbias", .init(columns: columns, given.bias?.array ?? [], naive: naive.dbias, truth: truth.dbias)),
        ]
    }

    /// Three segments of `columns` each, which share their weight.
    private static func segmentGradients(offset: Float, columns: Int) throws -> [AccuracyTable.Gradient] {
        let rows = max(1, rowCount(columns) / 3)
        let input = try LayerNormVerification.Case(
            "", rows: 3 * rows, columns: columns, patterns: [.offset(offset)], seed: UInt64(columns))
        let x = try input.x.reshaped(to: [rows, 3 * columns])
        let dy = try input.outputGradient.reshaped(to: x.shape)
        let segments = try SegmentOffsets(widths: [columns, columns, columns])
        let statistics = try segmentedLayerNormWithStatistics(
            x, segments: segments, parameters: .shared, weight: input.weight
        ).statistics
        let given = try segmentedLayerNormBackward(
            dy, x: x, segments: segments, parameters: .shared, weight: input.weight, statistics: statistics)
        let (naive, truth) = plain(
            .layerNorm, dy.array, x: x.array, columns: columns, weight: input.weight?.array ?? [])
        return [
            ("dx", .init(columns: columns, given.input.array, naive: naive.dx, truth: truth.dx)),
            ("dweight", .init(columns: columns, given.weight.array, naive: naive.dweight, truth: truth.dweight)),
        ]
    }

    /// Nodes of `columns` edges each, with eight heads, each of which has one weight.
    private static func neighbourhoodGradients(offset: Float, columns: Int) throws -> [AccuracyTable.Gradient] {
        let heads = 8
        let nodes = max(1, rowCount(columns) / heads)
        let edges = nodes * columns
        let input = try LayerNormVerification.Case(
            "", rows: heads * nodes, columns: columns, patterns: [.offset(offset)], seed: UInt64(columns))
        let (x, dy) = (input.x.array, input.outputGradient.array)
        let byEdge = try Tensor(x, shape: [heads, edges]).transposed(0, 1)
        let offsets = try SegmentOffsets(widths: Array(repeating: columns, count: nodes))
        let weight = (1...heads).map { Float($0) * 0.3 }
        let statistics = try neighbourhoodLayerNormWithStatistics(
            byEdge, offsets: offsets, weight: Tensor(weight)
        ).statistics
        let given = try neighbourhoodLayerNormBackward(
            Tensor(dy, shape: [heads, edges]).transposed(0, 1), x: byEdge, offsets: offsets, weight: Tensor(weight),
            statistics: statistics)
        let plain = (0..<heads).map { head in
            let own = head * edges..<(head + 1) * edges
            return Self.plain(
                .layerNorm, Array(dy[own]), x: Array(x[own]), columns: columns,
                weight: Array(repeating: weight[head], count: columns))
        }
        return [
            (
                "dx",
                .init(
                    columns: columns, try given.input.transposed(0, 1).array, naive: plain.flatMap(\.naive.dx),
                    truth: plain.flatMap(\.truth.dx))
            ),
            (
                "dweight",
                .init(
                    head: "width \(columns)", columns: columns, given.weight.array,
                    naive: plain.map { $0.naive.dweight.reduce(0, +) },
                    truth: plain.map { $0.truth.dweight.reduce(0, +) })
            ),
        ]
    }
}
