// wrong_table.c: the library's choice of a table of kernels, with a wrong table in place of AVX2's (or NEON's): the
// right one but for the kernels that make the chosen mistake. Merges of states have a table of their own.

#include "dispatch/kernel_table.h"

static ck_kernel_table wrong_table;
static ck_merge_table wrong_merges;
static const ck_merge_table *right_merges(void) { return &ck_table_merges; }
#define ck_table_merges wrong_merges
#if CK_X86
#define right_table ck_table_avx2
static const ck_kernel_table *the_right_one(void) { return &right_table; }
#define ck_table_avx2 wrong_table
#else
#define right_table ck_table_neon
static const ck_kernel_table *the_right_one(void) { return &right_table; }
#define ck_table_neon wrong_table
#endif
#include "dispatch/select.c"

#include <stdio.h>

#include "mistakes.h"

check_mistake chosen_mistake;

/// Built from a vocabulary with the mistake: wrong_kernels.c.
extern const ck_kernel_table ck_table_wrong;

static const char *const mistake_names[] = {"none",
#define NAME(name) #name,
                                            CHECK_MISTAKES(NAME)
#undef NAME
};
enum { MISTAKES = sizeof mistake_names / sizeof *mistake_names };

#define IDLE(name, parameters) \
    static void idle_##name parameters {}
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
CK_KERNELS(IDLE)
CK_MERGES(IDLE)
#pragma GCC diagnostic pop
#define ENTRY(name, parameters) .name = idle_##name,
static const ck_kernel_table idle_table = {CK_KERNELS(ENTRY)};
static const ck_merge_table idle_merges = {CK_MERGES(ENTRY)};

static void norm_without_last_row(const ck_norm_args *args, int is_centred, int64_t begin, int64_t end,
                                  ck_reach reach) {
    the_right_one()->norm(args, is_centred, begin, end - 1, reach);
}

static void norm_of_another_epsilon(const ck_norm_args *args, int is_centred, int64_t begin, int64_t end,
                                    ck_reach reach) {
    ck_norm_args wrong = *args;
    wrong.epsilon *= 1.001f;
    the_right_one()->norm(&wrong, is_centred, begin, end, reach);
}

static void norm_by_thread(const ck_norm_args *args, int is_centred, int64_t begin, int64_t end, ck_reach reach) {
    the_right_one()->norm(args, is_centred, begin, end, reach);
    int64_t size = args->type == CK_F32 ? 4 : 2;
    if (begin > 0 && begin < end && args->y) ((char *)args->y)[begin * args->y_stride * size] ^= 1;
}

static void score_softmax_of_the_future(const ck_score_softmax_args *args, int64_t begin, int64_t end, int streaming) {
    ck_score_softmax_args wrong = *args;
    wrong.mask.offset += wrong.mask.causal != 0;
    the_right_one()->score_softmax(&wrong, begin, end, streaming);
}

static void attention_of_the_future(const ck_attention_args *args, const ck_attention_plan *plan, int64_t begin,
                                    int64_t end, float *space) {
    ck_attention_args wrong = *args;
    wrong.mask.offset += wrong.mask.causal != 0;
    the_right_one()->attention(&wrong, plan, begin, end, space);
}

static void deep_softmax(const ck_softmax_args *args, int64_t begin, int64_t end, int streaming) {
    volatile char much[512 << 10];
    for (size_t i = 0; i < sizeof much; i += 512) much[i] = 1;
    the_right_one()->softmax(args, begin, end, streaming);
}

/// Replaces the kernels of this name, or all of them, by those of `wrong`; how many.
static int replace_kernels(const char *name, const ck_kernel_table *wrong) {
    int replaced = 0;
#define REPLACE(member, parameters)            \
    if (!name || strcmp(name, #member) == 0) { \
        wrong_table.member = wrong->member;    \
        replaced++;                            \
    }
    CK_KERNELS(REPLACE)
#undef REPLACE
    return replaced;
}

/// Merges use no words of the vocabulary: their one mistake is to do nothing.
static int idle_merge(const char *name) {
    int replaced = 0;
#define REPLACE(member, parameters)               \
    if (!name || strcmp(name, #member) == 0) {    \
        wrong_merges.member = idle_merges.member; \
        replaced++;                               \
    }
    CK_MERGES(REPLACE)
#undef REPLACE
    return replaced;
}

/// Names that mean nothing end the program: nothing would be wrong, and nothing shown.
__attribute__((constructor)) static void make_mistake(void) {
    const char *mistake = getenv("KERNELCHECK_MISTAKE"), *kernel = getenv("KERNELCHECK_KERNEL");
    int replaced = 1, chosen = 0;
    wrong_table = *the_right_one();
    wrong_merges = *right_merges();
    while (chosen < MISTAKES && strcmp(mistake ? mistake : "none", mistake_names[chosen]) != 0) chosen++;
    chosen_mistake = (check_mistake)chosen;
    switch (chosen_mistake) {
    case MISTAKE_nothing: replaced = replace_kernels(kernel, &idle_table) + idle_merge(kernel); break;
    case MISTAKE_dropped_row: wrong_table.norm = norm_without_last_row; break;
    case MISTAKE_wrong_epsilon: wrong_table.norm = norm_of_another_epsilon; break;
    case MISTAKE_by_thread: wrong_table.norm = norm_by_thread; break;
    case MISTAKE_unmasked_leak:
        wrong_table.score_softmax = score_softmax_of_the_future;
        wrong_table.attention = attention_of_the_future;
        break;
    case MISTAKE_deep_stack: wrong_table.softmax = deep_softmax; break;
    case MISTAKE_kept_overlap: break;
    default: replaced = replace_kernels(kernel, &ck_table_wrong);
    }
    if (chosen < MISTAKES && replaced > 0) return;
    fprintf(stderr, "kernelcheck_wrong: no such mistake or kernel\n");
    exit(2);
}
