internal import CKernels
package import Tensors

/// The door to `ck_convert`: shapes have been checked, pointers are made here.
package enum ConvertKernels {
    /// Elements of `x`, which is contiguous or has contiguous rows, into `y`, which is contiguous. Both have the same
    /// shape and at least one element.
    package static func convert<Element: KernelElement, Other: KernelElement>(
        _ x: Tensor<Element>, into y: inout Tensor<Other>, run: KernelRun
    ) throws(NormalizationError) {
        y.makeUniqueForOverwriting()
        let output = y
        if x.isContiguous {
            let all = RowRun(rows: 1, firstRow: 0, source: (x.offset, x.count), destination: (y.offset, x.count))
            return try convert(all, columns: x.count, of: x, to: output, run: run)
        }
        try x.forEachRowRun(with: output) { (rows: RowRun) throws(NormalizationError) in
            try convert(rows, columns: x.shape[x.shape.rank - 1], of: x, to: output, run: run)
        }
    }

    private static func convert<Element: KernelElement, Other: KernelElement>(
        _ rows: RowRun, columns: Int, of x: Tensor<Element>, to y: Tensor<Other>, run: KernelRun
    ) throws(NormalizationError) {
        var arguments = unsafe ck_convert_args()
        unsafe arguments.rows = Int64(rows.rows)
        unsafe arguments.cols = Int64(columns)
        unsafe arguments.x = UnsafeRawPointer(x.storage.base + rows.source.start)
        unsafe arguments.x_type = Element.storageType.code
        unsafe arguments.x_stride = Int64(rows.source.stride)
        unsafe arguments.y = UnsafeMutableRawPointer(y.storage.base + rows.destination.start)
        unsafe arguments.y_type = Other.storageType.code
        unsafe arguments.y_stride = Int64(rows.destination.stride)
        try check(unsafe ck_convert(&arguments, run.run))
    }
}
