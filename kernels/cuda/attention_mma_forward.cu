/* Attention's forward pass on the tensor cores (Dao 2023, algorithm 1). See attention_mma.h. */
#include "attention_mma.h"

/* Keys per tile: limited by the registers that a block's two accumulators leave. */
#define OTHER_FORWARD 64

/* Maximum over the four lanes that share a row. */
DEVICE float quad_max(float x)
{
    x = fmaxf(x, __shfl_xor_sync(FULL_WARP, x, 1));
    return fmaxf(x, __shfl_xor_sync(FULL_WARP, x, 2));
}

DEVICE float quad_sum(float x)
{
    x += __shfl_xor_sync(FULL_WARP, x, 1);
    return x + __shfl_xor_sync(FULL_WARP, x, 2);
}

/* Running softmax state of a lane's two rows. */
struct softmax {
    float largest[2], sum[2]; /* largest: maximum of the unscaled scores */
};

/* Turns scores into probabilities under the running maximum, and rescales `out` to it. */
template <int BLOCKS, int OUT>
DEVICE void fold(struct softmax *s, float score[BLOCKS][4], float out[OUT][4], float scale)
{
#pragma unroll
    for (int half = 0; half < 2; half++) {
        float top = s->largest[half];
#pragma unroll
        for (int n = 0; n < BLOCKS; n++) {
            top = fmaxf(top, fmaxf(score[n][2 * half], score[n][2 * half + 1]));
        }
        top = quad_max(top);
        const float shift = top == -INFINITY ? 0.0f : top * scale;
        const float shrink = exp2f(s->largest[half] * scale - shift);
        float part = 0;
#pragma unroll
        for (int n = 0; n < BLOCKS; n++) {
#pragma unroll
            for (int i = 2 * half; i < 2 * half + 2; i++) {
                score[n][i] = exp2f(score[n][i] * scale - shift);
                part += score[n][i];
            }
        }
#pragma unroll
        for (int n = 0; n < OUT; n++) {
            out[n][2 * half] *= shrink;
            out[n][2 * half + 1] *= shrink;
        }
        s->sum[half] = s->sum[half] * shrink + part;
        s->largest[half] = top;
    }
}

/* Sets scores to −∞ where query `query` + row may not see key `key` + column. */
template <int BLOCKS>
DEVICE void mask(float score[BLOCKS][4], int query, int key, int context, bool causal)
{
    if (key + BLOCKS * 8 <= context && (!causal || key + BLOCKS * 8 <= query + 1)) {
        return;
    }
#pragma unroll
    for (int n = 0; n < BLOCKS; n++) {
#pragma unroll
        for (int i = 0; i < 4; i++) {
            const int k = key + n * 8 + column_in_block(i), q = query + row_in_block(i);
            if (k >= context || (causal && k > q)) {
                score[n][i] = -INFINITY;
            }
        }
    }
}

template <typename T, int D>
__global__ void __launch_bounds__(THREADS, BLOCKS_MIN)
    mma_forward_kernel(struct esp_batch batch, struct attention op)
{
    SHARED_MEMORY(memory);
    enum { STEP = step_of<D>::elements, OTHER = OTHER_FORWARD };
    const int member = (int)blockIdx.z;
    if (!member_active(batch, member)) {
        return;
    }
    const struct head<T> h = head_of<T>(batch, op, member);
    const int context = batch.context, depth = op.depth;
    /* starts the longest tiles of a causal head first */
    const int first = (op.tiles - 1 - tile_of(op)) * ROWS;
    const int here = context - first < ROWS ? context - first : ROWS;
    const int64_t step = 3 * (int64_t)op.width;
    if (!h.used) {
        zero_rows(h.out + (int64_t)first * op.width, op.width, here, depth);
        return;
    }
    T *q = (T *)memory, *k = q + ROWS * STEP, *v = k + 2 * OTHER * STEP;
    const int warp = (int)threadIdx.x / WARP, query = first + warp * 16;
    const int end = op.causal ? first + here : context;
    float out[D / 8][4];
    struct softmax s = {{-INFINITY, -INFINITY}, {0, 0}};
    clear<D / 8>(out);
    start_tile<T, D, ROWS>(q, h.q, step, first, context, depth);
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
        float score[OTHER / 8][4];
        clear<OTHER / 8>(score);
        multiply_rows<T, STEP, D, OTHER / 16>(
            score, q + warp * 16 * STEP, k + stage * OTHER * STEP);
        mask<OTHER / 8>(score, query, key, context, op.causal);
        fold<OTHER / 8, D / 8>(&s, score, out, op.scale * LOG2_E);
        multiply_left<T, STEP, D, OTHER / 16>(out, score, v + stage * OTHER * STEP);
        __syncthreads();
    }
    const float sum0 = quad_sum(s.sum[0]), sum1 = quad_sum(s.sum[1]);
    write_rows<T, D>(h.out, op.width, query, context, depth, out, 1.0f / sum0, 1.0f / sum1);
    if (threadIdx.x % 4 == 0) {
        for (int half = 0; half < 2; half++) {
            const int row = query + row_in_block(2 * half);
            if (row < context) {
                h.lse[row] = s.largest[half] * op.scale + logf(half ? sum1 : sum0);
            }
        }
    }
}

template <typename T, int D>
static void forward_depth(const struct esp_kernels *kernels,
                          const struct esp_batch *batch,
                          const struct attention *op)
{
    const size_t rows = ROWS + 4 * OTHER_FORWARD;
    launch_mma<T>(
        kernels, batch, op, mma_forward_kernel<T, D>, rows * step_of<D>::elements * sizeof(T));
}

ESP_CUDA_MMA(esp_cuda_attention_mma_forward, forward_depth, bf16)
ESP_CUDA_MMA(esp_cuda_attention_mma_forward, forward_depth, fp16)

template <>
bool esp_cuda_attention_mma_forward<float>(const struct esp_kernels *,
                                           const struct esp_batch *,
                                           const struct attention *)
{
    return false;
}
