internal import CKernels
package import Tensors

/// The door to `ck_orthogonal_add`, on contiguous tensors. Outputs are not shared.
package enum OrthogonalAddKernels {
    package static func forward<Element: KernelElement>(
        _ x: Tensor<Element>, update: Tensor<Element>, centred: Bool, epsilon: Float, output h: Tensor<Element>,
        run: KernelRun
    ) throws(NormalizationError) {
        let columns = x.shape[x.shape.rank - 1]
        var arguments = unsafe ck_orthogonal_add_args()
        unsafe arguments.rows = Int64(x.count / columns)
        unsafe arguments.cols = Int64(columns)
        unsafe arguments.type = Element.storageType.code
        unsafe arguments.centred = centred ? 1 : 0
        unsafe arguments.epsilon = epsilon
        unsafe arguments.x = UnsafeRawPointer(x.pointer)
        unsafe arguments.x_stride = Int64(columns)
        unsafe arguments.update = UnsafeRawPointer(update.pointer)
        unsafe arguments.update_stride = Int64(columns)
        unsafe arguments.h = UnsafeMutableRawPointer(h.mutablePointer)
        unsafe arguments.h_stride = Int64(columns)
        try check(unsafe ck_orthogonal_add(&arguments, run.run))
    }

    package static func backward<Element: KernelElement>(
        _ dh: Tensor<Element>, x: Tensor<Element>, update: Tensor<Element>, centred: Bool, epsilon: Float,
        inputGradient dx: Tensor<Element>, updateGradient dupdate: Tensor<Element>, run: KernelRun
    ) throws(NormalizationError) {
        let columns = x.shape[x.shape.rank - 1]
        var arguments = unsafe ck_orthogonal_add_backward_args()
        unsafe arguments.rows = Int64(x.count / columns)
        unsafe arguments.cols = Int64(columns)
        unsafe arguments.type = Element.storageType.code
        unsafe arguments.centred = centred ? 1 : 0
        unsafe arguments.epsilon = epsilon
        unsafe arguments.dh = UnsafeRawPointer(dh.pointer)
        unsafe arguments.dh_stride = Int64(columns)
        unsafe arguments.x = UnsafeRawPointer(x.pointer)
        unsafe arguments.x_stride = Int64(columns)
        unsafe arguments.update = UnsafeRawPointer(update.pointer)
        unsafe arguments.update_stride = Int64(columns)
        unsafe arguments.dx = UnsafeMutableRawPointer(dx.mutablePointer)
        unsafe arguments.dx_stride = Int64(columns)
        unsafe arguments.dupdate = UnsafeMutableRawPointer(dupdate.mutablePointer)
        unsafe arguments.dupdate_stride = Int64(columns)
        try check(unsafe ck_orthogonal_add_backward(&arguments, run.run))
    }
}
