internal import CKernels
package import Tensors

/// The door to `ck_csr_softmax` and `ck_csr_softmax_backward`. Scores are contiguous [edges, heads]; outputs are not
/// shared.
package enum CSRSoftmaxKernels {
    package static func forward<Element: KernelElement>(
        _ x: Tensor<Element>, segments: SegmentOffsets, heads: Int, output y: Tensor<Element>, run: KernelRun
    ) throws(NormalizationError) {
        let status = unsafe segments.withPointer { offsets in
            var arguments = unsafe ck_csr_softmax_args()
            unsafe arguments.edges = Int64(segments.total)
            unsafe arguments.heads = Int64(heads)
            unsafe arguments.nodes = Int64(segments.count)
            unsafe arguments.offsets = offsets
            unsafe arguments.type = Element.storageType.code
            unsafe arguments.x = UnsafeRawPointer(x.pointer)
            unsafe arguments.x_stride = Int64(heads)
            unsafe arguments.y = UnsafeMutableRawPointer(y.mutablePointer)
            unsafe arguments.y_stride = Int64(heads)
            return unsafe ck_csr_softmax(&arguments, run.run)
        }
        try check(status)
    }

    package static func backward<Element: KernelElement>(
        _ dy: Tensor<Element>, output y: Tensor<Element>, segments: SegmentOffsets, heads: Int,
        inputGradient dx: Tensor<Element>, run: KernelRun
    ) throws(NormalizationError) {
        let status = unsafe segments.withPointer { offsets in
            var arguments = unsafe ck_csr_softmax_backward_args()
            unsafe arguments.edges = Int64(segments.total)
            unsafe arguments.heads = Int64(heads)
            unsafe arguments.nodes = Int64(segments.count)
            unsafe arguments.offsets = offsets
            unsafe arguments.type = Element.storageType.code
            unsafe arguments.dy = UnsafeRawPointer(dy.pointer)
            unsafe arguments.dy_stride = Int64(heads)
            unsafe arguments.y = UnsafeRawPointer(y.pointer)
            unsafe arguments.y_stride = Int64(heads)
            unsafe arguments.dx = UnsafeMutableRawPointer(dx.mutablePointer)
            unsafe arguments.dx_stride = Int64(heads)
            return unsafe ck_csr_softmax_backward(&arguments, run.run)
        }
        try check(status)
    }
}
