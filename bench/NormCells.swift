// NormCells: what is measured of LayerNorm and RMSNorm, of tensors and of residual sums, in every storage type.

internal import KernelBridge
internal import Normalization

extension Cell {
    /// LayerNorm's first, the family after it.
    static var norms: [Cell] {
        let shapes = [(1, 768), (128, 768), (512, 1024), (4096, 768), (4096, 4096), (65536, 256), (8192, 64)]
        let coldShapes = [(128, 768), (512, 1024), (4096, 768), (8192, 64)]
        let large = [(512, 1024), (4096, 4096), (65536, 256)]
        let few = [(512, 1024), (4096, 4096)]
        var cells = shapes.map { normForward(.layerNorm, Float.self, $0) }
        cells += coldShapes.map { normForward(.layerNorm, Float.self, $0, isCold: true) }
        cells += [(512, 1024), (4096, 768), (4096, 4096)].map { backward(.layerNorm, Float.self, $0) }
        cells += [backward(.layerNorm, Float.self, (4096, 768), isCold: true)]
        cells += few.map { normForward(.rmsNorm, Float.self, $0) } + few.map { backward(.rmsNorm, Float.self, $0) }
        for norm in RowNorm.allCases {
            cells += large.map { shape in
                var cell = residual(norm, Float.self, shape)
                cell.unfused = { try UnfusedResidual(norm, shape: $0, sets: $1, backend: $2) }
                return cell
            }
            cells += [residualBackward(norm, Float.self, (4096, 4096))]
            cells += [residual(norm, Float.self, (512, 1024), dropout: 0.1)]
            cells += [residualBackward(norm, Float.self, (512, 1024), dropout: 0.1)]
        }
        for norm in RowNorm.allCases {
            cells += few.map { normForward(norm, BFloat16.self, $0) } + few.map { residual(norm, BFloat16.self, $0) }
            cells += [backward(norm, BFloat16.self, (4096, 4096))]
        }
        #if !((os(macOS) || targetEnvironment(macCatalyst)) && arch(x86_64))
            cells += few.map { normForward(.layerNorm, Float16.self, $0) }
        #endif
        return cells
    }

    static func normForward<Element: KernelElement>(
        _ norm: RowNorm, _: Element.Type, _ shape: (rows: Int, columns: Int), isCold: Bool = false
    ) -> Cell {
        Cell(
            operation: norm.rawValue, storage: Element.storageType, direction: .forward, rows: shape.rows,
            columns: shape.columns, isCold: isCold, tensorsRead: 1, tensorsWritten: 1
        ) { try NormForward<Element>(norm, shape: $0, sets: $1, backend: $2) }
    }

    private static func backward<Element: KernelElement>(
        _ norm: RowNorm, _: Element.Type, _ shape: (rows: Int, columns: Int), isCold: Bool = false
    ) -> Cell {
        Cell(
            operation: norm.rawValue, storage: Element.storageType, direction: .backward, rows: shape.rows,
            columns: shape.columns, isCold: isCold, tensorsRead: 2, tensorsWritten: 1
        ) { try NormBackward<Element>(norm, shape: $0, sets: $1, backend: $2) }
    }

    private static func residual<Element: KernelElement>(
        _ norm: RowNorm, _: Element.Type, _ shape: (rows: Int, columns: Int), dropout: Float = 0
    ) -> Cell {
        Cell(
            operation: "residual \(norm.rawValue)" + (dropout > 0 ? " with dropout" : ""),
            storage: Element.storageType, direction: .forward, rows: shape.rows, columns: shape.columns, isCold: false,
            tensorsRead: 2, tensorsWritten: 2
        ) { try ResidualForward<Element>(norm, dropout: dropout, shape: $0, sets: $1, backend: $2) }
    }

    private static func residualBackward<Element: KernelElement>(
        _ norm: RowNorm, _: Element.Type, _ shape: (rows: Int, columns: Int), dropout: Float = 0
    ) -> Cell {
        Cell(
            operation: "residual \(norm.rawValue)" + (dropout > 0 ? " with dropout" : ""),
            storage: Element.storageType, direction: .backward, rows: shape.rows, columns: shape.columns, isCold: false,
            tensorsRead: 3, tensorsWritten: 2
        ) { try ResidualBackward<Element>(norm, dropout: dropout, shape: $0, sets: $1, backend: $2) }
    }
}

private struct NormForward<Element: KernelElement>: Workload {
    let norm: RowNorm
    let backend: Backend
    let weight, bias: Tensor<Float>
    let inputs: [Tensor<Element>]
    var outputs: [Tensor<Element>]

    init(_ norm: RowNorm, shape: Shape, sets: Int, backend: Backend) throws {
        self.norm = norm
        self.backend = backend
        weight = try filled([shape[1]], seed: 1000)
        bias = try filled([shape[1]], seed: 1001)
        inputs = try (0..<sets).map { try filled(shape, seed: $0) }
        outputs = try inputs.map { _ in try filled(shape, seed: 0) }
    }

    mutating func run(set: Int) throws(NormalizationError) {
        switch norm {
        case .layerNorm: try layerNorm(inputs[set], weight: weight, bias: bias, into: &outputs[set], backend: backend)
        case .rmsNorm: try rmsNorm(inputs[set], weight: weight, into: &outputs[set], backend: backend)
        }
    }
}

private struct NormBackward<Element: KernelElement>: Workload {
    let norm: RowNorm
    let backend: Backend
    let weight: Tensor<Float>
    let inputs, outputGradients: [Tensor<Element>]
    let statistics: [RowStatistics]
    var gradients: [NormGradients<Element>]

    init(_ norm: RowNorm, shape: Shape, sets: Int, backend: Backend) throws {
        self.norm = norm
        self.backend = backend
        weight = try filled([shape[1]], seed: 1000)
        inputs = try (0..<sets).map { try filled(shape, seed: $0) }
        outputGradients = try (0..<sets).map { try filled(shape, seed: 2000 + $0) }
        statistics = try inputs.map {
            norm == .layerNorm ? try layerNormWithStatistics($0).statistics : try rmsNormWithStatistics($0).statistics
        }
        gradients = try inputs.map { _ in try NormGradients(shape: shape, bias: norm == .layerNorm) }
    }

    mutating func run(set: Int) throws(NormalizationError) {
        switch norm {
        case .layerNorm:
            try layerNormBackward(
                outputGradients[set], x: inputs[set], weight: weight, statistics: statistics[set],
                into: &gradients[set], backend: backend)
        case .rmsNorm:
            try rmsNormBackward(
                outputGradients[set], x: inputs[set], weight: weight, statistics: statistics[set],
                into: &gradients[set], backend: backend)
        }
    }
}

private struct ResidualForward<Element: KernelElement>: Workload {
    let norm: RowNorm
    let backend: Backend
    let dropout: Dropout?
    let weight, bias: Tensor<Float>
    let inputs, branches: [Tensor<Element>]
    var sums, outputs: [Tensor<Element>]

    init(_ norm: RowNorm, dropout: Float, shape: Shape, sets: Int, backend: Backend) throws {
        let dropout = dropout == 0 ? nil : try Dropout(probability: dropout, seed: 1)
        self.norm = norm
        self.backend = backend
        self.dropout = dropout
        weight = try filled([shape[1]], seed: 1000)
        bias = try filled([shape[1]], seed: 1001)
        inputs = try (0..<sets).map { try filled(shape, seed: $0) }
        branches = try (0..<sets).map { try filled(shape, seed: 2000 + $0) }
        sums = try inputs.map { _ in try filled(shape, seed: 0) }
        outputs = try inputs.map { _ in try filled(shape, seed: 0) }
    }

    mutating func run(set: Int) throws(NormalizationError) {
        switch norm {
        case .layerNorm:
            try residualLayerNorm(
                inputs[set], adding: branches[set], dropout: dropout, weight: weight, bias: bias, sum: &sums[set],
                into: &outputs[set], backend: backend)
        case .rmsNorm:
            try residualRMSNorm(
                inputs[set], adding: branches[set], dropout: dropout, weight: weight, sum: &sums[set],
                into: &outputs[set], backend: backend)
        }
    }
}

/// The sum by one call, and its norm by another: five tensors' traffic, where the fused call has four. The sum is
/// streamed where the kernels stream their outputs: three tensors beyond half of the last cache level.
private struct UnfusedResidual: Workload {
    private var fused: ResidualForward<Float>
    private let streaming: Bool

    init(_ norm: RowNorm, shape: Shape, sets: Int, backend: Backend) throws {
        fused = try ResidualForward(norm, dropout: 0, shape: shape, sets: sets, backend: backend)
        streaming = 12 * fused.inputs[0].count > KernelLibrary.lastCacheBytes / 2
    }

    mutating func run(set: Int) throws(NormalizationError) {
        let (backend, weight, bias) = (fused.backend, fused.weight, fused.bias)
        guard let run = try backend.kernelRun() else { return }
        let (x, branch) = (fused.inputs[set], fused.branches[set])
        try MachineLimits.copy(x, plus: branch, to: &fused.sums[set], streaming: streaming, run: run)
        let sum = fused.sums[set]
        switch fused.norm {
        case .layerNorm: try layerNorm(sum, weight: weight, bias: bias, into: &fused.outputs[set], backend: backend)
        case .rmsNorm: try rmsNorm(sum, weight: weight, into: &fused.outputs[set], backend: backend)
        }
    }
}

private struct ResidualBackward<Element: KernelElement>: Workload {
    let norm: RowNorm
    let backend: Backend
    let dropout: Dropout?
    let weight: Tensor<Float>
    let inputs, branches, outputGradients: [Tensor<Element>]
    let statistics: [RowStatistics]
    var gradients: [ResidualNormGradients<Element>]

    init(_ norm: RowNorm, dropout: Float, shape: Shape, sets: Int, backend: Backend) throws {
        let dropout = dropout == 0 ? nil : try Dropout(probability: dropout, seed: 1)
        self.norm = norm
        self.backend = backend
        self.dropout = dropout
        gradients = try (0..<sets).map { _ in try ResidualNormGradients(shape: shape) }
        let weight: Tensor<Float> = try filled([shape[1]], seed: 1000)
        let inputs: [Tensor<Element>] = try (0..<sets).map { try filled(shape, seed: $0) }
        let branches: [Tensor<Element>] = try (0..<sets).map { try filled(shape, seed: 2000 + $0) }
        self.weight = weight
        self.inputs = inputs
        self.branches = branches
        outputGradients = try (0..<sets).map { try filled(shape, seed: 3000 + $0) }
        statistics = try zip(inputs, branches).map {
            norm == .layerNorm
                ? try residualLayerNorm($0, adding: $1, dropout: dropout, weight: weight).statistics
                : try residualRMSNorm($0, adding: $1, dropout: dropout, weight: weight).statistics
        }
    }

    mutating func run(set: Int) throws(NormalizationError) {
        switch norm {
        case .layerNorm:
            try residualLayerNormBackward(
                outputGradients[set], x: inputs[set], adding: branches[set], dropout: dropout, weight: weight,
                statistics: statistics[set], into: &gradients[set], backend: backend)
        case .rmsNorm:
            try residualRMSNormBackward(
                outputGradients[set], x: inputs[set], adding: branches[set], dropout: dropout, weight: weight,
                statistics: statistics[set], into: &gradients[set], backend: backend)
        }
    }
}
