internal import CKernels
package import Tensors

/// The door to `ck_channel_norm`: shapes have been checked, pointers are made here. Tensors are dense.
package enum ChannelNormKernels {
    package enum Direction: Sendable { case normalize, invert }

    /// Normalizes `x` into `y` (nil: only the moments are wanted) by its own moments, or given ones; returns those.
    package static func forward<Element: KernelElement>(
        _ x: Tensor<Element>, shape: ChannelShape, given: [Moments]?, weight: Tensor<Float>?, bias: Tensor<Float>?,
        epsilon: Float, direction: Direction = .normalize, into y: inout Tensor<Element>?, run: KernelRun
    ) throws(NormalizationError) -> [Moments] {
        y?.makeUniqueForOverwriting()
        let output = y
        return try unsafe shape.withArguments(Element.storageType) { (arguments) throws(NormalizationError) in
            var shape = unsafe arguments
            let workspace = Tensor<Float>(workspaceBytes: unsafe ck_channel_norm_workspace(&shape))
            var moments = [ck_moments](repeating: ck_moments(), count: unsafe Int(shape.regions * shape.groups))
            var arguments = unsafe ck_channel_norm_args()
            unsafe arguments.shape = shape
            unsafe arguments.x = UnsafeRawPointer(x.pointer)
            unsafe arguments.weight = weight.floatPointer
            unsafe arguments.bias = bias.floatPointer
            unsafe arguments.epsilon = epsilon
            unsafe arguments.y = output.map { unsafe UnsafeMutableRawPointer($0.mutablePointer) }
            unsafe arguments.workspace = UnsafeMutableRawPointer(workspace.mutablePointer)
            unsafe arguments.workspace_size = workspace.count * MemoryLayout<Float>.stride
            let status = unsafe moments.withUnsafeMutableBufferPointer { saved in
                unsafe arguments.moments = saved.baseAddress
                guard let given else { return unsafe ck_channel_norm(&arguments, run.run) }
                return unsafe given.map(ck_moments.init).withUnsafeBufferPointer { given in
                    unsafe arguments.given = given.baseAddress
                    return direction == .invert
                        ? unsafe ck_channel_norm_inverse(&arguments, run.run)
                        : unsafe ck_channel_norm(&arguments, run.run)
                }
            }
            try check(status)
            return moments.map(Moments.init)
        }
    }

    /// Gradients of dense tensors, of the normalization or (which alone has a bias here) of its inverse. `weightGradient` and `biasGradient` are nil where they are not wanted.
    package static func backward<Element: KernelElement>(
        _ dy: Tensor<Element>, x: Tensor<Element>, shape: ChannelShape, moments: [Moments], areConstant: Bool,
        weight: Tensor<Float>?, bias: Tensor<Float>? = nil, epsilon: Float, direction: Direction = .normalize,
        inputGradient: inout Tensor<Element>,
        weightGradient: inout Tensor<Float>?, biasGradient: inout Tensor<Float>?, accumulating: Bool, run: KernelRun
    ) throws(NormalizationError) {
        inputGradient.makeUniqueForOverwriting()
        weightGradient?.makeUnique()
        biasGradient?.makeUnique()
        let (dx, dweight, dbias) = (inputGradient, weightGradient, biasGradient)
        try unsafe shape.withArguments(Element.storageType) { (arguments) throws(NormalizationError) in
            var shape = unsafe arguments
            let workspace = Tensor<Float>(workspaceBytes: unsafe ck_channel_norm_backward_workspace(&shape))
            var arguments = unsafe ck_channel_norm_backward_args()
            unsafe arguments.shape = shape
            unsafe arguments.dy = UnsafeRawPointer(dy.pointer)
            unsafe arguments.x = UnsafeRawPointer(x.pointer)
            unsafe arguments.are_given = areConstant ? 1 : 0
            unsafe arguments.weight = weight.floatPointer
            unsafe arguments.bias = bias.floatPointer
            unsafe arguments.epsilon = epsilon
            unsafe arguments.dx = UnsafeMutableRawPointer(dx.mutablePointer)
            unsafe arguments.dweight = dweight.map { unsafe $0.mutablePointer }
            unsafe arguments.dbias = dbias.map { unsafe $0.mutablePointer }
            unsafe arguments.accumulate = accumulating ? 1 : 0
            unsafe arguments.workspace = UnsafeMutableRawPointer(workspace.mutablePointer)
            unsafe arguments.workspace_size = workspace.count * MemoryLayout<Float>.stride
            let status = unsafe moments.map(ck_moments.init).withUnsafeBufferPointer { moments in
                unsafe arguments.moments = moments.baseAddress
                return direction == .invert
                    ? unsafe ck_channel_norm_inverse_backward(&arguments, run.run)
                    : unsafe ck_channel_norm_backward(&arguments, run.run)
            }
            try check(status)
        }
    }
}

extension Tensor<Float> {
    fileprivate init(workspaceBytes bytes: Int) {
        self.init(uninitializedLike: [bytes / MemoryLayout<Float>.stride])
    }
}

extension ChannelShape {
    /// Calls `body` with this shape in C, whose pointer is valid meanwhile.
    fileprivate func withArguments<Result>(
        _ type: StorageType, _ body: (ck_channel_shape) throws(NormalizationError) -> Result
    ) throws(NormalizationError) -> Result {
        var shape = unsafe ck_channel_shape(
            samples: Int64(samples), channels: Int64(channels), positions: Int64(positions),
            layout: layout == .channelsFirst ? CK_CHANNELS_FIRST : CK_CHANNELS_LAST, type: type.code,
            groups: Int64(groups), regions: Int64(regions.count), region_samples: nil)
        if regions.allSatisfy({ $0 == regions.first }) { return try unsafe body(shape) }
        return try unsafe regions.map(Int64.init).withUnsafeBufferPointer { (counts) throws(NormalizationError) in
            unsafe shape.region_samples = counts.baseAddress
            return try unsafe body(shape)
        }
    }
}

extension Optional where Wrapped == Tensor<Float> {
    /// The address of an optional vector's first element, or nil.
    var floatPointer: UnsafePointer<Float>? { unsafe rawPointer()?.assumingMemoryBound(to: Float.self) }
}
