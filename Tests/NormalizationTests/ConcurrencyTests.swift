// Many tasks at once, each with its own instruction set and thread count: nothing is shared, nothing differs.

internal import Normalization
import Testing
internal import Verification

@Suite struct ConcurrencyTests {
    private static let taskCount = 96

    @Test func tasksDoNotDisturbEachOther() async throws {
        let cases = try [(1, 768), (37, 65), (200, 24), (5, 4097), (64, 300)].map { rows, columns in
            try LayerNormVerification.Case("\(rows) x \(columns)", rows: rows, columns: columns)
        }
        let expected = try cases.map { try LayerNormVerification.Result($0, backend: .reference) }
        let backends = TestedBackends.all + [.reference]
        let compared = try await withThrowingTaskGroup(of: Int.self) { group in
            for task in 0..<Self.taskCount {
                let backend = backends[task % backends.count]
                group.addTask {
                    var compared = 0
                    for step in cases.indices {
                        let index = (task + step) % cases.count
                        let given = try LayerNormVerification.Result(cases[index], backend: backend)
                        expectSameBits(given, expected[index], "task \(task), \(cases[index].name), \(backend)")
                        compared += given.y.count
                    }
                    return compared
                }
            }
            return try await group.reduce(0, +)
        }
        #expect(compared == Self.taskCount * cases.reduce(0) { $0 + $1.x.count })
    }

    /// Tasks that share one input and each write their own copy of one output.
    @Test func sharedTensorsAreCopiedByTheirWriters() async throws {
        let input = try LayerNormVerification.Case("", rows: 50, columns: 100)
        let original = input.x.array
        let shared = input.x
        let expected = try layerNorm(shared, weight: input.weight, bias: input.bias, backend: .reference).array
        let backends = TestedBackends.kernels
        let results = try await withThrowingTaskGroup(of: [Float].self) { group in
            for task in 0..<Self.taskCount {
                group.addTask {
                    var mine = shared
                    try layerNorm(
                        inPlace: &mine, weight: input.weight, bias: input.bias, backend: backends[task % backends.count]
                    )
                    return mine.array
                }
            }
            return try await group.reduce(into: [[Float]]()) { $0.append($1) }
        }
        #expect(results.count == Self.taskCount)
        for result in results { expectSameBits(result, expected, "in place") }
        expectSameBits(shared.array, original, "the shared tensor")
    }

    /// A pullback may be called by several tasks at once.
    @Test func aPullbackServesManyTasks() async throws {
        let input = try LayerNormVerification.Case("", rows: 40, columns: 70)
        var norm = try LayerNorm(featureCount: 70)
        norm.weight = try #require(input.weight)
        let (_, pullback) = try norm.valueWithPullback(at: input.x)
        let expected = try pullback(input.outputGradient)
        try await withThrowingTaskGroup(of: NormGradients<Float>.self) { group in
            for _ in 0..<Self.taskCount { group.addTask { try pullback(input.outputGradient) } }
            for try await gradients in group {
                expectSameBits(gradients.input.array, expected.input.array, "input")
                expectSameBits(gradients.weight?.array ?? [], expected.weight?.array ?? [], "weight")
                expectSameBits(gradients.bias?.array ?? [], expected.bias?.array ?? [], "bias")
            }
        }
    }
}
