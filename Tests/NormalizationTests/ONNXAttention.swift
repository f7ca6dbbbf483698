// ONNX's operator Attention, opset 23 to 25, evaluated plainly from its public specification: no code of this package
// but tensors. https://onnx.ai/onnx/operators/onnx__Attention.html, with what opset 25 adds (windows, onnx/onnx#8108)
// and what was corrected in place: softcap before the mask (#7867), modes in the order of steps (#7913), causality
// counted from the keys before the queries, and zeros for a query that sees no key (#8068).

internal import Normalization

struct ONNXAttention {
    /// [batch, heads, rows, size], or [batch, rows, heads · size] with numbers of heads. K and V are the new keys and
    /// values.
    var q, k, v: Tensor<Float>
    var qHeads: Int?, kvHeads: Int?
    /// [batch, heads, past rows, size].
    var pastKey: Tensor<Float>?, pastValue: Tensor<Float>?
    /// True takes part; of one to four axes, broadcast from the right. Keys beyond its last axis take no part.
    var booleanMask: Tensor<Bool>?
    /// Added to the scores; likewise.
    var additiveMask: Tensor<Float>?
    /// How many keys of each batch entry count.
    var nonpadLengths: [Int]?
    var isCausal = false
    var leftWindow = -1, rightWindow = -1
    var scale: Float?
    var softcap: Float = 0

    struct Result<Scalar> {
        /// In the layout of q.
        var y: [Scalar] = []
        /// After each step: scaled, softcapped, masked, probabilities; [batch, heads, queries, keys].
        var scores: [[Scalar]] = [[], [], [], []]
    }

    // MARK: - Extents

    var batch: Int { q.shape[0] }
    var queries: Int { q.shape[q.shape.rank - 2] }
    var heads: Int { qHeads ?? q.shape[1] }
    var keyHeads: Int { kvHeads ?? k.shape[1] }
    var past: Int { pastKey?.shape[2] ?? 0 }
    var keys: Int { past + k.shape[k.shape.rank - 2] }

    /// The keys that stand before query 0.
    func offset(_ b: Int) -> Int {
        if pastKey != nil { return past }
        return nonpadLengths.map { $0[b] - queries } ?? 0
    }

    private static func size(_ x: Tensor<Float>, heads: Int) -> Int {
        x.shape.rank == 4 ? x.shape[3] : x.shape[2] / heads
    }

    // MARK: - Elements

    private static func element(_ x: Tensor<Float>, heads: Int, _ b: Int, _ h: Int, _ i: Int, _ d: Int) -> Float {
        x.shape.rank == 4 ? x[b, h, i, d] : x[b, i, h * size(x, heads: heads) + d]
    }

    private func cached(_ past: Tensor<Float>?, _ new: Tensor<Float>, _ b: Int, _ h: Int, _ j: Int, _ d: Int) -> Float {
        if let past, j < past.shape[2] { return past[b, h, j, d] }
        return Self.element(new, heads: keyHeads, b, h, j - (past?.shape[2] ?? 0), d)
    }

    /// An element of a mask seen in [batch, heads, queries, keys]; nil beyond its keys.
    private static func broadcast<T: TensorElement>(_ mask: Tensor<T>, _ index: [Int]) -> T? {
        let missing = 4 - mask.shape.rank
        if index[3] >= mask.shape[mask.shape.rank - 1] { return nil }
        var x = mask
        for axis in 0..<mask.shape.rank {
            let i = mask.shape[axis] == 1 ? 0 : index[axis + missing]
            x = try! x.sliced(i..<i + 1, axis: axis)
        }
        return x.array[0]
    }

    /// What is added to a score: -∞ where the key takes no part.
    private func bias<Scalar: BinaryFloatingPoint>(_ b: Int, _ h: Int, _ i: Int, _ j: Int) -> Scalar {
        let p = offset(b) + i
        if isCausal && j > p { return -.infinity }
        if leftWindow >= 0 && j < p - leftWindow { return -.infinity }
        if rightWindow >= 0 && j > p + rightWindow { return -.infinity }
        if let nonpadLengths, j >= nonpadLengths[b] { return -.infinity }
        if let booleanMask, Self.broadcast(booleanMask, [b, h, i, j]) != true { return -.infinity }
        if let additiveMask { return Self.broadcast(additiveMask, [b, h, i, j]).map { Scalar($0) } ?? -.infinity }
        return 0
    }

    // MARK: - The operator

    func evaluate<Scalar: BinaryFloatingPoint>(
        exp: (Scalar) -> Scalar, tanh: (Scalar) -> Scalar
    ) -> Result<Scalar> {
        var result = Result<Scalar>()
        let (size, valueSize) = (Self.size(q, heads: heads), Self.size(v, heads: keyHeads))
        let scale = scale.map { Scalar($0) } ?? 1 / Scalar(size).squareRoot()
        var y: [[Scalar]] = []
        for b in 0..<batch {
            for h in 0..<heads {
                let group = h / (heads / keyHeads)
                for i in 0..<queries {
                    let scaled = (0..<keys).map { j in
                        (0..<size).reduce(Scalar(0)) {
                            $0 + Scalar(Self.element(q, heads: heads, b, h, i, $1))
                                * Scalar(cached(pastKey, k, b, group, j, $1))
                        } * scale
                    }
                    let capped = softcap > 0 ? scaled.map { tanh($0 / Scalar(softcap)) * Scalar(softcap) } : scaled
                    let masked = capped.enumerated().map { $1 + bias(b, h, i, $0) }
                    let most = masked.max() ?? -.infinity
                    let e = masked.map { most == -.infinity ? 0 : exp($0 - most) }
                    let sum = e.reduce(0, +)
                    let p = e.map { sum == 0 ? 0 : $0 / sum }
                    for (mode, row) in [scaled, capped, masked, p].enumerated() { result.scores[mode] += row }
                    y.append(
                        (0..<valueSize).map { d in
                            (0..<keys).reduce(0) { $0 + p[$1] * Scalar(cached(pastValue, v, b, group, $1, d)) }
                        })
                }
            }
        }
        guard q.shape.rank == 3 else {
            result.y = y.flatMap { $0 }
            return result
        }
        for b in 0..<batch {
            for i in 0..<queries { for h in 0..<heads { result.y += y[(b * heads + h) * queries + i] } }
        }
        return result
    }
}
