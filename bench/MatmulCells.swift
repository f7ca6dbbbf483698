// MatmulCells: what is measured of products of matrices: a square one, and many small ones in a call as in attention.

internal import KernelBridge
internal import Normalization

extension Cell {
    static var matrixProducts: [Cell] {
        let square = Product(heads: 1, rows: 1024, depth: 1024, columns: 1024)
        let scores = Product(heads: 12, rows: 512, depth: 64, columns: 512)
        let values = Product(heads: 12, rows: 512, depth: 512, columns: 64)
        return [square, scores, values].map { product($0, Float.self) } + [product(square, BFloat16.self)]
    }

    /// Rows are those of all heads.
    private static func product<Element: KernelElement>(_ product: Product, _: Element.Type) -> Cell {
        Cell(
            operation: "matmul \(product.heads)x\(product.rows)x\(product.depth)x\(product.columns)",
            storage: Element.storageType, direction: .forward, rows: product.heads * product.rows,
            columns: product.columns, isCold: false, tensorsRead: 2, tensorsWritten: 1,
            limit: .multiplyAdds(product.heads * product.rows * product.depth * product.columns), isLong: true
        ) { _, _, backend in try Matmul<Element>(product, backend: backend) }
    }
}

private struct Product {
    let heads, rows, depth, columns: Int
}

private struct Matmul<Element: KernelElement>: Workload {
    let backend: Backend
    let a, b: Tensor<Element>

    init(_ product: Product, backend: Backend) throws {
        self.backend = backend
        a = try filled([1, product.heads, product.rows, product.depth], seed: 0)
        b = try filled([1, product.heads, product.depth, product.columns], seed: 1)
    }

    /// The product is a new tensor: what it costs to ask for its memory is part of the call.
    mutating func run(set: Int) throws(NormalizationError) {
        _ = try matmul(a, b, backend: backend)
    }
}
