// arguments.c: the family arguments: what entry points refuse and accept; ck_run; texts and names.

#include "arguments_norm.h"

#include <math.h>
#include <string.h>

#include "families.h"

/// Every value of ck_status and ck_isa has a text of its own; others have one, too.
static void check_texts(check *c) {
    check_begin(c);
    check_describe(c, "texts");
    for (int a = CK_OK; a <= CK_BLAS_UNAVAILABLE; a++)
        for (int b = a + 1; b <= CK_BLAS_UNAVAILABLE + 1; b++)
            check_that(c, strcmp(ck_status_text((ck_status)a), ck_status_text((ck_status)b)) != 0,
                       "two statuses, one text");
    for (int a = CK_ISA_AUTO; a <= CK_ISA_NEON; a++)
        for (int b = a + 1; b <= CK_ISA_NEON + 1; b++)
            check_that(c, strcmp(ck_isa_name((ck_isa)a), ck_isa_name((ck_isa)b)) != 0,
                       "two instruction sets, one name");
    check_that(c, ck_status_text((ck_status)-1) != NULL && ck_status_text((ck_status)1000) != NULL,
               "a status without text");
    check_that(c, strcmp(ck_isa_name((ck_isa)-1), "unknown") == 0, "a name for no instruction set");
}

static void check_inspection(check *c) {
    ck_inspection seen = ck_inspect();
    check_begin(c);
    check_describe(c, "ck_inspect");
    check_that(c, (seen.available & ~seen.compiled) == 0, "available, but not compiled");
    check_that(c, seen.available >> CK_ISA_PORTABLE & 1, "portable is not available");
    check_that(c, seen.available >> seen.chosen == 1, "chosen is not the highest available");
    check_that(c, !(seen.compiled >> CK_ISA_NEON & 1) || !(seen.compiled >> CK_ISA_AVX2 & 1), "NEON beside AVX2");
    check_that(c, seen.max_threads >= 1 && seen.last_cache > 0, "no threads or no cache");
    check_that(c, seen.version && seen.threading && seen.blas, "a text is missing");
}

void check_arguments(check *c) {
    board b = board_make();
    check_texts(c);
    check_inspection(c);
    check_norm_arguments(c, &b);
    check_norm_backward_arguments(c, &b);
    check_norm_residual_arguments(c, &b);
    check_norm_residual_backward_arguments(c, &b);
    check_norm_pairs(c, &b);
    check_channel_norm_arguments(c, &b);
    check_convert_arguments(c, &b);
    check_limits_arguments(c, &b);
    check_math_arguments(c, &b);
    check_segment_norm_arguments(c, &b);
    check_softmax_arguments(c, &b);
    check_csr_softmax_arguments(c, &b);
    check_score_softmax_arguments(c, &b);
    check_attention_arguments(c, &b);
    check_attention_backward_arguments(c, &b);
    check_matmul_arguments(c, &b);
    board_free(&b);
}
