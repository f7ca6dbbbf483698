// avx512_bf16.c: attention with the products of pairs of AVX512_BF16, norms with its rounding; all other kernels are
// those of avx512.c.

#include "isa/target.h"

#if CK_AVX512
CK_TARGET_BEGIN("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")
#define CK_SUFFIX avx512_bf16
#define V_DOTS_PAIRS 1
#include "vector/avx512.h"

#include "math/lane_sums.h"
#include "math/storage.h"
#include "math/moments.h"
#include "math/philox.h"
#include "math/exp.h"
#include "math/tanh.h"
#include "math/softmax.h"
#include "math/exact_sum.h"
#include "math/mask.h"

#include "kernels/norm_input.h"
#include "kernels/norm_moments.h"
#include "kernels/norm_row.h"
#include "kernels/norm_special_row.h"
#include "kernels/norm_rare_row.h"
#include "kernels/norm_short_body.h"
#include "kernels/reach_probe.h"
#include "kernels/norm_grouped_body.h"
#include "kernels/norm_body.h"
#include "kernels/norm_gradient_row.h"
#include "kernels/norm_backward_body.h"
#include "kernels/product_tile.h"
#include "kernels/attention_state.h"
#include "kernels/attention_keys.h"
#include "kernels/attention_body.h"

void ck_use_avx512_bf16(ck_kernel_table *table) {
    table->norm = norm_avx512_bf16;
    table->norm_backward = norm_backward_avx512_bf16;
    table->attention = attention_avx512_bf16;
    table->attention_parts = attention_parts_avx512_bf16;
    table->attention_merge = attention_merge_avx512_bf16;
}
CK_TARGET_END
#endif
