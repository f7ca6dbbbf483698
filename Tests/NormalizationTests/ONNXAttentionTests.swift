// Conformance with ONNX's Attention: what the operator says, computed by this package, against ONNXAttention.swift in
// float64.
//
// What differs on purpose, and how a caller gets the operator's:
// - `causal()` puts the last query at the last key (bottom right). The operator counts from the keys in its cache, and
//   from none without one (top left for lengths that differ): `causal(offset:)`; with padded lengths `queryOffsets`.
// - Masks have an element for every key. The operator takes the rest of a shorter one for "takes no part".
// - Softmax is float32 for every storage type (softmax_precision), matrices of scores are float32, too.
// - Probabilities of a query that sees no key are 0, like its output. The operator's text leaves them open.
// - Keys that take no part do not show even if they are NaN.

internal import Foundation
internal import Normalization
import Testing
internal import Verification

/// One use of the operator.
struct ONNXCase: CustomTestStringConvertible {
    let name: String
    let attention: ONNXAttention
    var testDescription: String { name }

    init(
        _ name: String, batch: Int = 2, heads: Int = 3, keyHeads: Int = 3, queries: Int = 4, keys: Int = 6,
        size: Int = 8,
        valueSize: Int = 8, past: Int = 0, threeAxes: Bool = false,
        _ change: (inout ONNXAttention, inout RandomNumbers) throws -> Void = { _, _ in }
    ) throws {
        var random = RandomNumbers(seed: UInt64(name.utf8.reduce(7) { ($0 * 31 + Int($1)) % 1_000_003 }))
        func drawn(_ shape: Shape) throws -> Tensor<Float> { try Self.drawn(shape, &random) }
        func rows(_ heads: Int, _ rows: Int, _ size: Int) throws -> Tensor<Float> {
            try drawn(threeAxes ? [batch, rows, heads * size] : [batch, heads, rows, size])
        }
        var attention = ONNXAttention(
            q: try rows(heads, queries, size), k: try rows(keyHeads, keys, size), v: try rows(keyHeads, keys, valueSize)
        )
        if threeAxes { (attention.qHeads, attention.kvHeads) = (heads, keyHeads) }
        if past > 0 {
            attention.pastKey = try drawn([batch, keyHeads, past, size])
            attention.pastValue = try drawn([batch, keyHeads, past, valueSize])
        }
        try change(&attention, &random)
        self.name = name
        self.attention = attention
    }

    static func drawn(_ shape: Shape, _ random: inout RandomNumbers) throws -> Tensor<Float> {
        try Tensor(random.normals(shape.elementCount ?? 0), shape: shape)
    }

    /// A boolean mask in which every query sees the first key.
    static func boolean(_ shape: Shape, _ random: inout RandomNumbers) throws -> Tensor<Bool> {
        let keys = shape[shape.rank - 1]
        return try Tensor(
            random.normals(shape.elementCount ?? 0).enumerated().map { $0 % keys == 0 || $1 < 0.4 }, shape: shape)
    }

    /// An additive mask with some -∞.
    static func additive(_ shape: Shape, _ random: inout RandomNumbers) throws -> Tensor<Float> {
        let keys = shape[shape.rank - 1]
        let numbers = random.normals(shape.elementCount ?? 0).enumerated().map {
            $0 % keys > 0 && $1 > 0.9 ? -.infinity : $1
        }
        return try Tensor(numbers, shape: shape)
    }

    static let all: [ONNXCase] = try! plain + masks + positions + layouts

    private static var plain: [ONNXCase] {
        get throws {
            try [
                ONNXCase("four axes"),
                ONNXCase("heads of other sizes", valueSize: 10),
                ONNXCase("a scale", { a, _ in a.scale = 0.01 }),
                ONNXCase("grouped heads", heads: 9, keyHeads: 3),
                ONNXCase("one key head", heads: 5, keyHeads: 1),
                ONNXCase("a softcap", { a, _ in a.softcap = 2 }),
                ONNXCase("long", queries: 20, keys: 150, size: 64, valueSize: 64),
                ONNXCase("one query, one key", queries: 1, keys: 1),
            ]
        }
    }

    private static var masks: [ONNXCase] {
        get throws {
            let shapes: [Shape] = [
                [6], [4, 6], [3, 4, 6], [1, 4, 6], [2, 3, 4, 6], [2, 1, 4, 6], [1, 3, 1, 6], [2, 1, 1, 6],
            ]
            return try shapes.flatMap { shape in
                [
                    try ONNXCase("boolean mask \(shape)", { $0.booleanMask = try boolean(shape, &$1) }),
                    try ONNXCase("additive mask \(shape)", { $0.additiveMask = try additive(shape, &$1) }),
                ]
            } + [
                ONNXCase("softcap, then mask") {
                    $0.softcap = 0.5
                    $0.additiveMask = try additive([4, 6], &$1)
                },
                ONNXCase("boolean mask and causality") {
                    $0.isCausal = true
                    $0.booleanMask = try boolean([2, 1, 4, 6], &$1)
                },
                ONNXCase("additive mask and causality", past: 5) {
                    $0.isCausal = true
                    $0.additiveMask = try additive([4, 11], &$1)
                },
                ONNXCase("a mask of fewer keys", { $0.booleanMask = try boolean([4, 4], &$1) }),
                ONNXCase(
                    "an additive mask of fewer keys", past: 3, { $0.additiveMask = try additive([2, 1, 4, 5], &$1) }),
                ONNXCase("queries without keys") { a, _ in
                    a.booleanMask = try Tensor((0..<24).map { $0 / 6 != 2 && $0 % 6 < 4 }, shape: [4, 6])
                },
            ]
        }
    }

    private static var positions: [ONNXCase] {
        get throws {
            func windowed(
                _ name: String, left: Int, right: Int, isCausal: Bool = false, past: Int = 0, nonpad: [Int]? = nil
            ) throws -> ONNXCase {
                try ONNXCase("window, \(name)", keys: nonpad == nil ? 6 : 12, past: past) { a, _ in
                    (a.leftWindow, a.rightWindow, a.isCausal, a.nonpadLengths) = (left, right, isCausal, nonpad)
                }
            }
            return try [
                ONNXCase("causal, square", queries: 6, { a, _ in a.isCausal = true }),
                ONNXCase("causal, more keys than queries", { a, _ in a.isCausal = true }),
                ONNXCase("causal, fewer keys than queries", queries: 7, keys: 3, { a, _ in a.isCausal = true }),
                ONNXCase("causal with past", keys: 4, past: 9, { a, _ in a.isCausal = true }),
                ONNXCase("causal step of decoding", queries: 1, keys: 1, past: 12, { a, _ in a.isCausal = true }),
                ONNXCase("padded lengths", keys: 12, { a, _ in a.nonpadLengths = [7, 12] }),
                ONNXCase(
                    "padded lengths and a softcap", keys: 12, { a, _ in (a.nonpadLengths, a.softcap) = ([7, 3], 1) }),
                ONNXCase(
                    "padded lengths, causal", keys: 12, { a, _ in (a.nonpadLengths, a.isCausal) = ([4, 11], true) }),
                ONNXCase("padded lengths and a mask", keys: 12) {
                    $0.nonpadLengths = [9, 5]
                    $0.additiveMask = try additive([2, 3, 4, 12], &$1)
                },
                ONNXCase(
                    "padded lengths below the queries", keys: 12,
                    { a, _ in (a.nonpadLengths, a.isCausal) = ([0, 2], true) }),
                windowed("left", left: 2, right: -1), windowed("right", left: -1, right: 1),
                windowed("both", left: 1, right: 2), windowed("itself", left: 0, right: 0),
                windowed("left, causal", left: 2, right: 0, isCausal: true),
                windowed("causality is stricter", left: 2, right: 3, isCausal: true),
                windowed("with past", left: 3, right: 0, past: 8),
                windowed("causal with past", left: 3, right: -1, isCausal: true, past: 8),
                windowed("padded lengths", left: 2, right: 1, nonpad: [6, 12]),
                windowed("padded lengths, causal", left: 4, right: -1, isCausal: true, nonpad: [5, 9]),
            ]
        }
    }

    private static var layouts: [ONNXCase] {
        get throws {
            try [
                ONNXCase("three axes", threeAxes: true),
                ONNXCase("three axes, grouped heads", heads: 6, keyHeads: 2, valueSize: 10, threeAxes: true),
                ONNXCase("three axes, past, causal", keys: 4, past: 7, threeAxes: true, { a, _ in a.isCausal = true }),
                ONNXCase("three axes, mask and softcap", threeAxes: true) {
                    $0.softcap = 1.5
                    $0.booleanMask = try boolean([2, 3, 4, 6], &$1)
                },
                ONNXCase("grouped heads, past, causal, softcap", heads: 8, keyHeads: 2, keys: 4, past: 20) { a, _ in
                    (a.isCausal, a.softcap) = (true, 3)
                },
            ]
        }
    }
}

@Suite struct ONNXAttentionTests {
    /// The operator's inputs as this package takes them.
    private struct Call {
        let query, key, value: Tensor<Float>
        let mask: AttentionMask
        let isJoined: Bool

        init(_ a: ONNXAttention) throws {
            func split(_ x: Tensor<Float>, _ heads: Int) throws -> Tensor<Float> {
                x.shape.rank == 3 ? try x.splittingHeads(heads) : x
            }
            query = try split(a.q, a.heads)
            key = try Self.joined(a.pastKey, split(a.k, a.keyHeads))
            value = try Self.joined(a.pastValue, split(a.v, a.keyHeads))
            isJoined = a.q.shape.rank == 3
            var mask = AttentionMask().queryOffsets((0..<a.batch).map(a.offset))
            if a.softcap > 0 { mask = mask.softcap(a.softcap) }
            if a.isCausal { mask = mask.causal() }
            if a.leftWindow >= 0 || a.rightWindow >= 0 {
                mask = mask.window(
                    left: a.leftWindow < 0 ? nil : a.leftWindow, right: a.rightWindow < 0 ? nil : a.rightWindow)
            }
            if let lengths = a.nonpadLengths { mask = mask.keyLengths(lengths) }
            if let boolean = a.booleanMask { mask = mask.boolean(try Self.padded(boolean, to: a.keys, with: false)) }
            if let bias = a.additiveMask { mask = mask.bias(try Self.padded(bias, to: a.keys, with: -.infinity)) }
            self.mask = mask
        }

        /// Past and new rows: what the operator calls the present ones.
        private static func joined(_ past: Tensor<Float>?, _ new: Tensor<Float>) throws -> Tensor<Float> {
            guard let past else { return new }
            let (s, p) = (new.shape, past.shape[2])
            var present = try Tensor<Float>(repeating: 0, shape: [s[0], s[1], p + s[2], s[3]])
            for b in 0..<s[0] {
                for h in 0..<s[1] {
                    for j in 0..<p + s[2] {
                        for d in 0..<s[3] { present[b, h, j, d] = j < p ? past[b, h, j, d] : new[b, h, j - p, d] }
                    }
                }
            }
            return present
        }

        private static func padded<T: TensorElement>(
            _ mask: Tensor<T>, to keys: Int, with last: T
        ) throws -> Tensor<T> {
            let given = mask.shape[mask.shape.rank - 1]
            if given == keys { return mask }
            let elements = mask.array
            var padded: [T] = []
            for first in stride(from: 0, to: elements.count, by: given) {
                padded += elements[first..<first + given]
                padded += [T](repeating: last, count: keys - given)
            }
            return try Tensor(padded, shape: Shape(Array(mask.shape.extents.dropLast()) + [keys]))
        }

        func solve(
            _ a: ONNXAttention, _ scores: AttentionScores, _ products: MatrixProducts = .oneAnswer
        ) throws -> (y: [Float], scores: [Float]) {
            let (y, matrix) = try attentionWithScores(
                query: query, key: key, value: value, scale: a.scale, mask: mask, scores: scores, products: products)
            return (try isJoined ? y.joiningHeads().array : y.array, matrix.array)
        }
    }

    private func judge(_ a: ONNXAttention) -> ONNXAttention.Result<Double> {
        a.evaluate(exp: { Foundation.exp($0) }, tanh: { Foundation.tanh($0) })
    }

    private func naive(_ a: ONNXAttention) -> ONNXAttention.Result<Float> {
        a.evaluate(exp: { Foundation.expf($0) }, tanh: { Foundation.tanhf($0) })
    }

    /// Infinities at the same places. Elsewhere at most twice the error of the same evaluation in float32, or four half
    /// units in the last place of the largest element, where that one has luck.
    private func expect(_ given: [Float], _ naive: [Float], _ exact: [Double], rounding: Double = 0, _ what: String) {
        #expect(given.count == exact.count && !given.isEmpty, "\(what)")
        let largest = exact.filter(\.isFinite).map(abs).max() ?? 0
        var (ours, theirs) = (0.0, 0.0)
        for (i, truth) in exact.enumerated() {
            guard truth.isFinite else {
                #expect(Double(given[i]) == truth, "\(what), element \(i)")
                continue
            }
            ours = max(ours, abs(Double(given[i]) - truth))
            theirs = max(theirs, abs(Double(naive[i]) - truth))
            if given[i].isNaN { ours = .infinity }
        }
        let bound = max(2 * theirs, 4 * 0x1p-24 * largest) + rounding * largest
        #expect(ours <= bound, "\(what): \(ours), naively \(theirs)")
    }

    @Test(arguments: ONNXCase.all)
    func conforms(to use: ONNXCase) throws {
        let (exact, naive) = (judge(use.attention), naive(use.attention))
        let call = try Call(use.attention)
        for (mode, scores) in AttentionScores.allCases.enumerated() {
            let given = try call.solve(use.attention, scores)
            expect(given.y, naive.y, exact.y, "\(use.name), Y")
            expect(given.scores, naive.scores[mode], exact.scores[mode], "\(use.name), mode \(mode)")
        }
    }

    /// The same by BLAS, whose sums have their own order: at most twice as far off as another order's.
    @Test(arguments: MatrixProducts.available.filter { $0 == .blas })
    func conformsByBLAS(products: MatrixProducts) throws {
        for use in ONNXCase.all {
            let (exact, naive) = (judge(use.attention), naive(use.attention))
            let call = try Call(use.attention)
            for (mode, scores) in AttentionScores.allCases.enumerated() {
                let given = try call.solve(use.attention, scores, products)
                expect(given.y, naive.y, exact.y, rounding: 8 * 0x1p-24, "\(use.name), Y")
                expect(
                    given.scores, naive.scores[mode], exact.scores[mode], rounding: 8 * 0x1p-24,
                    "\(use.name), mode \(mode)")
            }
        }
    }

    /// Inputs of 16 bits: the operator's result for the numbers that they hold, rounded once more (bfloat16 products
    /// may round their weights to bfloat16, too).
    @Test(arguments: ONNXCase.all.filter { ["four axes", "grouped heads", "a softcap", "long"].contains($0.name) })
    func smallerTypes(use: ONNXCase) throws {
        func check<Element: KernelElement>(_ type: Element.Type, rounding: Double) throws {
            func stored(_ x: Tensor<Float>) -> Tensor<Element> { Tensor(rounding: x) }
            var a = use.attention
            (a.q, a.k, a.v) = (stored(a.q).widened(), stored(a.k).widened(), stored(a.v).widened())
            let call = try Call(a)
            let y = try attention(
                query: stored(call.query), key: stored(call.key), value: stored(call.value), scale: a.scale,
                mask: call.mask)
            expect(y.widened().array, naive(a).y, judge(a).y, rounding: rounding, "\(use.name), \(type)")
        }
        try check(BFloat16.self, rounding: 2 * 0x1p-8)
        try check(Float16.self, rounding: 0x1p-11)
    }

    /// The cases can fail: by the other alignment, and by a mask before the softcap.
    @Test func mistakesWouldShow() throws {
        let causal = try #require(ONNXCase.all.first { $0.name == "causal, more keys than queries" }).attention
        let call = try Call(causal)
        let bottomRight = try attention(query: call.query, key: call.key, value: call.value, mask: .causal()).array
        let exact = judge(causal).y
        #expect(zip(bottomRight, exact).contains { abs(Double($0) - $1) > 0.01 })
        let capped = try #require(ONNXCase.all.first { $0.name == "softcap, then mask" }).attention
        let leaked = judge(capped).scores[3].enumerated().filter { $1 == 0 }
        #expect(!leaked.isEmpty, "masked keys have probability 0 after a softcap")
    }
}
