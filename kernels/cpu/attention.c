/* Attention by blocks of queries and keys (Dao et al. 2022, FlashAttention, algorithms 1 and
 * 4): scratch holds the scores of one block, never the whole matrix. */
#include "cpu.h"
#include "product.h"
#include "vmath.h"

#include <math.h>

/* One head of one sequence. Rows of q, k and v are `step` apart, of outputs `width`. */
struct head {
    const real *q, *k, *v;
    const real *out, *grad_out; /* backward */
    real *grad_q, *grad_k, *grad_v;
    real *result; /* forward */
    real *lse;
    const struct esp_cpu_state *state;
    real *scores, *grad_scores; /* [ESP_CPU_QUERIES, ESP_CPU_KEYS] */
    real *row;                  /* 3 · ESP_CPU_QUERIES */
    int64_t step, width;
    int depth; /* D */
    int context;
    bool causal;
    real scale; /* 1/√D */
};

/* A block: queries first_query …, keys first_key …. */
struct block {
    int first_query, queries;
    int first_key, keys;
};

/* Number of keys of the block that query i of the block may see; may be 0. */
ESP_INLINE int visible(const struct head *h, const struct block *b, int i)
{
    if (!h->causal) {
        return b->keys;
    }
    int seen = b->first_query + i + 1 - b->first_key;
    return seen < b->keys ? seen : b->keys;
}

ESP_INLINE struct matrix rows_at(const real *first, int64_t row, int64_t step, int transposed)
{
    return (struct matrix){.data = first + row * step, .step = step, .transposed = transposed};
}

/* Product whose result or left operand is the scores of a block or their gradient. The scores
 * that a query does not see are the triangle. */
static void
multiply(const struct head *h, const struct block *b, enum triangle triangle, struct product p)
{
    p.triangle = h->causal ? triangle : TRIANGLE_NONE;
    p.shift = b->first_query - b->first_key;
    ESP_CPU(multiply)(&p, h->state);
}

/* scores = a bᵀ of the block, from rows of queries and of keys */
static void block_scores(const struct head *h,
                         const struct block *b,
                         struct matrix queries,
                         struct matrix keys,
                         real *scores)
{
    multiply(h,
             b,
             TRIANGLE_RESULT,
             (struct product){.m = b->queries,
                              .n = b->keys,
                              .k = h->depth,
                              .a = queries,
                              .b = keys,
                              .c = scores,
                              .c_step = ESP_CPU_KEYS});
}

/* out [queries, D] = scores · b, or += with `add` */
static void weigh_keys(const struct head *h,
                       const struct block *b,
                       const real *scores,
                       struct matrix keys,
                       real *out,
                       int64_t out_step)
{
    multiply(h,
             b,
             TRIANGLE_LEFT,
             (struct product){.m = b->queries,
                              .n = h->depth,
                              .k = b->keys,
                              .a = {.data = scores, .step = ESP_CPU_KEYS},
                              .b = keys,
                              .accumulate = b->first_key > 0,
                              .c = out,
                              .c_step = out_step});
}

/* out [keys, D] = scoresᵀ · b, or += with `add` */
static void weigh_queries(const struct head *h,
                          const struct block *b,
                          const real *scores,
                          struct matrix queries,
                          int add,
                          real *out)
{
    multiply(h,
             b,
             TRIANGLE_LEFT,
             (struct product){.m = b->keys,
                              .n = h->depth,
                              .k = b->queries,
                              .a = {.data = scores, .step = ESP_CPU_KEYS, .transposed = 1},
                              .b = queries,
                              .accumulate = add,
                              .c = out,
                              .c_step = h->step});
}

/* Prefetches a row of one head: a few cache lines in rows that are far apart, which the
 * hardware prefetcher does not follow. Called while exponentials are computed. */
ESP_INLINE void prefetch_row(const real *row, int64_t count)
{
    for (int64_t c = 0; c < count; c += LANES) {
        __builtin_prefetch(row + c, 0, 2);
    }
}

ESP_INLINE real largest_of(const real *x, int count)
{
    vec largest = vec_set((real)-INFINITY);
    int c = 0;
    for (; c + LANES <= count; c += LANES) {
        largest = vec_max(largest, vec_load(x + c));
    }
    if (c < count) {
        largest = vec_max(largest, vec_load_part(x + c, count - c, (real)-INFINITY));
    }
    return vec_largest(largest);
}

/* x ← exp(scale · x − shift) for the first `count` elements, 0 for the others up to `all`;
 * returns the sum. */
ESP_INLINE real exp_row(real *x, int count, int all, real scale, real shift)
{
    vec sum = {0};
    int c = 0;
    for (; c + LANES <= count; c += LANES) {
        vec e = vec_exp(vec_load(x + c) * scale - shift);
        vec_store(x + c, e);
        sum += e;
    }
    if (c < count) {
        vec e = vec_exp(vec_load_part(x + c, count - c, (real)-INFINITY) * scale - shift);
        vec_store_part(x + c, e, count - c);
        sum += e;
        c = count;
    }
    memset(x + c, 0, (size_t)(all - c) * sizeof(real));
    return vec_sum(sum);
}

/* Adds one block of keys to the running maximum, sum and result of its queries. */
static void forward_block(const struct head *h, const struct block *b, real *largest, real *sum)
{
    block_scores(h,
                 b,
                 rows_at(h->q, b->first_query, h->step, 0),
                 rows_at(h->k, b->first_key, h->step, 1),
                 h->scores);
    for (int i = 0; i < b->queries; i++) {
        real *scores = h->scores + i * ESP_CPU_KEYS;
        const int seen = visible(h, b, i);
        const int64_t row = (b->first_query + i) * h->step;
        prefetch_row(h->v + row, h->depth);
        prefetch_row(h->q + row + h->depth, h->depth); /* the next head's */
        prefetch_row(h->k + row + h->depth, h->depth);
        if (seen <= 0) {
            memset(scores, 0, (size_t)b->keys * sizeof(real));
            continue;
        }
        const real here = largest_of(scores, seen) * h->scale;
        const real before = largest[i];
        const real now = before > here ? before : here;
        const real part = exp_row(scores, seen, b->keys, h->scale, now);
        if (b->first_key == 0) {
            sum[i] = part;
        } else {
            const real shrink = (real)exp((double)(before - now));
            real *result = h->result + (b->first_query + i) * h->width;
            sum[i] = sum[i] * shrink + part;
            for (int d = 0; d < h->depth; d++) {
                result[d] *= shrink;
            }
        }
        largest[i] = now;
    }
    weigh_keys(h,
               b,
               h->scores,
               rows_at(h->v, b->first_key, h->step, 0),
               h->result + b->first_query * h->width,
               h->width);
}

/* Number of keys that the queries of a block can see. */
ESP_INLINE int keys_of(const struct head *h, int first_query, int queries)
{
    return h->causal ? first_query + queries : h->context;
}

static void forward_head(const struct head *h)
{
    real *largest = h->row;
    real *sum = h->row + ESP_CPU_QUERIES;
    for (int q = 0; q < h->context; q += ESP_CPU(queries)) {
        struct block b = {.first_query = q, .queries = ESP_CPU(queries)};
        b.queries = h->context - q < b.queries ? h->context - q : b.queries;
        const int keys = keys_of(h, q, b.queries);
        for (int i = 0; i < b.queries; i++) {
            largest[i] = (real)-INFINITY;
        }
        for (b.first_key = 0; b.first_key < keys; b.first_key += ESP_CPU_KEYS) {
            b.keys = keys - b.first_key;
            b.keys = b.keys < ESP_CPU_KEYS ? b.keys : ESP_CPU_KEYS;
            forward_block(h, &b, largest, sum);
        }
        for (int i = 0; i < b.queries; i++) {
            real *result = h->result + (q + i) * h->width;
            const real inverse = 1 / sum[i];
            for (int d = 0; d < h->depth; d++) {
                result[d] *= inverse;
            }
            h->lse[q + i] = largest[i] + (real)log((double)sum[i]);
        }
    }
}

void ESP_CPU(attention_forward)(const struct esp_kernels *kernels,
                                const struct esp_batch *batch,
                                const struct esp_attention_forward *op)
{
    const struct esp_cpu_state *state = kernels->state;
    const int depth = op->width / op->heads;
    FOR_ACTIVE(batch, k)
    {
        const int sequences = (int)(rows_of(batch, k) / batch->context);
        for (int i = 0; i < sequences * op->heads; i++) {
            const int64_t row = (int64_t)(i / op->heads) * batch->context;
            const int column = i % op->heads * depth;
            const real *qkv = member_of(op->qkv, k) + row * 3 * op->width + column;
            struct head h = {
                .q = qkv,
                .k = qkv + op->width,
                .v = qkv + 2 * op->width,
                .result = member_of(op->out, k) + row * op->width + column,
                .lse = member_of(op->lse, k) + (int64_t)i * batch->context,
                .state = state,
                .scores = state->scratch,
                .row = (real *)state->scratch + 2 * ESP_CPU_QUERIES * ESP_CPU_KEYS,
                .step = 3 * (int64_t)op->width,
                .width = op->width,
                .depth = depth,
                .context = batch->context,
                .causal = op->causal,
                .scale = (real)(1.0 / sqrt((double)depth)),
            };
            forward_head(&h);
        }
    }
}

/* scores ← P = exp(scale · scores − lse), grad_scores ← P ⊙ (grad_scores − D) · scale, for one
 * row. */
ESP_INLINE void
backward_row(real *scores, real *grads, int seen, int keys, real lse, real d, real scale)
{
    int c = 0;
    for (; c + LANES <= seen; c += LANES) {
        vec p = vec_exp(vec_load(scores + c) * scale - lse);
        vec_store(scores + c, p);
        vec_store(grads + c, p * (vec_load(grads + c) - d) * scale);
    }
    if (c < seen) {
        const int rest = seen - c;
        vec p = vec_exp(vec_load_part(scores + c, rest, (real)-INFINITY) * scale - lse);
        vec_store_part(scores + c, p, rest);
        vec_store_part(grads + c, p * (vec_load_part(grads + c, rest, 0) - d) * scale, rest);
        c = seen;
    }
    memset(scores + c, 0, (size_t)(keys - c) * sizeof(real));
    memset(grads + c, 0, (size_t)(keys - c) * sizeof(real));
}

static void
backward_block(const struct head *h, const struct block *b, const real *dots, int add)
{
    const struct matrix grad_out = rows_at(h->grad_out, b->first_query, h->width, 0);
    const struct matrix q = rows_at(h->q, b->first_query, h->step, 0);
    block_scores(h, b, q, rows_at(h->k, b->first_key, h->step, 1), h->scores);
    block_scores(h, b, grad_out, rows_at(h->v, b->first_key, h->step, 1), h->grad_scores);
    for (int i = 0; i < b->queries; i++) {
        const int seen = visible(h, b, i);
        const int at = i * ESP_CPU_KEYS;
        const int64_t row = (b->first_query + i) * h->step + h->depth; /* the next head's */
        prefetch_row(h->q + row, h->depth);
        prefetch_row(h->k + row, h->depth);
        prefetch_row(h->v + row, h->depth);
        prefetch_row(h->grad_out + (b->first_query + i) * h->width + h->depth, h->depth);
        prefetch_row(h->out + (b->first_query + i) * h->width + h->depth, h->depth);
        backward_row(h->scores + at,
                     h->grad_scores + at,
                     seen > 0 ? seen : 0,
                     b->keys,
                     h->lse[b->first_query + i],
                     dots[i],
                     h->scale);
    }
    const struct matrix k = rows_at(h->k, b->first_key, h->step, 0);
    real *grad_q = h->grad_q + b->first_query * h->step;
    weigh_keys(h, b, h->grad_scores, k, grad_q, h->step);
    weigh_queries(h, b, h->grad_scores, q, add, h->grad_k + b->first_key * h->step);
    weigh_queries(h, b, h->scores, grad_out, add, h->grad_v + b->first_key * h->step);
}

ESP_INLINE real dot(const real *a, const real *b, int count)
{
    vec sum = {0};
    int c = 0;
    for (; c + LANES <= count; c += LANES) {
        sum += vec_load(a + c) * vec_load(b + c);
    }
    if (c < count) {
        sum += vec_load_part(a + c, count - c, 0) * vec_load_part(b + c, count - c, 0);
    }
    return vec_sum(sum);
}

/* Goes from the last block of queries to the first: the last one sees every key, so its
 * products overwrite the gradients of keys and values, and the others add to them. */
static void backward_head(const struct head *h)
{
    const int last = (h->context - 1) / ESP_CPU(queries) * ESP_CPU(queries);
    real *dots = h->row;
    for (int q = last; q >= 0; q -= ESP_CPU(queries)) {
        struct block b = {.first_query = q, .queries = ESP_CPU(queries)};
        b.queries = h->context - q < b.queries ? h->context - q : b.queries;
        for (int i = 0; i < b.queries; i++) {
            const int64_t at = (q + i) * h->width;
            dots[i] = dot(h->out + at, h->grad_out + at, h->depth);
        }
        const int keys = keys_of(h, q, b.queries);
        for (b.first_key = 0; b.first_key < keys; b.first_key += ESP_CPU_KEYS) {
            b.keys = keys - b.first_key;
            b.keys = b.keys < ESP_CPU_KEYS ? b.keys : ESP_CPU_KEYS;
            backward_block(h, &b, dots, q != last);
        }
    }
}

void ESP_CPU(attention_backward)(const struct esp_kernels *kernels,
                                 const struct esp_batch *batch,
                                 const struct esp_attention_backward *op)
{
    const struct esp_cpu_state *state = kernels->state;
    const int depth = op->width / op->heads;
    FOR_ACTIVE(batch, k)
    {
        const int sequences = (int)(rows_of(batch, k) / batch->context);
        for (int i = 0; i < sequences * op->heads; i++) {
            const int64_t row = (int64_t)(i / op->heads) * batch->context;
            const int column = i % op->heads * depth;
            const real *qkv = member_of(op->qkv, k) + row * 3 * op->width + column;
            real *grad = member_of(op->grad_qkv, k) + row * 3 * op->width + column;
            real *scratch = state->scratch;
            struct head h = {
                .q = qkv,
                .k = qkv + op->width,
                .v = qkv + 2 * op->width,
                .out = member_of(op->out, k) + row * op->width + column,
                .grad_out = member_of(op->grad_out, k) + row * op->width + column,
                .grad_q = grad,
                .grad_k = grad + op->width,
                .grad_v = grad + 2 * op->width,
                .lse = member_of(op->lse, k) + (int64_t)i * batch->context,
                .state = state,
                .scores = scratch,
                .grad_scores = scratch + ESP_CPU_QUERIES * ESP_CPU_KEYS,
                .row = scratch + 2 * ESP_CPU_QUERIES * ESP_CPU_KEYS,
                .step = 3 * (int64_t)op->width,
                .width = op->width,
                .depth = depth,
                .context = batch->context,
                .causal = op->causal,
                .scale = (real)(1.0 / sqrt((double)depth)),
            };
            backward_head(&h);
        }
    }
}
