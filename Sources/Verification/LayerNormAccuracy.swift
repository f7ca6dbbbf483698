internal import Foundation
internal import Normalization
internal import ReferenceKernels

/// How far layer normalization is from float64: the textbook formula on the same float32 input.
package struct LayerNormAccuracy: Sendable {
    package typealias Table = AccuracyTable
    package typealias Row = AccuracyTable.Row
    package typealias Cell = AccuracyTable.Cell

    /// The gradients of one kind of data.
    package struct Gradients: Sendable {
        package let dx: Row
        package let dweight: Row
        package let dbias: Row
    }

    /// The largest error of a forward pass that is promised, for the first three tables.
    package static let forwardBound = 3e-7

    /// The bound for rows whose squares all round the same way. A sum of n squares takes 16 additions in a lane on
    /// each of two levels, one for each 16,384 elements on the third, and 6 to fold: so many half units in the last place
    /// (2^-24) at worst. Half of that shows in the root; four more come from the quotient, the root, d - delta and
    /// the last product.
    package static func derivedBound(_ columns: Int) -> Double {
        let additions = Double(16 + min(16, (columns + 1023) / 1024) + (columns + 16383) / 16384 + 6)
        return (additions / 2 + 4) * 0x1p-24
    }
    package static let widths = [8, 64, 768, 4096, 50257]

    package let offsets: Table
    package let outliers: Table
    package let scales: Table
    package let extremes: Table
    package let alike: Table
    package let withoutSpread: Table
    /// By offsets of x (0, 1e3, 1e6), with random weights.
    package let gradients: [Gradients]
    /// dx by offsets of dy (0, 1e3, 1e6), which change nothing in exact arithmetic, without weights.
    package let shiftedGradients: [Row]

    /// Measures all of it.
    package init() throws {
        offsets = Table(
            title: "Mean offset", text: "Rows of unit variance plus a common offset; epsilon 1e-5.", data: "offset",
            rows: try [0, 1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7].map { try Self.forward(.offset($0), Table.short($0)) })
        outliers = Table(
            title: "Outliers",
            text: """
                Rows of unit variance in which one element is replaced, or to which something is added at the (up to) 64
                columns that the kernels take as a sample of the row; epsilon 1e-5.
                """,
            data: "outlier",
            rows: try [1e4, 1e5, 1e6, 1e7].map { try Self.forward(.outlier($0), Table.short($0)) }
                + [1, 1e3, 1e6].map { try Self.forward(.misleading($0), "sample + \(Table.short($0))") })
        scales = Table(
            title: "Scale",
            text: """
                Nearly normal numbers times a scale, with epsilon 0 and 1e-5. Above 1e19 squares leave float32's
                range, below 1e-19 they vanish; the kernels then work on the row times a power of two.
                """, data: "scale",
            rows: try [Float(0), 1e-5].flatMap { epsilon in
                try [1e-30, 1e-20, 1e-10, 1, 1e10, 1e20, 1e30].map {
                    try Self.forward(
                        .scale($0), "\(Table.short($0)), epsilon \(Table.short(epsilon))", epsilon: epsilon)
                }
            })
        extremes = Table(
            title: "Squares that overflow", text: "Rows at the edge of float32's range; epsilon 1e-5.", data: "row",
            rows: [
                try Self.forward(.outlier(1e20), "one outlier 1e20"),
                try Self.forward(.outlier(-3e38), "one outlier -3e38"),
                try Self.forward(.scale(5e37), "scale 5e37"),
                try Self.forward(.extremes, "the largest value of both signs in turns"),
            ])
        alike = Table(
            title: "Squares that are all alike",
            text:
                "One value of both signs at random, so that additions to a lane of squares round the same way; epsilon 0.",
            data: "value",
            rows: try [1, 1.1, 1.7].map {
                try Self.forward(.signs($0), Table.short($0), epsilon: 0, widths: Self.widths + [1_000_000])
            })
        withoutSpread = Table(
            title: "Rows without spread",
            text: """
                One value everywhere, and rows of one element. The right answer is the bias (here nearly normal
                numbers), also for epsilon 0, where the formula says 0/0.
                """, data: "value",
            rows: try [Float(1e-5), 0].flatMap { epsilon in
                try [0, 0.1, 1.1, -1e6, 1e30].map {
                    try Self.forward(
                        .constant($0), "\(Table.short($0)), epsilon \(Table.short(epsilon))", epsilon: epsilon,
                        widths: [1] + Self.widths, isBias: true)
                }
            })
        gradients = try [0, 1e3, 1e6].map(Self.gradients)
        shiftedGradients = try [0, 1e3, 1e6].map(Self.inputGradient)
    }

    /// Rows of a case: enough that the worst is typical.
    private static func rowCount(columns: Int) -> Int { max(2, min(64, 65536 / columns)) }
}

// MARK: - Forward

extension LayerNormAccuracy {
    /// `isBias`: there are weight and bias, and the truth is the bias, whatever the formula in float64 gives.
    package static func forward(
        _ pattern: RowPattern, _ data: String, epsilon: Float = 1e-5, widths: [Int] = widths, isBias: Bool = false
    ) throws -> Row {
        let cells = try widths.map { columns in
            let input = try LayerNormVerification.Case(
                data, rows: rowCount(columns: columns), columns: columns, patterns: [pattern], affine: isBias,
                epsilon: epsilon, seed: UInt64(columns))
            let x = input.x.array
            let weight = input.weight?.array
            let bias = input.bias?.array
            let y = try layerNorm(input.x, weight: input.weight, bias: input.bias, epsilon: epsilon)
            let naive = PlainNorm<Float>.forward(
                .layerNorm, x, columns: columns, weight: weight, bias: bias, epsilon: epsilon)
            let truth =
                isBias
                ? x.indices.map { Double(bias?[$0 % columns] ?? 0) }
                : PlainNorm<Double>.forward(
                    .layerNorm, x.map(Double.init), columns: columns, weight: nil, bias: nil, epsilon: Double(epsilon))
            return Cell(columns: columns, y.array, naive: naive, truth: truth)
        }
        return Row(data, cells)
    }
}

// MARK: - Backward

extension LayerNormAccuracy {
    private static func gradients(offset: Float) throws -> Gradients {
        let data = "offset \(Table.short(offset)) of x"
        let cells = try widths.map { columns in
            try gradientCells(
                try LayerNormVerification.Case(
                    data, rows: rowCount(columns: columns), columns: columns, patterns: [.offset(offset)],
                    seed: UInt64(columns)))
        }
        return Gradients(
            dx: Row("dx, \(data)", cells.map(\.dx)),
            dweight: Row("dweight, \(data)", cells.map(\.dweight)),
            dbias: Row("dbias, \(data)", cells.map(\.dbias)))
    }

    private static func inputGradient(gradientOffset: Float) throws -> Row {
        let data = "offset \(Table.short(gradientOffset)) of dy"
        let cells = try widths.map { columns in
            let friendly = try LayerNormVerification.Case(
                data, rows: rowCount(columns: columns), columns: columns, affine: false, seed: UInt64(columns))
            let dy = friendly.outputGradient.array.map { $0 + gradientOffset }
            return try gradientCells(
                LayerNormVerification.Case(
                    data, x: friendly.x, outputGradient: try Tensor(dy, shape: friendly.x.shape), weight: nil,
                    bias: nil, epsilon: friendly.epsilon)
            ).dx
        }
        return Row("dx, \(data)", cells)
    }

    private static func gradientCells(
        _ input: LayerNormVerification.Case
    ) throws -> (dx: Cell, dweight: Cell, dbias: Cell) {
        let columns = input.x.shape[1]
        let x = input.x.array
        let dy = input.outputGradient.array
        let weight = input.weight?.array
        let ours = try LayerNormVerification.Result(input, backend: .automatic).gradients
        let naive = PlainNorm<Float>.backward(
            .layerNorm, dy, x: x, columns: columns, weight: weight, epsilon: input.epsilon)
        let truth = PlainNorm<Double>.backward(
            .layerNorm, dy.map(Double.init), x: x.map(Double.init), columns: columns, weight: weight?.map(Double.init),
            epsilon: Double(input.epsilon))
        return (
            Cell(columns: columns, ours.input.array, naive: naive.dx, truth: truth.dx),
            Cell(columns: columns, ours.weight?.array ?? [], naive: naive.dweight, truth: truth.dweight),
            Cell(columns: columns, ours.bias?.array ?? [], naive: naive.dbias, truth: truth.dbias)
        )
    }
}

// MARK: - The page

extension LayerNormAccuracy {
    package var tables: [AccuracyTable] {
        [
            offsets, outliers, scales, extremes, alike, withoutSpread,
            Table(
                title: "Gradients",
                text: """
                    Rows of unit variance; epsilon 1e-5. An offset of x comes with random weights, an offset of dy
                    (which changes nothing in exact arithmetic) with weights of 1. The errors of dweight and dbias
                    are relative to their largest element.
                    """, data: "gradient",
                rows: gradients.map(\.dx) + shiftedGradients + gradients.map(\.dweight) + gradients.map(\.dbias)),
        ]
    }
}
