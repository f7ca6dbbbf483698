// KernelElement: the types that kernels load and store, and tensors from one to another.

/// How kernels store an element.
public enum StorageType: String, CaseIterable, Sendable {
    case float32, bfloat16, float16
}

/// A type that kernels load and store; arithmetic is in `Float`.
///
/// An element is widened when it is loaded, exactly, and rounded once when it is stored.
public protocol KernelElement: TensorElement {
    static var storageType: StorageType { get }
    /// The nearest value to `value`, of two equally near ones that with an even last bit.
    init(rounding value: Float)
    /// The same value as a `Float`.
    var widened: Float { get }
}

extension Float: KernelElement {
    @inlinable public static var storageType: StorageType { .float32 }
    @inlinable public init(rounding value: Float) { self = value }
    @inlinable public var widened: Float { self }
}

extension BFloat16: KernelElement {
    @inlinable public static var storageType: StorageType { .bfloat16 }
    @inlinable public init(rounding value: Float) { self.init(value) }
    @inlinable public var widened: Float { Float(self) }
}

#if !((os(macOS) || targetEnvironment(macCatalyst)) && arch(x86_64))
    extension Float16: KernelElement {
        @inlinable public static var storageType: StorageType { .float16 }
        @inlinable public init(rounding value: Float) { self.init(value) }
        @inlinable public var widened: Float { Float(self) }
    }
#endif

extension Tensor where Element: KernelElement {
    /// The elements of `tensor`, each rounded once. The result is contiguous.
    @inlinable public init(rounding tensor: Tensor<Float>) {
        self.init(uninitializedLike: tensor.shape)
        tensor.withSpan { source in
            withMutableSpan { destination in
                for index in source.indices { destination[index] = Element(rounding: source[index]) }
            }
        }
    }

    /// The same values as floats. The result is contiguous.
    @inlinable public func widened() -> Tensor<Float> {
        var result = Tensor<Float>(uninitializedLike: shape)
        withSpan { source in
            result.withMutableSpan { destination in
                for index in source.indices { destination[index] = source[index].widened }
            }
        }
        return result
    }
}
