/// What attention does to its scores before the softmax: which keys a query sees, and what is added to their scores.
///
/// A mask is put together from parts, in any order:
///
/// ```swift
/// let mask = AttentionMask.causal().window(left: 256, right: nil).bias(relativePositions).sinks(sinks)
/// ```
///
/// What they do to the scaled score s of query i and key j of a head always has this order:
///
/// ```
/// s = softcap * tanh(s / softcap)
/// s = s + bias[batch, head, i, j]
/// s = s + slopes[head] * (j - p)                  with p = offset + i, the query's position among the keys
/// key j takes no part unless boolean[batch, head, i, j]
/// key j takes no part unless j <= p                             causal
/// key j takes no part unless p - left <= j <= p + right         window
/// key j takes no part unless j < keyLengths[batch, head, i]
/// ```
///
/// and `sinks[head]` is one more score in the sum below the fraction, with no key of its own. The last three cut a row to a
/// range of keys: nothing outside it is read or computed. Nothing of a key that takes no part shows in a result, even if
/// it is NaN or infinite. A part that is given twice counts once, as it was given last.
///
/// Sources: softcap, Gemma 2 (2024); slopes, ALiBi (Press et al., 2022); sinks, gpt-oss (2025) and Xiao et al., 2023;
/// windows, Longformer (Beltagy et al., 2020).
public struct AttentionMask: Sendable {
    /// Where query 0 stands among the keys.
    package enum Position: Sendable {
        /// So that the last query stands at the last key.
        case bottomRight
        case offset(Int)
        /// One a batch entry.
        case offsets([Int])
    }

    package struct Window: Sendable {
        package let left, right: Int?
    }

    package private(set) var softcap: Float?
    package private(set) var bias: (any ScoreTensor)?
    package private(set) var slopes: Tensor<Float>?
    package private(set) var boolean: Tensor<Bool>?
    package private(set) var isCausal = false
    package private(set) var window: Window?
    package private(set) var position = Position.bottomRight
    package private(set) var keyLengths: Tensor<Int64>?
    package private(set) var sinks: Tensor<Float>?

    /// No mask: every query sees every key.
    public init() {}

    private func with(_ change: (inout AttentionMask) -> Void) -> AttentionMask {
        var mask = self
        change(&mask)
        return mask
    }
}

// MARK: - Parts

extension AttentionMask {
    /// Limits scaled scores softly to -`limit` ... `limit`, a number from 2^-126 to 2^126.
    public func softcap(_ limit: Float) -> AttentionMask { with { $0.softcap = limit } }

    /// Adds a bias to the scores.
    ///
    /// - Parameter bias: A tensor that broadcasts to [batch, heads, queries, keys]: its last axis has an element for each
    ///   key; leading axes of extent 1, and those that it lacks, are shared. Any strides; a last axis that is not
    ///   contiguous costs one copy.
    public func bias<Element: KernelElement>(_ bias: Tensor<Element>) -> AttentionMask { with { $0.bias = bias } }

    /// Adds `slopes[head] * (j - p)`, ALiBi's term: positive slopes make keys lighter, the farther before the query they
    /// are.
    ///
    /// - Parameter slopes: One a head.
    public func alibi(slopes: Tensor<Float>) -> AttentionMask { with { $0.slopes = slopes } }

    /// Leaves out the keys where `takesPart` is false.
    ///
    /// - Parameter takesPart: Broadcasts to [batch, heads, queries, keys] as a bias does.
    public func boolean(_ takesPart: Tensor<Bool>) -> AttentionMask { with { $0.boolean = takesPart } }

    /// Leaves out the keys after a query.
    ///
    /// - Parameter offset: The position of query 0 among the keys; nil: as before, which is `keys - queries` at first, so
    ///   that the last query sees all keys (bottom-right alignment). Entries of packed sequences and of caches have
    ///   positions by their own numbers of keys and queries.
    public func causal(offset: Int? = nil) -> AttentionMask {
        with {
            $0.isCausal = true
            if let offset { $0.position = .offset(offset) }
        }
    }

    /// Leaves out the keys more than `left` before a query and more than `right` after it; nil: none of them.
    public func window(left: Int?, right: Int?) -> AttentionMask {
        with { $0.window = Window(left: left, right: right) }
    }

    /// Says where query 0 stands among the keys, for `causal`, `window` and `alibi`.
    public func queryOffset(_ offset: Int) -> AttentionMask { with { $0.position = .offset(offset) } }

    /// Says where query 0 of each batch entry stands among its keys.
    public func queryOffsets(_ offsets: [Int]) -> AttentionMask { with { $0.position = .offsets(offsets) } }

    /// Leaves out the keys from `lengths[batch]` on.
    ///
    /// - Parameter lengths: One a batch entry (or one for all), each within 0 ... keys.
    public func keyLengths(_ lengths: [Int]) -> AttentionMask {
        with {
            let vector = Tensor(lengths.map(Int64.init))
            $0.keyLengths = Tensor(
                storage: vector.storage, offset: 0, shape: [lengths.count, 1, 1], strides: [1, 1, 1])
        }
    }

    /// Leaves out the keys from a length on that may differ from row to row.
    ///
    /// - Parameter lengths: Broadcasts to [batch, heads, queries], each within 0 ... keys.
    public func keyLengths(_ lengths: Tensor<Int64>) -> AttentionMask { with { $0.keyLengths = lengths } }

    /// Adds e^sink to the sum of a row's exponentials; a sink of -∞ is none.
    ///
    /// - Parameter sinks: One a head.
    public func sinks(_ sinks: Tensor<Float>) -> AttentionMask { with { $0.sinks = sinks } }
}

// MARK: - Masks of one part

extension AttentionMask {
    /// As the method of that name, of no mask; so are the others.
    public static func softcap(_ limit: Float) -> AttentionMask { AttentionMask().softcap(limit) }
    public static func bias<Element: KernelElement>(_ bias: Tensor<Element>) -> AttentionMask {
        AttentionMask().bias(bias)
    }
    public static func alibi(slopes: Tensor<Float>) -> AttentionMask { AttentionMask().alibi(slopes: slopes) }
    public static func boolean(_ takesPart: Tensor<Bool>) -> AttentionMask { AttentionMask().boolean(takesPart) }
    public static func causal(offset: Int? = nil) -> AttentionMask { AttentionMask().causal(offset: offset) }
    public static func window(left: Int?, right: Int?) -> AttentionMask {
        AttentionMask().window(left: left, right: right)
    }
    public static func keyLengths(_ lengths: [Int]) -> AttentionMask { AttentionMask().keyLengths(lengths) }
    public static func keyLengths(_ lengths: Tensor<Int64>) -> AttentionMask { AttentionMask().keyLengths(lengths) }
    public static func sinks(_ sinks: Tensor<Float>) -> AttentionMask { AttentionMask().sinks(sinks) }
}
