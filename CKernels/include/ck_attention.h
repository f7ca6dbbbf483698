/// ck_attention.h: scaled-dot-product attention without a matrix of scores; float32, bfloat16, float16.
///
///     s[i][j]   = mask(scale * sum_d query[i][d] * key[j][d])               ck_mask.h: in which order, and who takes part
///     output[i] = sum_j k[i][j] * e^s[i][j] * value[j] / (e^sink + sum_j e^s[i][j])       k: dropout; without, 1
///     log_sum_exp[i] = ln(e^sink + sum_j e^s[i][j])
///
/// for each batch entry and query head; a key head serves query_heads / key_heads query heads that follow each other.
///
/// Precision: binary32, by the arithmetic contract (the article "One answer"): the same bits on every instruction set and
/// thread count, for a row alone or among others. Where query, key and value are bfloat16, e^s is rounded to it before it
/// meets the values. A query without keys is 0, its log_sum_exp -infinity. Source of the
/// method: online softmax (Milakov and Gimelshein, 2018), FlashAttention (Dao et al., 2022).
#ifndef CK_ATTENTION_H
#define CK_ATTENTION_H

#include <stddef.h>

#include "ck_base.h"
#include "ck_mask.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Keys that lie in pages: key j of a batch entry is row j % page_size of page table[batch * table_stride + j / page_size].
typedef struct ck_pages {
    const int32_t *table;   ///< NULL: no pages
    int64_t table_stride;   ///< entries from batch entry to batch entry; 0 where all share the same pages
    int64_t page_size;      ///< rows in a page, >= 1
    int64_t count;          ///< of pages in memory; entries of the table are within 0 ..< count
} ck_pages;

/// Arguments of `ck_attention`. Strides count elements; the last axis is contiguous.
///
/// Packed: with `query_offsets`, `key_offsets` or both, entries of the batch follow each other without padding: entry b has
/// the queries (keys) offset[b] ..< offset[b + 1] of one long axis, whose strides.batch is not used; `queries` and `keys`
/// are then the largest count of an entry. Positions and ranges of the mask begin with each entry.
///
/// Keys and values in a block of 64 keys (counted from key 0) may be read as far as the range of keys of some query reaches
/// into it; nothing of those that take no part shows.
///
/// Paged: strides.batch of key and value go from page to page. Key offsets and pages exclude each other.
///
/// Dropout: k is 0 with this probability, otherwise 1 / (1 - dropout). Which it is depends on the seed, the batch entry,
/// the query head, the query first_query + i and the key j alone (packed and paged ones count from their entry's first).
/// Queries end at 2^32.
typedef struct ck_attention_args {
    int64_t batch, query_heads, key_heads;  ///< >= 0; query_heads is a multiple of key_heads
    int64_t queries, keys;                  ///< >= 0
    int64_t head_size;                      ///< of query and key, 1 ... 512
    int64_t value_size;                     ///< of value and output, 1 ... 512
    ck_type type;                           ///< of query and output
    ck_type key_type;                       ///< of key and value
    const void *query;                      ///< [batch, query_heads, queries, head_size]
    ck_strides query_strides;
    const void *key;                        ///< [batch, key_heads, keys, head_size]
    ck_strides key_strides;
    const void *value;                      ///< [batch, key_heads, keys, value_size]
    ck_strides value_strides;
    float scale;                            ///< often 1 / sqrt(head_size)
    ck_mask mask;                           ///< its heads are the query heads
    void *output;                           ///< [batch, query_heads, queries, value_size]
    ck_strides output_strides;
    float *log_sum_exp;                     ///< [batch, query_heads, queries] or NULL
    float *log_sum_exp_low;                 ///< what its rounding lost, likewise; for gradients under large scores
    ck_strides log_sum_exp_strides;         ///< of both
    const int64_t *query_offsets;           ///< [batch + 1] or NULL
    const int64_t *key_offsets;             ///< [batch + 1] or NULL
    ck_pages pages;                         ///< of key and value
    void *workspace;                        ///< ck_attention_workspace(args, run) bytes, a multiple of 64
    size_t workspace_size;
    float dropout;                          ///< probability, 0 <= dropout < 1
    uint64_t seed;                          ///< of dropout
    int64_t first_query;                    ///< number of query 0 in the whole sequence, >= 0: for dropout
} ck_attention_args;

/// Bytes of workspace: for each thread one block of keys, and the scores with it and sums of up to 192 queries. It grows
/// with the keys only where few queries are shared by several threads: by the sums of these queries for each 512 keys. 0
/// for wrong sizes and where nothing is to be done.
CK_API size_t ck_attention_workspace(const ck_attention_args *args, ck_run run);

CK_API ck_status ck_attention(const ck_attention_args *args, ck_run run);

/// Arguments of `ck_attention_backward`. With p[i][j] = e^(s[i][j] - log_sum_exp[i]):
///
///     dvalue[j] = sum_i k[i][j] * p[i][j] * doutput[i]
///     delta[i]  = sum_d doutput[i][d] * output[i][d]
///     ds[i][j]  = p[i][j] * (k[i][j] * sum_d doutput[i][d] * value[j][d] - delta[i])
///     dquery[i] = scale * sum_j ds'[i][j] * key[j],     dkey[j] = scale * sum_i ds'[i][j] * query[i]
///     dbias = ds,   dslopes = ds * (j - position),   dsinks = -e^(sink - log_sum_exp) * delta
///
/// where ds' is ds times the derivative of the softcap, and the last line is summed over what shares an element, as in
/// ck_score_softmax.h. Sums over query heads of a key head are in the order of queries, heads within them. Where p is 0
/// nothing is added, whatever stands there. Pages are refused. Without batch entries or query heads nothing is done.
typedef struct ck_attention_backward_args {
    ck_attention_args forward;  ///< as the forward pass had them; output, log_sum_exp (not NULL) and log_sum_exp_low
                                ///< (or NULL) are what it wrote: others give numbers that mean nothing, and not the
                                ///< same on every instruction set; its workspace is not used
    const void *doutput;        ///< [batch, query_heads, queries, value_size], of forward.type
    ck_strides doutput_strides;
    void *dquery;               ///< as query, or NULL
    ck_strides dquery_strides;
    void *dkey;                 ///< as key, or NULL
    ck_strides dkey_strides;
    void *dvalue;               ///< as value, or NULL
    ck_strides dvalue_strides;
    void *workspace;            ///< ck_attention_backward_workspace(args, run) bytes, a multiple of 64
    size_t workspace_size;
    float *dbias;               ///< NULL, or the gradient of a bias [batch, query_heads, queries, keys] of these strides:
    ck_strides dbias_strides;   ///< 0 along an axis of more than one: a sum over it
    float *dslopes, *dsinks;    ///< [query_heads] or NULL; dsinks with sinks only
} ck_attention_backward_args;

/// For each thread some blocks of 64 x 64 scores and, for each query of one key head, head_size + 1 floats, 33 more with
/// dslopes; for all queries of all heads a float with dslopes and one with dsinks.
CK_API size_t ck_attention_backward_workspace(const ck_attention_backward_args *args, ck_run run);

CK_API ck_status ck_attention_backward(const ck_attention_backward_args *args, ck_run run);

#ifdef __cplusplus
}
#endif
#endif
