// attention_shapes.c: the shapes that both families of attention go through.

#include "attention_shapes.h"

const int64_t attention_many_keys[11] = {127, 128, 511, 512, 513, 575, 577, 1024, 1025, 1100, 1600};

void attention_compare_shapes(check *c, attention_problem *p, const attention_memory *m, attention_comparison compare) {
    static const int64_t sizes[] = {64, 65, 80, 112, 128, 129, 192, 256, 320, 511, 512};
    int repeats = attention_repeats(c);
    for (int64_t n = 0; n <= 70 * repeats; n++) {  // as many queries as keys, fewer, more
        int64_t keys = n % 71, queries[] = {keys > 0 ? keys : 1, 1 + keys / 3, 1 + random_below(&c->random, 70)};
        int kinds = (int)random_below(&c->random, ALL_KINDS + 1);
        attention_shape s = attention_shape_draw(c, 1 + n % 2, queries[n % 3], keys, kinds);
        if (n % 3 == 2 || c->quick) s.query_heads = s.key_heads;
        compare(c, p, m, s);
    }
    for (int n = 0; n < (ALL_KINDS + 1) * repeats; n++)
        compare(c, p, m,
                attention_shape_draw(c, 1 + n % 3, 1 + random_below(&c->random, 5), 10 + n * 7 % 131, n & ALL_KINDS));
    for (int n = 0; n < 11 * repeats; n++) {
        attention_shape s = attention_shape_draw(c, 1, 1 + n * 5 % 14, 1 + random_below(&c->random, 80), 0);
        s.head_size = sizes[n % 11];
        s.value_size = sizes[(n * 3 + n / 11) % 11];
        compare(c, p, m, s);
    }
}
