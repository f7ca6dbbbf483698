// ConversionCells: what is measured of conversions between storage types.

internal import Normalization

extension Cell {
    /// Tensors are counted in those of the 16-bit type; a float32 one is two.
    static var conversions: [Cell] {
        [
            rounding(to: BFloat16.self, (512, 1024)), rounding(to: BFloat16.self, (4096, 4096)),
            rounding(to: Float16.self, (4096, 4096)), widening(BFloat16.self, (512, 1024)),
            widening(BFloat16.self, (4096, 4096)), widening(Float16.self, (4096, 4096)),
        ]
    }

    private static func rounding<Element: KernelElement>(
        to _: Element.Type, _ shape: (rows: Int, columns: Int)
    ) -> Cell {
        Cell(
            operation: "float32 rounded to", storage: Element.storageType, direction: .forward, rows: shape.rows,
            columns: shape.columns, isCold: false, tensorsRead: 2, tensorsWritten: 1
        ) { try Conversion<Float, Element>(shape: $0, sets: $1, backend: $2) }
    }

    private static func widening<Element: KernelElement>(
        _: Element.Type, _ shape: (rows: Int, columns: Int)
    ) -> Cell {
        Cell(
            operation: "float32 widened from", storage: Element.storageType, direction: .forward, rows: shape.rows,
            columns: shape.columns, isCold: false, tensorsRead: 1, tensorsWritten: 2
        ) { try Conversion<Element, Float>(shape: $0, sets: $1, backend: $2) }
    }
}

private struct Conversion<Source: KernelElement, Destination: KernelElement>: Workload {
    let x: [Tensor<Source>]
    var y: [Tensor<Destination>]
    let backend: Backend

    init(shape: Shape, sets: Int, backend: Backend) throws(NormalizationError) {
        var x: [Tensor<Source>] = []
        var y: [Tensor<Destination>] = []
        for set in 0..<sets {
            x.append(try filled(shape, seed: set))
            y.append(try filled(shape, seed: set))
        }
        (self.x, self.y, self.backend) = (x, y, backend)
    }

    mutating func run(set: Int) throws(NormalizationError) { try x[set].convert(into: &y[set], backend: backend) }
}
