// all_kernels.h: every body, compiled for the instruction set whose vocabulary is in scope, and the
// table that names them. The including file defines CK_SUFFIX; nothing here knows which one it is.

#define CK_JOIN_(a, b) a##_##b
#define CK_JOIN(a, b) CK_JOIN_(a, b)
#define CK_KERNEL(name) static void CK_JOIN(name, CK_SUFFIX)

#include "math/lane_sums.h"
#include "math/storage.h"
#include "math/moments.h"
#include "math/philox.h"
#include "math/exp.h"
#include "math/tanh.h"
#include "math/softmax.h"
#include "math/mask.h"

#include "kernels/norm_input.h"
#include "kernels/norm_moments.h"
#include "kernels/norm_row.h"
#include "kernels/norm_special_row.h"
#include "kernels/norm_rare_row.h"
#include "kernels/norm_short_body.h"
#include "kernels/norm_streamed_body.h"
#include "kernels/norm_body.h"
#include "kernels/norm_backward_body.h"
#include "kernels/norm_double_backward_body.h"
#include "kernels/csr_norm_body.h"
#include "kernels/csr_norm_backward_body.h"
#include "kernels/orthogonal_row.h"
#include "kernels/orthogonal_add_body.h"
#include "kernels/orthogonal_add_backward_body.h"
#include "kernels/merge_sums_body.h"
#include "kernels/channel_region_access.h"
#include "kernels/channel_moments_body.h"
#include "kernels/channel_coefficients_body.h"
#include "kernels/channel_norm_body.h"
#include "kernels/channel_gradient_sums_body.h"
#include "kernels/channel_gradient_body.h"
#include "kernels/row_moments_body.h"
#include "kernels/convert_body.h"
#include "kernels/row_sums_body.h"
#include "kernels/softmax_passes.h"
#include "kernels/softmax_group_body.h"
#include "kernels/softmax_body.h"
#include "kernels/softmax_backward_body.h"
#include "kernels/score_rows.h"
#include "kernels/score_softmax_body.h"
#include "kernels/score_softmax_backward_body.h"
#include "kernels/product_tile.h"
#include "kernels/attention_state.h"
#include "kernels/attention_keys.h"
#include "kernels/attention_body.h"
#include "kernels/attention_backward_body.h"
#include "kernels/functions_body.h"
#include "kernels/limits_body.h"

#define CK_ENTRY(name, parameters) .name = CK_JOIN(name, CK_SUFFIX),
const ck_kernel_table CK_JOIN(ck_table, CK_SUFFIX) = {CK_KERNELS(CK_ENTRY)};
