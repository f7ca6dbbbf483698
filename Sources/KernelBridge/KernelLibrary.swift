internal import CKernels

/// What the kernel library says of itself and of this machine.
package enum KernelLibrary {
    package static let version = unsafe String(cString: ck_inspect().version)
    /// "openmp", "dispatch" or "serial".
    package static let threading = unsafe String(cString: ck_inspect().threading)
    /// The BLAS that the OpenBLAS trait links, or "none".
    package static let blas = unsafe String(cString: ck_inspect().blas)
    package static let maximumThreads = unsafe Int(ck_inspect().max_threads)
    package static let lastCacheBytes = unsafe Int(ck_inspect().last_cache)

    static let compiled = unsafe ck_inspect().compiled
    static let available = unsafe ck_inspect().available
    static let chosen = unsafe ck_inspect().chosen
}
