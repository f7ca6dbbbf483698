// Right answers: layer normalization, forward and backward, against float64.

internal import Normalization
import Testing
internal import Verification

@Suite struct LayerNormAccuracyTests {
    private static let measured = MeasuredAccuracy.page.map(\.layerNorm)

    private func expect(
        _ table: AccuracyTable, atMost bound: (Int) -> Double,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(!table.rows.isEmpty, sourceLocation: sourceLocation)
        for row in table.rows {
            for cell in row.cells {
                #expect(
                    cell.error <= bound(cell.columns), "\(table.title): \(row.data), width \(cell.columns)",
                    sourceLocation: sourceLocation)
            }
        }
    }

    // 3e-7 is what the documentation promises: five roundings of 2^-24 = 6e-8, namely of d - delta, of its
    // product with rstd, of the square root, of the quotient, and one for all sums together.

    @Test func anyMeanOffset() throws {
        expect(try Self.measured.get().offsets) { _ in LayerNormAccuracy.forwardBound }
    }

    @Test func oneOutlier() throws {
        expect(try Self.measured.get().outliers) { _ in LayerNormAccuracy.forwardBound }
    }

    /// The hardest outliers: where the other squared deviations, (outlier / width)^2, are near half a unit in
    /// the last place of the outlier's square, every addition to it rounds the same way.
    @Test(arguments: [Float(1e4), 3e4, 1e5, 2e5, 3e5, 1e6, 5e6, 1e7])
    func outliersThatRoundTheOthersAway(outlier: Float) throws {
        let widths = [1448, 2048, 2896, 4000, 4096, 4200, 4600, 5792, 11585, 16384, 50257]
        let row = try LayerNormAccuracy.forward(.outlier(outlier), "outlier \(outlier)", widths: widths)
        for cell in row.cells {
            #expect(cell.error <= LayerNormAccuracy.forwardBound, "outlier \(outlier), width \(cell.columns)")
        }
    }

    @Test func anyScale() throws {
        expect(try Self.measured.get().scales) { _ in LayerNormAccuracy.forwardBound }
    }

    @Test func squaresThatOverflow() throws {
        expect(try Self.measured.get().extremes, atMost: LayerNormAccuracy.derivedBound)
    }

    @Test func squaresThatAreAlike() throws {
        expect(try Self.measured.get().alike, atMost: LayerNormAccuracy.derivedBound)
    }

    @Test func rowsWithoutSpreadAreTheBias() throws { expect(try Self.measured.get().withoutSpread) { _ in 0 } }

    /// The naive evaluation is the yardstick: twice its error, since more roundings are made to be safe.
    @Test func gradientsOfFriendlyData() throws {
        let measured = try Self.measured.get()
        let friendly = measured.gradients[0]
        for row in [friendly.dx, friendly.dweight, friendly.dbias, measured.shiftedGradients[0]] {
            for cell in row.cells { #expect(cell.error <= 2 * cell.naiveError, "\(row.data), width \(cell.columns)") }
        }
    }

    /// An offset costs nothing: the bound is that of friendly data, though the naive error grows with the offset.
    @Test func gradientsUnderAnOffset() throws {
        let measured = try Self.measured.get()
        func expect(_ rows: [AccuracyTable.Row], farBetter: Bool = true) {
            for row in rows.dropFirst() {
                for (cell, friendly) in zip(row.cells, rows[0].cells) {
                    #expect(cell.error <= 2 * friendly.naiveError, "\(row.data), width \(cell.columns)")
                    // Offsets here are at least 1e3, and a naive evaluation loses that factor, less a little luck.
                    if farBetter { #expect(cell.error <= cell.naiveError / 50, "\(row.data), width \(cell.columns)") }
                }
            }
        }
        expect(measured.gradients.map(\.dx))
        expect(measured.gradients.map(\.dweight))
        expect(measured.gradients.map(\.dbias), farBetter: false)
        expect(measured.shiftedGradients)
    }
}
