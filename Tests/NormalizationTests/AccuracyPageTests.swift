// The page "Accuracy": what the kernels do stands there, and each table keeps its bounds.

internal import Foundation
internal import Normalization
import Testing
internal import Verification

enum MeasuredAccuracy {
    /// Measured once, for all tests and the page.
    static let page = Result { try AccuracyPage() }
}

@Suite struct AccuracyPageTests {
    private func expectBounds(_ tables: [AccuracyTable], sourceLocation: SourceLocation = #_sourceLocation) throws {
        for table in tables {
            #expect(!table.rows.isEmpty, sourceLocation: sourceLocation)
            for row in table.rows {
                let bound = try #require(row.bound, "\(table.title): \(row.data)", sourceLocation: sourceLocation)
                for cell in row.cells {
                    let what = "\(table.title): \(row.data), \(cell.head), naively \(cell.naiveError)"
                    #expect(cell.error <= bound(cell), "\(what)", sourceLocation: sourceLocation)
                }
            }
        }
    }

    @Test func relativesOfLayerNorm() throws { try expectBounds(MeasuredAccuracy.page.get().rowFamily.tables) }

    @Test func channelNorms() throws { try expectBounds(MeasuredAccuracy.page.get().channelNorm.tables) }

    @Test func attentions() throws { try expectBounds(MeasuredAccuracy.page.get().attention.tables) }

    /// The tables have data that a naive evaluation fails on: offsets, scales, sums that their storage cannot hold.
    @Test func naiveEvaluationsFail() throws {
        let page = try MeasuredAccuracy.page.get()
        for table in [page.rowFamily.rms, page.rowFamily.residual, page.rowFamily.parts, page.channelNorm.forward] {
            let worst = table.rows.flatMap(\.cells).map(\.naiveError).max() ?? 0
            #expect(worst > 0.5, "\(table.title)")
        }
    }

    @Test func thePageShowsWhatTheKernelsDo() throws {
        let page = try MeasuredAccuracy.page.get().text
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let file = root.appending(path: "Sources/Normalization/Documentation.docc/Accuracy.md")
        if ProcessInfo.processInfo.environment["NORMALIZATION_WRITE_DOCS"] == "1" {
            try page.write(to: file, atomically: true, encoding: .utf8)
        }
        let written = try? String(contentsOf: file, encoding: .utf8)
        let isCurrent = written == page
        #expect(
            isCurrent,
            "\(file.path) is out of date: run NORMALIZATION_WRITE_DOCS=1 swift test -c release --filter Accuracy")
    }
}

@Suite struct WorstErrorTests {
    /// What the tables rest on: the error is the worst row's, relative to that row, and a NaN is infinitely wrong.
    @Test func errorsAreRelativeToTheRow() {
        func error(_ given: [Float], _ truth: [Double]) -> Double {
            AccuracyTable.worstError(given, truth, columns: 2)
        }
        #expect(error([1, 2, 3, 4], [1, 2, 3, 4]) == 0)
        #expect(error([1, 2, 3, 5], [1, 2, 3, 4]) == 0.25)
        #expect(error([1.5, 2, 3, 4], [1, 2, 3, 4]) == 0.25)
        #expect(error([0, 0.5], [0, 0]) == 0.5)
        #expect(error([.nan, 2], [1, 2]) == .infinity)
        #expect(AccuracyTable.worstError([1, 9, 3], [1, 8, 4], sets: [[0, 2], [1]]) == 0.25)
    }
}
