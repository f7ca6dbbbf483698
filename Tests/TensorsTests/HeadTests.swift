// Heads within the last axis and as an axis of their own.

internal import Tensors
import Testing

@Suite struct HeadTests {
    @Test func splittingIsAView() throws {
        let x = try Tensor((0..<2 * 3 * 8).map(Float.init), shape: [2, 3, 8])
        let heads = try x.splittingHeads(4)
        #expect(heads.shape == [2, 4, 3, 2] && heads.hasContiguousRows)
        #expect(heads.storage === x.storage)
        for b in 0..<2 {
            for h in 0..<4 {
                for i in 0..<3 { for d in 0..<2 { #expect(heads[b, h, i, d] == x[b, i, h * 2 + d]) } }
            }
        }
        let joined = try heads.joiningHeads()
        #expect(joined == x && joined.storage === x.storage)
        #expect(try heads.contiguous().joiningHeads() == x)
        let rows = try x.sliced(1..<2).reshaped(to: [3, 8])
        #expect(try rows.splittingHeads(2).shape == [2, 3, 4])
        #expect(try rows.transposed(0, 1).splittingHeads(3).joiningHeads() == rows.transposed(0, 1))
    }

    @Test func mistakes() throws {
        let x = try Tensor(repeating: Float(0), shape: [3, 8])
        for heads in [0, -1, 3] {
            #expect(throws: NormalizationError.self) { try x.splittingHeads(heads) }
        }
        #expect(throws: NormalizationError.self) { try Tensor<Float>([1, 2]).splittingHeads(1) }
        #expect(throws: NormalizationError.self) { try x.joiningHeads() }
    }
}
