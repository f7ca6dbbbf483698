// inspect.c: texts and facts for people: versions, names, statuses.

#include "ck_inspect.h"

#include "dispatch/select.h"
#include "parallel/blas.h"
#include "parallel/blocks.h"

ck_inspection ck_inspect(void) {
    return (ck_inspection){
        .version = "0.1.0",
        .compiled = ck_isas_compiled(),
        .available = ck_isas_available(),
        .chosen = ck_isa_chosen(),
        .threading = ck_threading(),
        .max_threads = ck_max_threads(),
        .last_cache = ck_last_cache(),
        .blas = ck_blas(),
    };
}

const char *ck_isa_name(ck_isa isa) {
    switch (isa) {
    case CK_ISA_AUTO: return "auto";
    case CK_ISA_PORTABLE: return "portable";
    case CK_ISA_AVX2: return "avx2";
    case CK_ISA_AVX512: return "avx512";
    case CK_ISA_AVX512_BF16: return "avx512bf16";
    case CK_ISA_NEON: return "neon";
    }
    return "unknown";
}

const char *ck_status_text(ck_status status) {
    switch (status) {
    case CK_OK: return "done";
    case CK_NULL_POINTER: return "a pointer that the call needs is NULL";
    case CK_MISALIGNED_POINTER: return "a pointer is not aligned as the call needs it";
    case CK_BAD_SHAPE: return "a count is negative, or rows have no columns";
    case CK_BAD_STRIDE: return "rows are closer together than they are long";
    case CK_SIZE_OVERFLOW: return "the tensor does not fit the address space";
    case CK_BAD_EPSILON: return "epsilon is negative, infinite or NaN";
    case CK_OVERLAP: return "an output shares memory with another argument";
    case CK_WORKSPACE_TOO_SMALL: return "the workspace is smaller than the call needs";
    case CK_UNKNOWN_ISA: return "not an instruction set of this library";
    case CK_ISA_UNAVAILABLE: return "this build or this machine does not have the instruction set";
    case CK_BAD_THREADS: return "the thread count is negative";
    case CK_UNKNOWN_TYPE: return "not a type of elements";
    case CK_UNKNOWN_LAYOUT: return "not a layout of channels";
    case CK_BAD_MOMENTS: return "moments of too few elements, or with a negative sum of squares";
    case CK_BAD_PARAMETER: return "a number is NaN, infinite or outside its range";
    case CK_BAD_OFFSETS: return "offsets do not begin at 0, decrease, or do not end at the count";
    case CK_BAD_LENGTHS: return "a length is negative or more than there are keys";
    case CK_BLAS_UNAVAILABLE: return "this build links no BLAS";
    }
    return "not a status of this library";
}
