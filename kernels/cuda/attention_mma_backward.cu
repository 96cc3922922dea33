/* Attention's backward pass on the tensor cores (Dao 2023, algorithm 2). See attention_mma.h.
 *
 * As in attention_plain.cu it is two kernels in which each element has one owner, instead of
 * adding with atomics. */
#include "attention_mma.h"

/* Rows of the other side per tile: limited by the registers that a block's two accumulators
 * leave. */
template <int D> struct other_queries {
    enum { rows = D <= 64 ? 64 : 32 };
};
template <int D> struct other_keys {
    enum { rows = D <= 64 ? 64 : 16 };
};

/* On entry score and slope are q · k and grad_out · v; on return they are the probability and
 * the score's gradient, times 1/√D. `lse` is in powers of two. */
DEVICE void
to_gradient(float *score, float *slope, bool seen, float lse, float delta, float scale)
{
    const float p = seen ? exp2f(*score * (scale * LOG2_E) - lse) : 0.0f;
    *score = p;
    *slope = seen ? p * (*slope - delta) * scale : 0.0f;
}

template <typename T, int D>
__global__ void __launch_bounds__(THREADS, BLOCKS_MIN)
    mma_keys_kernel(struct esp_batch batch, struct attention op)
{
    SHARED_MEMORY(memory);
    enum { STEP = step_of<D>::elements, OTHER = other_keys<D>::rows };
    const int member = (int)blockIdx.z;
    if (!member_active(batch, member)) {
        return;
    }
    const struct head<T> h = head_of<T>(batch, op, member);
    const int context = batch.context, depth = op.depth;
    const int first = tile_of(op) * ROWS;
    const int here = context - first < ROWS ? context - first : ROWS;
    const int64_t step = 3 * (int64_t)op.width;
    if (!h.used) {
        zero_rows(h.grad_k + first * step, step, here, depth);
        zero_rows(h.grad_v + first * step, step, here, depth);
        return;
    }
    T *k = (T *)memory, *v = k + ROWS * STEP, *q = v + ROWS * STEP;
    T *g = q + 2 * OTHER * STEP;
    float *stats = (float *)(g + 2 * OTHER * STEP); /* [2, 2, OTHER]: lse and delta */
    const int warp = (int)threadIdx.x / WARP, key = first + warp * 16;
    const int begin = op.causal ? first / OTHER * OTHER : 0;
    float grad_k[D / 8][4], grad_v[D / 8][4];
    clear<D / 8>(grad_k);
    clear<D / 8>(grad_v);
    start_tile<T, D, ROWS>(k, h.k, step, first, context, depth);
    start_tile<T, D, ROWS>(v, h.v, step, first, context, depth);
    for (int query = begin - OTHER, stage = 1; query < context; query += OTHER, stage ^= 1) {
        /* the tile after this one; before the first tile, the first */
        const int next = query + OTHER;
        if (next < context) {
            const int at = (stage ^ 1) * OTHER;
            start_tile<T, D, OTHER>(q + at * STEP, h.q, step, next, context, depth);
            start_tile<T, D, OTHER>(g + at * STEP, h.grad_out, op.width, next, context, depth);
            copy_commit();
            for (int i = (int)threadIdx.x; i < OTHER; i += THREADS) {
                const bool there = next + i < context;
                stats[2 * at + i] = there ? h.lse[next + i] * LOG2_E : 0.0f;
                stats[2 * at + OTHER + i] = there ? h.delta[next + i] : 0.0f;
            }
        }
        if (query < begin) {
            continue;
        }
        if (next < context) {
            copy_wait<1>();
        } else {
            copy_wait<0>();
        }
        __syncthreads();
        const T *tile_q = q + stage * OTHER * STEP, *tile_g = g + stage * OTHER * STEP;
        const float *lse = stats + 2 * stage * OTHER, *delta = lse + OTHER;
        float score[OTHER / 8][4], slope[OTHER / 8][4];
        clear<OTHER / 8>(score);
        clear<OTHER / 8>(slope);
        multiply_rows<T, STEP, D, OTHER / 16>(score, k + warp * 16 * STEP, tile_q);
        multiply_rows<T, STEP, D, OTHER / 16>(slope, v + warp * 16 * STEP, tile_g);
#pragma unroll
        for (int n = 0; n < OTHER / 8; n++) {
#pragma unroll
            for (int i = 0; i < 4; i++) {
                const int column = n * 8 + column_in_block(i);
                const int at_key = key + row_in_block(i), at_query = query + column;
                const bool seen = at_key < context && at_query < context &&
                                  (!op.causal || at_key <= at_query);
                to_gradient(
                    &score[n][i], &slope[n][i], seen, lse[column], delta[column], op.scale);
            }
        }
        multiply_left<T, STEP, D, OTHER / 16>(grad_v, score, tile_g);
        multiply_left<T, STEP, D, OTHER / 16>(grad_k, slope, tile_q);
        __syncthreads();
    }
    write_rows<T, D>(h.grad_k, step, key, context, depth, grad_k, 1.0f, 1.0f);
    write_rows<T, D>(h.grad_v, step, key, context, depth, grad_v, 1.0f, 1.0f);
}

template <typename T, int D>
__global__ void __launch_bounds__(THREADS, BLOCKS_MIN)
    mma_queries_kernel(struct esp_batch batch, struct attention op)
{
    SHARED_MEMORY(memory);
    enum { STEP = step_of<D>::elements, OTHER = other_queries<D>::rows };
    const int member = (int)blockIdx.z;
    if (!member_active(batch, member)) {
        return;
    }
    const struct head<T> h = head_of<T>(batch, op, member);
    const int context = batch.context, depth = op.depth;
    const int first = (op.tiles - 1 - tile_of(op)) * ROWS;
    const int here = context - first < ROWS ? context - first : ROWS;
    const int64_t step = 3 * (int64_t)op.width;
    if (!h.used) {
        zero_rows(h.grad_q + first * step, step, here, depth);
        return;
    }
    T *q = (T *)memory, *g = q + ROWS * STEP, *k = g + ROWS * STEP;
    T *v = k + 2 * OTHER * STEP;
    const int warp = (int)threadIdx.x / WARP, query = first + warp * 16;
    const int end = op.causal ? first + here : context;
    float grad_q[D / 8][4], lse[2], delta[2];
    clear<D / 8>(grad_q);
    for (int half = 0; half < 2; half++) {
        const int row = query + row_in_block(2 * half);
        lse[half] = row < context ? h.lse[row] * LOG2_E : 0.0f;
        delta[half] = row < context ? h.delta[row] : 0.0f;
    }
    start_tile<T, D, ROWS>(q, h.q, step, first, context, depth);
    start_tile<T, D, ROWS>(g, h.grad_out, op.width, first, context, depth);
    start_tile<T, D, OTHER>(k, h.k, step, 0, context, depth);
    start_tile<T, D, OTHER>(v, h.v, step, 0, context, depth);
    copy_commit();
    for (int key = 0, stage = 0; key < end; key += OTHER, stage ^= 1) {
        if (key + OTHER < end) {
            const int next = (stage ^ 1) * OTHER * STEP;
            start_tile<T, D, OTHER>(k + next, h.k, step, key + OTHER, context, depth);
            start_tile<T, D, OTHER>(v + next, h.v, step, key + OTHER, context, depth);
            copy_commit();
            copy_wait<1>();
        } else {
            copy_wait<0>();
        }
        __syncthreads();
        const T *tile_k = k + stage * OTHER * STEP, *tile_v = v + stage * OTHER * STEP;
        float score[OTHER / 8][4], slope[OTHER / 8][4];
        clear<OTHER / 8>(score);
        clear<OTHER / 8>(slope);
        multiply_rows<T, STEP, D, OTHER / 16>(score, q + warp * 16 * STEP, tile_k);
        multiply_rows<T, STEP, D, OTHER / 16>(slope, g + warp * 16 * STEP, tile_v);
#pragma unroll
        for (int n = 0; n < OTHER / 8; n++) {
#pragma unroll
            for (int i = 0; i < 4; i++) {
                const int at_key = key + n * 8 + column_in_block(i);
                const int at_query = query + row_in_block(i);
                const bool seen = at_key < context && at_query < context &&
                                  (!op.causal || at_key <= at_query);
                to_gradient(
                    &score[n][i], &slope[n][i], seen, lse[i / 2], delta[i / 2], op.scale);
            }
        }
        multiply_left<T, STEP, D, OTHER / 16>(grad_q, slope, tile_k);
        __syncthreads();
    }
    write_rows<T, D>(h.grad_q, step, query, context, depth, grad_q, 1.0f, 1.0f);
}

template <typename T, int D>
static void backward_depth(const struct esp_kernels *kernels,
                           const struct esp_batch *batch,
                           const struct attention *op)
{
    const size_t row = step_of<D>::elements * sizeof(T);
    const size_t keys = other_keys<D>::rows, queries = other_queries<D>::rows;
    launch_mma<T>(kernels,
                  batch,
                  op,
                  mma_keys_kernel<T, D>,
                  (2 * ROWS + 4 * keys) * row + 4 * keys * sizeof(float));
    launch_mma<T>(kernels, batch, op, mma_queries_kernel<T, D>, (2 * ROWS + 4 * queries) * row);
}

ESP_CUDA_MMA(esp_cuda_attention_mma_backward, backward_depth, bf16)
ESP_CUDA_MMA(esp_cuda_attention_mma_backward, backward_depth, fp16)

template <>
bool esp_cuda_attention_mma_backward<float>(const struct esp_kernels *,
                                            const struct esp_batch *,
                                            const struct attention *)
{
    return false;
}
