// ResidualGeometryCells: what is measured of the orthogonal residual addition and of second order.

internal import KernelBridge
internal import Normalization

extension Cell {
    static var residualGeometry: [Cell] {
        let shapes = [(512, 1024), (4096, 4096)]
        return shapes.flatMap { orthogonalAdd(Float.self, $0) + secondOrder($0) }
            + orthogonalAdd(BFloat16.self, (4096, 4096))
    }

    private static func orthogonalAdd<Element: KernelElement>(
        _: Element.Type, _ shape: (rows: Int, columns: Int)
    ) -> [Cell] {
        [
            Cell(
                operation: "orthogonalResidualAdd", storage: Element.storageType, direction: .forward,
                rows: shape.rows,
                columns: shape.columns, isCold: false, tensorsRead: 2, tensorsWritten: 1
            ) { try OrthogonalForward<Element>(shape: $0, sets: $1, backend: $2) },
            Cell(
                operation: "orthogonalResidualAdd", storage: Element.storageType, direction: .backward,
                rows: shape.rows,
                columns: shape.columns, isCold: false, tensorsRead: 3, tensorsWritten: 2
            ) { try OrthogonalBackward<Element>(shape: $0, sets: $1, backend: $2) },
        ]
    }

    private static func secondOrder(_ shape: (rows: Int, columns: Int)) -> [Cell] {
        [
            Cell(
                operation: "layerNorm tangent", storage: .float32, direction: .forward, rows: shape.rows,
                columns: shape.columns, isCold: false, tensorsRead: 2, tensorsWritten: 1
            ) { try Tangent(shape: $0, sets: $1, backend: $2) },
            Cell(
                operation: "layerNorm double", storage: .float32, direction: .backward, rows: shape.rows,
                columns: shape.columns, isCold: false, tensorsRead: 3, tensorsWritten: 2
            ) { try DoubleBackward(shape: $0, sets: $1, backend: $2) },
        ]
    }
}

private struct OrthogonalForward<Element: KernelElement>: Workload {
    let run: KernelRun?
    let x, update: [Tensor<Element>]
    let h: [Tensor<Element>]

    init(shape: Shape, sets: Int, backend: Backend) throws {
        run = try backend.kernelRun()
        x = try (0..<sets).map { try filled(shape, seed: $0) }
        update = try (0..<sets).map { try filled(shape, seed: 1000 + $0) }
        h = try (0..<sets).map { _ in try Tensor(repeating: .zero, shape: shape) }
    }

    mutating func run(set: Int) throws(NormalizationError) {
        guard let run else {
            _ = try orthogonalResidualAdd(x[set], update: update[set], backend: .reference)
            return
        }
        try OrthogonalAddKernels.forward(
            x[set], update: update[set], centred: false, epsilon: 1e-6, output: h[set], run: run)
    }
}

private struct OrthogonalBackward<Element: KernelElement>: Workload {
    let run: KernelRun?
    let dh, x, update: [Tensor<Element>]
    let dx, dupdate: [Tensor<Element>]

    init(shape: Shape, sets: Int, backend: Backend) throws {
        run = try backend.kernelRun()
        dh = try (0..<sets).map { try filled(shape, seed: $0) }
        x = try (0..<sets).map { try filled(shape, seed: 1000 + $0) }
        update = try (0..<sets).map { try filled(shape, seed: 2000 + $0) }
        dx = try (0..<sets).map { _ in try Tensor(repeating: .zero, shape: shape) }
        dupdate = try (0..<sets).map { _ in try Tensor(repeating: .zero, shape: shape) }
    }

    mutating func run(set: Int) throws(NormalizationError) {
        guard let run else {
            _ = try orthogonalResidualAddBackward(
                dh[set], x: x[set], update: update[set], backend: .reference)
            return
        }
        try OrthogonalAddKernels.backward(
            dh[set], x: x[set], update: update[set], centred: false, epsilon: 1e-6,
            inputGradient: dx[set],
            updateGradient: dupdate[set], run: run)
    }
}

private struct Tangent: Workload {
    let run: KernelRun?
    let x, tangent, output: [Tensor<Float>]
    let weight: Tensor<Float>
    let statistics: [RowStatistics]

    init(shape: Shape, sets: Int, backend: Backend) throws {
        run = try backend.kernelRun()
        x = try (0..<sets).map { try filled(shape, seed: $0) }
        tangent = try (0..<sets).map { try filled(shape, seed: 1000 + $0) }
        output = try (0..<sets).map { _ in try Tensor(repeating: 0, shape: shape) }
        weight = try filled([shape[1]], seed: 2000)
        statistics = try x.map { try layerNormWithStatistics($0).statistics }
    }

    mutating func run(set: Int) throws(NormalizationError) {
        guard let run else {
            _ = try layerNormTangent(
                tangent[set], x: x[set], weight: weight, statistics: statistics[set], backend: .reference)
            return
        }
        try NormSecondOrderKernels.tangent(
            .layerNorm, tangent[set], x: x[set], weight: weight, weightOffset: 0, weightTangent: nil,
            biasTangent: nil,
            statistics: statistics[set], output: output[set], run: run)
    }
}

private struct DoubleBackward: Workload {
    let run: KernelRun?
    let x, cotangent, dy: [Tensor<Float>]
    let gradients: [NormSecondOrderKernels.Gradients<Float>]
    let weight, workspace: Tensor<Float>
    let statistics: [RowStatistics]

    init(shape: Shape, sets: Int, backend: Backend) throws {
        run = try backend.kernelRun()
        x = try (0..<sets).map { try filled(shape, seed: $0) }
        cotangent = try (0..<sets).map { try filled(shape, seed: 1000 + $0) }
        dy = try (0..<sets).map { try filled(shape, seed: 2000 + $0) }
        weight = try filled([shape[1]], seed: 3000)
        gradients = try (0..<sets).map { _ in
            NormSecondOrderKernels.Gradients(
                outputGradient: try Tensor(repeating: 0, shape: shape),
                input: try Tensor(repeating: 0, shape: shape),
                weight: try Tensor(repeating: 0, shape: [shape[1]]))
        }
        workspace = try Tensor(
            repeating: 0,
            shape: [NormSecondOrderKernels.workspaceCount(rows: shape[0], columns: shape[1])])
        statistics = try x.map { try layerNormWithStatistics($0).statistics }
    }

    mutating func run(set: Int) throws(NormalizationError) {
        guard let run else {
            _ = try layerNormDoubleBackward(
                inputCotangent: cotangent[set], outputGradient: dy[set], x: x[set], weight: weight,
                statistics: statistics[set], backend: .reference)
            return
        }
        try NormSecondOrderKernels.doubleBackward(
            .layerNorm, inputCotangent: cotangent[set], weightCotangent: nil, biasCotangent: nil,
            outputGradient: dy[set],
            x: x[set], weight: weight, weightOffset: 0, statistics: statistics[set],
            gradients: gradients[set], accumulating: false,
            workspace: workspace, run: run)
    }
}
