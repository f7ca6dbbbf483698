// LayerNormCells: what is measured of layer normalization: shapes, directions, hot and cold.

internal import KernelBridge
internal import Normalization
internal import Verification

enum Direction: String, Codable { case forward, backward }

/// One shape in one direction; all its candidates are timed in turns.
struct Cell {
    let direction: Direction
    let rows: Int
    let columns: Int
    /// Whether every call takes other memory, so that data come from beyond the caches.
    let isCold: Bool

    var name: String { "layerNorm \(direction.rawValue) \(rows)x\(columns)\(isCold ? " cold" : "")" }

    /// What an operator must move at least: tensors read and written, four bytes an element.
    var bytes: Int { (direction == .forward ? 2 : 3) * rows * columns * 4 }

    static let standard: [Cell] = {
        let shapes = [(1, 768), (128, 768), (512, 1024), (4096, 768), (4096, 4096), (65536, 256), (8192, 64)]
        let coldShapes = [(128, 768), (512, 1024), (4096, 768), (8192, 64)]
        let backwardShapes = [(512, 1024), (4096, 768), (4096, 4096)]
        return shapes.map { Cell(direction: .forward, rows: $0.0, columns: $0.1, isCold: false) }
            + coldShapes.map { Cell(direction: .forward, rows: $0.0, columns: $0.1, isCold: true) }
            + backwardShapes.map { Cell(direction: .backward, rows: $0.0, columns: $0.1, isCold: false) }
            + [Cell(direction: .backward, rows: 4096, columns: 768, isCold: true)]
    }()

    /// Bytes that a cold cell cycles through.
    private static let coldBytes = 160 << 20
    /// Elements beyond which the reference is timed on fewer rows.
    private static let referenceElements = 1 << 16

    /// What the reference's time is multiplied by.
    var referenceFactor: Double { Double(rows) / Double(referenceRows) }
    private var referenceRows: Int { min(rows, max(1, Self.referenceElements / columns)) }

    /// Copies of the same bytes (on one thread, then on all), every instruction set on one thread, the
    /// chosen one on all threads, and the reference.
    func candidates(threads: Int) throws -> [Candidate] {
        var candidates: [Candidate] = []
        for count in Set([1, threads]).sorted() {
            for streaming in [false, true] {
                candidates.append(try copy(streaming: streaming, threads: count))
            }
        }
        for instructionSet in InstructionSet.available {
            candidates.append(
                try operation(.kernels(instructionSet, threads: 1), name: "\(instructionSet.rawValue), 1 thread"))
        }
        if threads > 1 {
            candidates.append(
                try operation(
                    .kernels(threads: threads), name: "\(InstructionSet.chosen.rawValue), \(threads) threads"))
        }
        candidates.append(try reference())
        return candidates
    }

    static func copyName(streaming: Bool, threads: Int) -> String {
        "copy, \(streaming ? "streaming" : "normal") stores, \(threads)"
    }

    private var sets: Int { isCold ? max(2, (Self.coldBytes + bytes - 1) / bytes) : 1 }
    private var shape: Shape { [rows, columns] }

    private func filled(_ shape: Shape, seed: UInt64) throws -> Tensor<Float> {
        var random = RandomNumbers(seed: seed)
        var tensor = try Tensor<Float>(repeating: 0, shape: shape)
        tensor.withMutableSpan { span in
            for index in span.indices { span[index] = random.nextUniform() - 0.5 }
        }
        return tensor
    }

    private func copy(streaming: Bool, threads: Int) throws -> Candidate {
        var sources: [Tensor<Float>] = []
        var seconds: [Tensor<Float>] = []
        var destinations: [Tensor<Float>] = []
        for _ in 0..<sets {
            sources.append(try Tensor(repeating: 1, shape: shape))
            if direction == .backward { seconds.append(try Tensor(repeating: 1, shape: shape)) }
            destinations.append(try Tensor(repeating: 0, shape: shape))
        }
        let run = KernelRun(threads: threads)
        var set = 0
        return Candidate(name: Self.copyName(streaming: streaming, threads: threads)) { [sources, seconds] in
            try MachineLimits.copy(
                sources[set], plus: seconds.isEmpty ? nil : seconds[set], to: &destinations[set],
                streaming: streaming, run: run)
            set = (set + 1) % sources.count
        }
    }

    private func operation(_ backend: Backend, name: String) throws -> Candidate {
        direction == .forward ? try forward(backend, name: name) : try backward(backend, name: name)
    }

    private func forward(_ backend: Backend, name: String) throws -> Candidate {
        var inputs: [Tensor<Float>] = []
        var outputs: [Tensor<Float>] = []
        for set in 0..<sets {
            inputs.append(try filled(shape, seed: UInt64(set)))
            outputs.append(try Tensor(repeating: 0, shape: shape))
        }
        let weight = try filled([columns], seed: 100)
        let bias = try filled([columns], seed: 101)
        if inputs.count == 1 {
            let x = inputs[0]
            var y = outputs.removeLast()
            return Candidate(name: name) { try layerNorm(x, weight: weight, bias: bias, into: &y, backend: backend) }
        }
        var set = 0
        return Candidate(name: name) { [inputs] in
            try layerNorm(inputs[set], weight: weight, bias: bias, into: &outputs[set], backend: backend)
            set = (set + 1) % inputs.count
        }
    }

    private func backward(_ backend: Backend, name: String) throws -> Candidate {
        struct Arguments {
            let x, dy: Tensor<Float>
            let statistics: RowStatistics
        }
        let weight = try filled([columns], seed: 100)
        var inputs: [Arguments] = []
        var outputs: [NormGradients<Float>] = []
        for set in 0..<sets {
            let x = try filled(shape, seed: UInt64(set))
            inputs.append(
                Arguments(
                    x: x, dy: try filled(shape, seed: UInt64(1000 + set)),
                    statistics: try layerNormWithStatistics(x).statistics))
            outputs.append(try NormGradients<Float>(shape: shape))
        }
        var set = 0
        return Candidate(name: name) { [inputs] in
            let input = inputs[set]
            try layerNormBackward(
                input.dy, x: input.x, weight: weight, statistics: input.statistics, into: &outputs[set],
                backend: backend)
            set = (set + 1) % inputs.count
        }
    }

    private func reference() throws -> Candidate {
        let small = Cell(direction: direction, rows: referenceRows, columns: columns, isCold: false)
        return try small.operation(.reference, name: "reference")
    }
}
