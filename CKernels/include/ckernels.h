/// ckernels.h: everything. Each header also compiles alone.
#ifndef CKERNELS_H
#define CKERNELS_H

#include "ck_attention.h"
#include "ck_base.h"
#include "ck_channel_norm.h"
#include "ck_convert.h"
#include "ck_csr_norm.h"
#include "ck_csr_softmax.h"
#include "ck_inspect.h"
#include "ck_norm.h"
#include "ck_limits.h"
#include "ck_math.h"
#include "ck_norm_second_order.h"
#include "ck_orthogonal_add.h"
#include "ck_segment_norm.h"
#include "ck_mask.h"
#include "ck_matmul.h"
#include "ck_moments.h"
#include "ck_moments_backward.h"
#include "ck_score_softmax.h"
#include "ck_softmax.h"
#include "ck_softmax_state.h"

#endif
