// contract.h: what each name of the vector vocabulary means. It holds no code: portable.h, avx2.h,
// avx512.h and neon.h define exactly these names, with exactly these results.
//
// A vector `vf` is 16 binary32 lanes on every instruction set (1 zmm, 2 ymm, 4 q registers, an array).
// Every operation rounds once, to nearest even; nothing is flushed to zero; nothing is contracted.
//
//   V_TOGETHER                how many vectors of sums a loop may keep in registers beside each other:
//                             4, or 2 where there are 16 registers of a half or quarter vector
//   V_SUMS                    how many vectors of sums registers hold while two more and a factor are in them
//   V_NEAREST_WISH            bytes ahead at which rows that bypass the caches ask for lines: once, or again at twice
//   V_FARTHEST_WISH           the distance up to this one, where a processor forgets some wishes
//   V_STREAMED_TOGETHER       how many rows of at most 512 columns bypass the caches together
//   V_STRETCH                 columns of one output that bypass the caches before those of another, a multiple of 64
//   v_zero()                  +0.0 in every lane
//   v_set(a)                  a in every lane
//   v_load(p)                 lane l = p[l], any alignment
//   v_load_n(p, n)            the first n lanes as v_load, +0.0 in the others; reads nothing else
//   v_store(p, a)             p[l] = lane l
//   v_store_n(p, n, a)        the first n lanes; writes nothing else
//   v_stream(p, a)            v_store past the caches; p is a multiple of 64 bytes
//   v_stream_end()            orders the streamed stores before what follows
//   v_fetch(p)                asks for the cache line at p, into the second cache level (any address)
//   v_fetch_to_write(p)       v_fetch of a line that will be written
//   v_keep_n(n, a)            the first n lanes of a, +0.0 in the others
//   v_keep_n_or(n, a, b)      the first n lanes of a, those of b in the others
//   v_keep_bits(bits, a)      lane l of a where bit l of `bits` is set, +0.0 in the others
//   v_where_bits(bits, a, b)  lane l of a where bit l of `bits` is set, else that of b
//   v_bits_of_bytes(p)        bit l is set where p[l] is not 0, for 16 bytes
//   vw                        8 words of 32 bits, each the lower half of a place of 64 bits; upper halves are never read
//   vw_set(a) vw_count(a)     a, a + l in place l
//   vw_mul(a, b)              the products, which fill their places; vw_upper(a): the upper halves as words
//   vw_xor(a, b)              the words, by bits
//   vw_bits_at_least(a, b)    bit l is set where a >= b
//   vh_load vh_load_n vh_store vh_store_n vh_stream
//                             the same for `vh`, 16 patterns of 16 bits (uint16_t); vh_stream wants 32 bytes
//   v_widen_bf16(h)           bfloat16 numbers, widened exactly; v_widen_f16: those of binary16
//   v_round_bf16(a)           to bfloat16, nearest even: too large becomes infinity, subnormals stay, a NaN
//   v_round_f16(a)            stays a NaN; and to binary16
//   v_round_bf16_normal(a)    v_round_bf16 where no lane is subnormal, other than 0
//   v_store_s8_n(p, n, a)     the first n lanes to int8_t, nearest even; every lane is within -127.5 ... 127.5
//   v_add v_sub v_mul (a, b)  a + b, a - b, a * b
//   v_div v_sqrt              a / b, the square root of a, correctly rounded
//   v_floor_zero(a)           +0.0 where a < 0, else a (also if it is a NaN)
//   v_at_least(a, b)          b where a < b, else a (also if it is a NaN)
//   v_at_most(a, b)           b where a > b, else a (also if it is a NaN)
//   v_where_less(a, b, x, y)  x where a < b, else y
//   v_abs(a)                  a without its sign
//   v_copy_sign(a, b)         a with the sign of b
//   v_scale_by_power(a, k)    a * 2^k, rounded once, for an integer |k| <= 252 and an |a| from 2^-100 to 2^100 or 0;
//                             NaN where a is one, whatever k is
//   v_power_of_two(a)         2^n where a is 3 * 2^22 + 127 + n, for integers -126 <= n <= 127: bits 23 places to the left
//   v_pair_bf16(a, b)         in each lane the bfloat16 numbers a (upper half) and b (lower half); a and b are such
//   v_pairs_of(a, b)          the 16 pairs of 16-bit patterns, lower halves first, that a and then b are in memory
//   v_swap_pairs(a)           lanes as pairs: upper and lower half trade places
//   v_dot_pairs(a, b, c)      lanes of a and b as pairs: fma of the lower ones onto fma of the upper ones onto c, while
//                             no step meets a subnormal number other than 0
//   V_DOTS_PAIRS              1 if v_dot_pairs takes no longer than v_fma
//   v_fma(a, b, c)            a * b + c, rounded once
//   v_fms(a, b, c)           a * b - c, rounded once
//   v_fnma(a, b, c)           c - a * b, rounded once
//   v_turn(rows, i, to, pitch)  to[pitch * l + r] = rows[r][i + l], for 16 rows of 16
//   v_outside(n, a, lo, hi)   bit l is set if l < n and lane l is not within lo ... hi (a NaN is not)
//   v_magnitude(m, a)         lane-wise larger of m and |a|, compared as integers: NaN above infinity
//   v_fold_add(a)             lane j += lane j + 8, then 4, 2, 1; lane 0
//   v_fold_add_rows(rows)     lane l = v_fold_add(rows[l]), for 16 vectors
//   v_fold_magnitude(a)       the largest lane, compared as v_magnitude does
//   v_fold_most(a)            the largest lane, of two zeros either one; no lane is a NaN
//   v_fold_most_rows(rows)    lane l = v_fold_most(rows[l]), for 16 vectors
//   vx_zero()                 16 whole numbers of 64 bits, all 0: sums that do not depend on an order (math/exact_sum.h)
//   vx_add(s, a)              lane + a * 2^50, that rounded to a whole number first; modulo 2^64. |a| <= 2; where a is
//                             a NaN, its payload shows
//   vx_add_product(s, a, b)   lane + a * b * 2^50, likewise, from the exact product; |a * b| <= 2
//   vx_store(p, s)            p[l] = lane l
//   s_sqrt(a)                 the correctly rounded square root of one float
//   s_fma(a, b, c)            a * b + c of floats, rounded once
//
// An `n` may be any integer: <= 0 means no lane, >= 16 all of them.
