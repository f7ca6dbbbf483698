/// A type that tensors can hold: plain bits, with a zero.
public protocol TensorElement: BitwiseCopyable, Sendable, Equatable {
    static var zero: Self { get }
}

extension Float: TensorElement {}
extension Double: TensorElement {}
extension Int8: TensorElement {}
extension Int32: TensorElement {}
extension Int64: TensorElement {}
extension Bool: TensorElement {
    public static var zero: Bool { false }
}
