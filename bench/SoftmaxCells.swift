// SoftmaxCells: what is measured of softmax and log-softmax, and of softmax over neighbourhoods.

internal import KernelBridge
internal import Normalization

extension Cell {
    static var softmaxes: [Cell] {
        let shapes = [(128, 64), (1536, 128), (4096, 1024), (4096, 4096), (512, 50257)]
        var cells: [Cell] = []
        for logarithmic in [false, true] {
            cells += shapes.map { softmaxForward(Float.self, $0, logarithmic: logarithmic) }
            cells += shapes.map { softmaxForward(BFloat16.self, $0, logarithmic: logarithmic) }
            cells += [softmaxForward(Float.self, (4096, 1024), logarithmic: logarithmic, isCold: true)]
            for isCold in [false, true] {
                cells += [
                    backward(Float.self, (4096, 1024), logarithmic: logarithmic, isCold: isCold),
                    backward(BFloat16.self, (4096, 1024), logarithmic: logarithmic, isCold: isCold),
                ]
            }
            cells += [backward(Float.self, (4096, 4096), logarithmic: logarithmic)]
        }
        return cells + [neighbourhoods(degree: 16, (1 << 19, 8)), neighbourhoods(degree: 256, (1 << 19, 8))]
    }

    private static func name(_ logarithmic: Bool) -> String { logarithmic ? "logSoftmax" : "softmax" }

    static func softmaxForward<Element: KernelElement>(
        _: Element.Type, _ shape: (rows: Int, columns: Int), logarithmic: Bool, isCold: Bool = false
    ) -> Cell {
        Cell(
            operation: name(logarithmic), storage: Element.storageType, direction: .forward, rows: shape.rows,
            columns: shape.columns, isCold: isCold, tensorsRead: 1, tensorsWritten: 1
        ) { try SoftmaxForward<Element>(logarithmic: logarithmic, shape: $0, sets: $1, backend: $2) }
    }

    private static func backward<Element: KernelElement>(
        _: Element.Type, _ shape: (rows: Int, columns: Int), logarithmic: Bool, isCold: Bool = false
    ) -> Cell {
        Cell(
            operation: name(logarithmic), storage: Element.storageType, direction: .backward, rows: shape.rows,
            columns: shape.columns, isCold: isCold, tensorsRead: 2, tensorsWritten: 1
        ) { try SoftmaxBackward<Element>(logarithmic: logarithmic, shape: $0, sets: $1, backend: $2) }
    }

    /// Rows are edges, columns heads.
    private static func neighbourhoods(degree: Int, _ shape: (rows: Int, columns: Int)) -> Cell {
        Cell(
            operation: "softmax of degree \(degree)", storage: .float32, direction: .forward, rows: shape.rows,
            columns: shape.columns, isCold: false, tensorsRead: 1, tensorsWritten: 1
        ) { try NeighbourhoodForward(degree: degree, shape: $0, sets: $1, backend: $2) }
    }
}

private struct SoftmaxForward<Element: KernelElement>: Workload {
    let logarithmic: Bool
    let backend: Backend
    let inputs: [Tensor<Element>]
    var outputs: [Tensor<Element>]

    init(logarithmic: Bool, shape: Shape, sets: Int, backend: Backend) throws {
        self.logarithmic = logarithmic
        self.backend = backend
        inputs = try (0..<sets).map { try filled(shape, seed: $0) }
        outputs = try inputs.map { _ in try filled(shape, seed: 0) }
    }

    mutating func run(set: Int) throws(NormalizationError) {
        if logarithmic {
            try logSoftmax(inputs[set], into: &outputs[set], backend: backend)
        } else {
            try softmax(inputs[set], into: &outputs[set], backend: backend)
        }
    }
}

private struct SoftmaxBackward<Element: KernelElement>: Workload {
    let logarithmic: Bool
    let backend: Backend
    let run: KernelRun?
    let outputs, outputGradients: [Tensor<Element>]
    var gradients: [Tensor<Element>]

    init(logarithmic: Bool, shape: Shape, sets: Int, backend: Backend) throws {
        self.logarithmic = logarithmic
        self.backend = backend
        run = try backend.kernelRun()
        outputs = try (0..<sets).map {
            let x: Tensor<Element> = try filled(shape, seed: $0)
            return logarithmic ? try logSoftmax(x) : try softmax(x)
        }
        outputGradients = try (0..<sets).map { try filled(shape, seed: 2000 + $0) }
        gradients = try outputs.map { _ in try filled(shape, seed: 0) }
    }

    mutating func run(set: Int) throws(NormalizationError) {
        if let run {
            try SoftmaxKernels.backward(
                outputGradients[set], output: outputs[set], logarithmic: logarithmic, into: &gradients[set], run: run)
        } else if logarithmic {
            gradients[set] = try logSoftmaxBackward(outputGradients[set], output: outputs[set], backend: backend)
        } else {
            gradients[set] = try softmaxBackward(outputGradients[set], output: outputs[set], backend: backend)
        }
    }
}

private struct NeighbourhoodForward: Workload {
    let run: KernelRun?
    let offsets: SegmentOffsets
    let x, y: [Tensor<Float>]

    init(degree: Int, shape: Shape, sets: Int, backend: Backend) throws {
        run = try backend.kernelRun()
        let nodes = (shape[0] + degree - 1) / degree
        offsets = try SegmentOffsets((0...nodes).map { min($0 * degree, shape[0]) })
        x = try (0..<sets).map { try filled(shape, seed: $0) }
        y = try (0..<sets).map { _ in try Tensor(repeating: 0, shape: shape) }
    }

    mutating func run(set: Int) throws(NormalizationError) {
        if let run {
            try CSRSoftmaxKernels.forward(
                x[set], segments: offsets, heads: x[set].shape[1], output: y[set], run: run)
        } else {
            _ = try neighbourhoodSoftmax(x[set], offsets: offsets, backend: .reference)
        }
    }
}
