// peer_ckernels.c: CKernels as a peer of the harness that times other libraries (README.md beside this file).

#include <ckernels.h>
#include <stdio.h>
#include <stdlib.h>

#include "peer_abi.h"

static int threads = 1;

void peer_init(int count) { threads = count; }

const char *peer_version(void) {
    static char text[64];
    ck_inspection i = ck_inspect();
    snprintf(text, sizeof text, "ckernels %s %s %s", i.version, ck_isa_name(i.chosen), i.threading);
    return text;
}

/// A result that was not computed must not be timed.
static void expect_ok(ck_status status) {
    if (status == CK_OK) return;
    fprintf(stderr, "ckernels: %s\n", ck_status_text(status));
    exit(1);
}

void peer_ln_f32(const struct peer_args *a) {
    ck_norm_args args = {
        .rows = a->rows, .cols = a->cols, .x = a->p[0], .x_stride = a->cols, .weight = a->p[1], .bias = a->p[2],
        .epsilon = 1e-5f, .y = a->p[3], .y_stride = a->cols,
    };
    expect_ok(ck_layer_norm(&args, (ck_run){.threads = threads == 1}));
}

void peer_lnbwd_f32(const struct peer_args *a) {
    static void *workspace;
    static size_t size;
    size_t needed = ck_norm_backward_workspace(a->rows, a->cols, 0);
    if (needed > size) {
        free(workspace);
        workspace = aligned_alloc(64, size = (needed + 63) / 64 * 64);
    }
    ck_norm_backward_args args = {
        .rows = a->rows, .cols = a->cols, .dy = a->p[0], .dy_stride = a->cols, .x = a->p[1], .x_stride = a->cols,
        .weight = a->p[4], .mean = a->p[2], .rstd = a->p[3], .dx = a->p[6], .dx_stride = a->cols, .dweight = a->p[7],
        .dbias = a->p[8], .workspace = workspace, .workspace_size = size,
    };
    expect_ok(ck_layer_norm_backward(&args, (ck_run){.threads = threads == 1}));
}
