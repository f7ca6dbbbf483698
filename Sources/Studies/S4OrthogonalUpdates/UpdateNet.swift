// A net of pre-norm blocks whose branches join the stream by one of the updates.

internal import Normalization
internal import NormalizationDiagnostics
internal import TrainingKit

/// One block: h = update(x, branch(x)).
struct UpdatedBlock: Layer {
    let branch: Sequential
    let update: ResidualUpdate
    let backend: Backend

    /// The branch is LayerNorm, Linear, ReLU, Linear, all of one width.
    init(width: Int, update: ResidualUpdate, random: inout RandomStream, backend: Backend) throws {
        branch = Sequential(
            try Norm(features: width, backend: backend),
            try Linear(inputs: width, outputs: width, random: &random, backend: backend), Activation.relu,
            try Linear(inputs: width, outputs: width, random: &random, backend: backend))
        self.update = update
        self.backend = backend
    }

    var parameters: [Parameter] { branch.parameters }

    func callAsFunction(_ x: Tensor<Float>) throws -> Traced {
        let traced = try branch(x)
        let h = try update.join(x, update: traced.value, backend: backend)
        return Traced(h) { [update, backend] gradient in
            let gradients = try update.backward(gradient, x: x, update: traced.value, backend: backend)
            return gradients.input + (try traced.pullback(gradients.update))
        }
    }
}

struct UpdateNet {
    static let (depth, width, classes) = (12, 48, 10)

    let blocks: [UpdatedBlock]
    let head: Sequential
    let backend: Backend

    /// Nets of one seed begin with the same weights whatever the update.
    init(_ update: ResidualUpdate, seed: UInt64, backend: Backend) throws {
        var random = RandomStream(seed: seed, stream: 431)
        var blocks: [UpdatedBlock] = []
        for _ in 0..<Self.depth {
            blocks.append(try UpdatedBlock(width: Self.width, update: update, random: &random, backend: backend))
        }
        self.blocks = blocks
        head = Sequential(
            try Norm(features: Self.width, backend: backend),
            try Linear(inputs: Self.width, outputs: Self.classes, random: &random, backend: backend))
        self.backend = backend
    }

    var layers: Sequential { Sequential(blocks + [head]) }

    func geometry(at x: Tensor<Float>) throws -> UpdateGeometryProbe {
        var probe = UpdateGeometryProbe()
        var stream = x
        for block in blocks {
            let update = try block.branch(stream).value
            let next = try block.update.join(stream, update: update, backend: backend)
            try probe.record(stream: stream, update: update, result: next)
            stream = next
        }
        return probe
    }
}

/// Labels by a random net with one hidden layer, the teacher.
struct TeacherTask {
    let inputs: Tensor<Float>
    let labels: [Int]

    init(count: Int, seed: UInt64, stream: UInt64, backend: Backend) throws {
        var random = RandomStream(seed: seed, stream: 432)
        let teacher = Sequential(
            try Linear(inputs: UpdateNet.width, outputs: UpdateNet.width, random: &random, backend: backend),
            Activation.tanh,
            try Linear(inputs: UpdateNet.width, outputs: UpdateNet.classes, random: &random, backend: backend))
        var sample = RandomStream(seed: seed, stream: stream)
        inputs = try sample.normal([count, UpdateNet.width])
        labels = Self.largest(try teacher(inputs).value)
    }

    /// The column of the largest element of each row.
    static func largest(_ logits: Tensor<Float>) -> [Int] {
        let (elements, columns) = (logits.array, logits.shape[1])
        return stride(from: 0, to: elements.count, by: columns).map { first in
            (0..<columns).max { elements[first + $0] < elements[first + $1] }!
        }
    }

    func accuracy(of net: UpdateNet) throws -> Double {
        let given = Self.largest(try net.layers(inputs).value)
        return Double(zip(given, labels).count { $0 == $1 }) / Double(labels.count)
    }

    func rows(_ indices: ArraySlice<Int>) throws -> (inputs: Tensor<Float>, labels: [Int?]) {
        let elements = inputs.withSpan { span in
            indices.flatMap { row in (0..<UpdateNet.width).map { span[row * UpdateNet.width + $0] } }
        }
        return (try Tensor(elements, shape: [indices.count, UpdateNet.width]), indices.map { labels[$0] })
    }
}
