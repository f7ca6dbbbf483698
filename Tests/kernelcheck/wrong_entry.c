// wrong_entry.c: ck_softmax, which on request does not refuse an output that meets an input.

#include "entry/arguments.h"
#include "mistakes.h"

static ck_status forgetful_check_output(ck_area output, const ck_area *others, int count, int in_place) {
    return chosen_mistake == MISTAKE_kept_overlap ? CK_OK : ck_check_output(output, others, count, in_place);
}
#define ck_check_output forgetful_check_output
#include "entry/softmax.c"
