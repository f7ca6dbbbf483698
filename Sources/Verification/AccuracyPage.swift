/// The DocC article "Accuracy": every table of the package, measured.
package struct AccuracyPage: Sendable {
    package let layerNorm: LayerNormAccuracy
    package let rowFamily: RowFamilyAccuracy
    package let channelNorm: ChannelNormAccuracy
    package let attention: AttentionAccuracy

    /// Measures all of it.
    package init() throws {
        layerNorm = try LayerNormAccuracy()
        rowFamily = try RowFamilyAccuracy()
        channelNorm = try ChannelNormAccuracy()
        attention = try AttentionAccuracy()
    }

    package var text: String {
        func text(_ tables: [AccuracyTable]) -> String { tables.map(\.markdown).joined(separator: "\n\n") }
        return """
            # Accuracy

            How far the results are from float64, measured.

            ## Overview

            Each row is compared with the textbook formula evaluated in float64 on the same float32 input. Its
            error is the largest difference of an element, divided by the row's largest result. The tables show
            the worst of 2 to 64 rows at widths from 8 to 50257, twice: before the slash this package, after it a
            naive evaluation in float32 (mean, variance, normalize, each sum from left to right). "NaN" stands
            where that gives no number.

            For LayerNorm this package promises at most 3e-7 for any mean offset from 0 to 1e7, for any scale from
            1e-30 to 1e30 and for one outlier of 1e4 to 1e7 at the widths of the tables, and exactly the bias for a row
            without spread. (Half a unit in the last place of a float32 is 6e-8.) Where additions to a lane round the same way,
            as with squares that are all alike, or just too small beside one that is huge, the error
            can be larger, but never more than (23 + width / 32768) · 6e-8. Gradients are off by at most twice what the
            naive evaluation is off by on friendly data, under any of these offsets of x or dy. The same holds for the
            whole family: for RMSNorm (whose squares are all alike under an offset), norms of residual sums that float32
            holds, of segments and of neighbourhoods, and for batch, group and instance normalization.

            All instruction sets and thread counts give the same bits, and the inputs come from integer
            arithmetic, so that the numbers are the same on every machine. A test makes this page, and fails where
            it differs: `NORMALIZATION_WRITE_DOCS=1 swift test -c release --filter Accuracy` writes it.

            ## LayerNorm

            \(text(layerNorm.tables))

            ## RMSNorm, residual sums, segments, neighbourhoods

            \(text(rowFamily.tables))

            ## Batch, group and instance normalization

            \(text(channelNorm.tables))

            ## Attention

            Errors are beside the largest element here. On drawn numbers they are at most twice those of the naive
            evaluation; on real activations, where few elements decide, at most twice its error on the block where that
            is larger (dquery of layer 5 is beyond twice its own).

            \(text(attention.tables))

            """
    }
}

extension RowFamilyAccuracy {
    package var tables: [AccuracyTable] { [rms, residual, parts, gradients] }
}

extension ChannelNormAccuracy {
    package var tables: [AccuracyTable] { [forward, gradients] }
}
