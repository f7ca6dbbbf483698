// mistakes.h: the mistakes that kernelcheck_wrong can make, one at a time, chosen at run time:
//
//     KERNELCHECK_MISTAKE=long_store [KERNELCHECK_KERNEL=norm] kernelcheck_wrong --isa avx2 --family norm
//
// kernelcheck must notice each of them. Without a mistake the program must pass, so that it is the mistake that fails.

#ifndef KERNELCHECK_MISTAKES_H
#define KERNELCHECK_MISTAKES_H

/// In words of the vocabulary (wrong_kernels.c), and so in any kernel: KERNELCHECK_KERNEL, or all of them.
///
///     rounding         v_fma rounds twice: off by one unit in the last place now and then
///     ties             what is halfway between two bfloat16 numbers goes up in magnitude
///     one_lane         the last bit of lane 3 of every store is wrong
///     missing_tail     an incomplete store leaves out its last lane
///     long_store       an incomplete store writes one lane too many
///     long_load        an incomplete load reads all lanes, of which the right ones are kept
///     unswapped_pairs  pairs of bfloat16 numbers stay as they are where they should trade places
///
/// In a kernel as a whole (wrong_table.c): KERNELCHECK_KERNEL, or all of them.
///
///     nothing          the kernel does nothing
///
/// In certain kernels (wrong_table.c).
///
///     dropped_row      the last of a range of rows is left out
///     wrong_epsilon    epsilon is a thousandth too large
///     unmasked_leak    a causal mask lets one key too many through
///     by_thread        a part of the rows that does not begin at the first one differs in a bit: threads show
///     deep_stack       a kernel takes 512 KiB more of the stack
///
/// In an entry point (wrong_entry.c).
///
///     kept_overlap     an output that meets an input is not refused
#define CHECK_MISTAKES(MISTAKE)                                                                                \
    MISTAKE(rounding)                                                                                          \
    MISTAKE(ties)                                                                                              \
    MISTAKE(one_lane) MISTAKE(missing_tail) MISTAKE(long_store) MISTAKE(long_load) MISTAKE(unswapped_pairs)    \
        MISTAKE(nothing) MISTAKE(dropped_row) MISTAKE(wrong_epsilon) MISTAKE(unmasked_leak) MISTAKE(by_thread) \
            MISTAKE(deep_stack) MISTAKE(kept_overlap)

typedef enum check_mistake {
    MISTAKE_none,
#define CHECK_MISTAKE(name) MISTAKE_##name,
    CHECK_MISTAKES(CHECK_MISTAKE)
#undef CHECK_MISTAKE
} check_mistake;

/// The one that is made. Set before main, then constant.
extern check_mistake chosen_mistake;

#endif
