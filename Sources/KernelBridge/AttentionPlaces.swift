internal import CKernels
internal import Tensors

/// Where entries of a batch lie, as `ck_attention` wants it: offsets of packed rows, a table of pages.
struct AttentionPlaces {
    private var queryOffsets, keyOffsets: Tensor<Int64>?
    /// [batch, pages of the longest entry]; behind an entry's own pages stands page 0.
    private var table: Tensor<Int32>?
    private var pageSize = 0

    init(queries: BatchLayout, keys: BatchLayout) {
        if case .packed(let segments) = queries { queryOffsets = Tensor(segments.offsets.map(Int64.init)) }
        switch keys {
        case .padded: break
        case .packed(let segments): keyOffsets = Tensor(segments.offsets.map(Int64.init))
        case .paged(let tables, _, let pageSize):
            let most = tables.map(\.count).max() ?? 0
            let rows = tables.map { $0 + [Int32](repeating: 0, count: most - $0.count) }
            table = Tensor(rows.flatMap { $0 })
            self.pageSize = pageSize
        }
    }

    /// Valid while this lives. `pages`: how many there are in memory.
    func set(in arguments: inout ck_attention_args, pages: Int) {
        unsafe arguments.query_offsets = queryOffsets.map { unsafe $0.pointer }
        unsafe arguments.key_offsets = keyOffsets.map { unsafe $0.pointer }
        guard let table else { return }
        unsafe arguments.pages.table = unsafe table.pointer
        unsafe arguments.pages.table_stride = Int64(table.count / Int(arguments.batch))
        unsafe arguments.pages.page_size = Int64(pageSize)
        unsafe arguments.pages.count = Int64(pages)
    }
}
