/// ck_base.h: what every kernel call shares: status codes, instruction sets, how to run.
///
/// Every entry point checks its arguments first and writes nothing when it returns another status
/// than CK_OK. Nothing here aborts, prints or keeps a pointer after the call. The floating-point environment is the
/// one a process starts with (round to nearest, subnormals kept); another one changes bits.
#ifndef CK_BASE_H
#define CK_BASE_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define CK_API __attribute__((visibility("default"), warn_unused_result))
#else
#define CK_API
#endif

/// What a call answers. `ck_status_text` gives each code a sentence.
typedef enum ck_status {
    CK_OK = 0,
    CK_NULL_POINTER,         ///< a pointer that the call needs is NULL
    CK_MISALIGNED_POINTER,   ///< a pointer is not aligned as the call needs it
    CK_BAD_SHAPE,            ///< a negative count, or rows of no columns
    CK_BAD_STRIDE,           ///< rows closer together than they are long
    CK_SIZE_OVERFLOW,        ///< the tensor would not fit the address space
    CK_BAD_EPSILON,          ///< epsilon is negative, infinite or NaN
    CK_OVERLAP,              ///< an output shares memory with another argument in a way that would corrupt it
    CK_WORKSPACE_TOO_SMALL,  ///< the workspace is smaller than the query function asks for
    CK_UNKNOWN_ISA,          ///< not a value of ck_isa
    CK_ISA_UNAVAILABLE,      ///< this build or this machine does not have the instruction set asked for
    CK_BAD_THREADS,          ///< a negative thread count
    CK_UNKNOWN_TYPE,         ///< not a value of ck_type
    CK_UNKNOWN_LAYOUT,       ///< not a value of ck_layout
    CK_BAD_MOMENTS,          ///< moments of a negative count, or of no elements where some are needed, or a negative m2
    CK_BAD_PARAMETER,        ///< a number that is NaN, infinite or outside its range
    CK_BAD_OFFSETS,          ///< offsets do not begin at 0, decrease, or do not end at the count
    CK_BAD_LENGTHS,          ///< a length that is negative or more than there are keys
    CK_BLAS_UNAVAILABLE,     ///< this build links no BLAS
} ck_status;

/// One sentence for a status; never NULL, also for values that are not a ck_status.
CK_API const char *ck_status_text(ck_status status);

/// How numbers are stored. Arithmetic is binary32 for all of them: what is stored otherwise is widened exactly when it
/// is read, and rounded once, to nearest even, when it is written.
typedef enum ck_type {
    CK_F32 = 0,  ///< IEEE binary32, float
    CK_BF16,     ///< bfloat16: the upper half of a binary32
    CK_F16,      ///< IEEE binary16
} ck_type;

/// The instruction sets that kernels are compiled for. All of them give the same bits.
typedef enum ck_isa {
    CK_ISA_AUTO = 0,  ///< the fastest one that this machine has
    CK_ISA_PORTABLE,  ///< C, no vector instructions asked for
    CK_ISA_AVX2,      ///< x86-64 AVX2, FMA and F16C
    CK_ISA_AVX512,    ///< x86-64 AVX-512 F, BW, DQ and VL
    CK_ISA_AVX512_BF16,  ///< the same and AVX512_BF16, which attention of bfloat16 uses
    CK_ISA_NEON,      ///< arm64
} ck_isa;

/// How to run one call. `(ck_run){0}` is right for nearly everybody.
typedef struct ck_run {
    ck_isa isa;       ///< CK_ISA_AUTO, or the one to use
    int32_t threads;  ///< 0: as many as the work is worth; otherwise at most this many (never more than 4 a core or 16)
} ck_run;

#ifdef __cplusplus
}
#endif
#endif
