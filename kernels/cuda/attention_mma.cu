/* Attention on the tensor cores (Dao 2023, FlashAttention-2, with mma.sync; algorithms 1 and 2)
 * for heads of up to 128 elements in bf16 and fp16.
 *
 * A block has four warps of 16 rows each: 64 queries, or 64 keys in the pass that computes the
 * gradients of keys and values. The other side (keys or queries) passes through shared memory
 * in tiles; the next tile is copied while the current one is used. As in attention_plain.cu,
 * the backward pass is two kernels in which each element has one owner, instead of adding with
 * atomics. */
#include "attention.h"
#include "mma.h"

#define WARPS 4
#define THREADS (WARPS * WARP)
#define ROWS (WARPS * 16)

/* Blocks per multiprocessor: 2 leave 255 registers for each thread, which the accumulators
 * need. */
#define BLOCKS_MIN 2

#define LOG2_E 1.4426950408889634f
#define LN_2 0.6931471805599453f

/* Rows of the other side per tile: limited by the registers that a block's two accumulators
 * leave. */
#define OTHER_FORWARD 64
template <int D> struct other_queries {
    enum { rows = D <= 64 ? 64 : 32 };
};
template <int D> struct other_keys {
    enum { rows = D <= 64 ? 64 : 16 };
};

template <int D> struct step_of {
    enum { elements = D + MMA_PAD };
};

/* Starts copying COUNT rows from row `first` on; elements outside of the context or the depth
 * become zero. */
template <typename T, int D, int COUNT>
DEVICE void start_tile(T *tile, const T *from, int64_t step, int first, int context, int depth)
{
    for (int i = (int)threadIdx.x; i < COUNT * (D / 8); i += THREADS) {
        const int row = i / (D / 8), column = i % (D / 8) * 8;
        const bool there = first + row < context && column < depth;
        const T *source = there ? from + (int64_t)(first + row) * step + column : from;
        copy_async(tile + row * step_of<D>::elements + column, source, there ? 16 : 0);
    }
}

/* Writes a warp's 16 rows. */
template <typename T, int D>
DEVICE void write_rows(T *to,
                       int64_t step,
                       int first,
                       int context,
                       int depth,
                       const float x[D / 8][4],
                       float a,
                       float b)
{
#pragma unroll
    for (int n = 0; n < D / 8; n++) {
#pragma unroll
        for (int half = 0; half < 2; half++) {
            const int row = first + row_in_block(2 * half);
            const int column = n * 8 + column_in_block(0);
            const float factor = half ? b : a;
            if (row < context && column < depth) {
                const uint32_t word =
                    pair_of<T>(x[n][2 * half] * factor, x[n][2 * half + 1] * factor);
                memcpy(to + row * step + column, &word, sizeof word);
            }
        }
    }
}

template <int COUNT> DEVICE void clear(float x[COUNT][4])
{
#pragma unroll
    for (int n = 0; n < COUNT; n++) {
        x[n][0] = x[n][1] = x[n][2] = x[n][3] = 0;
    }
}

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

/* On entry score and slope are q · k and grad_out · v; on return they are the probability and
 * the score's gradient, times 1/√D. `lse` is in powers of two. */
DEVICE void turn(float *score, float *slope, bool seen, float lse, float delta, float scale)
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
                turn(&score[n][i], &slope[n][i], seen, lse[column], delta[column], op.scale);
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
                turn(&score[n][i], &slope[n][i], seen, lse[i / 2], delta[i / 2], op.scale);
            }
        }
        multiply_left<T, STEP, D, OTHER / 16>(grad_q, slope, tile_k);
        __syncthreads();
    }
    write_rows<T, D>(h.grad_q, step, query, context, depth, grad_q, 1.0f, 1.0f);
}

template <typename T, typename F>
static void launch_mma(const struct esp_kernels *kernels,
                       const struct esp_batch *batch,
                       const struct attention *op,
                       F *kernel,
                       size_t bytes)
{
    const struct attention tiled = in_tiles(op, batch, ROWS);
    const cudaError_t allowed =
        cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)bytes);
    if (esp_cuda_check(state_of(kernels), allowed, "attention's shared memory")) {
        LAUNCH(kernel,
               grid_of(tiled, batch),
               THREADS,
               bytes,
               state_of(kernels)->stream,
               *batch,
               tiled);
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

/* Asynchronous copies of 16 bytes need rows of whole accesses. */
template <typename T> static bool supported(const struct attention *op)
{
    return op->depth % 8 == 0 && op->depth <= 128 && vectors_fit<T>(op->qkv, 8) &&
           vectors_fit<T>(op->out, 8) &&
           (!op->grad_out.data ||
            (vectors_fit<T>(op->grad_out, 8) && vectors_fit<T>(op->grad_qkv, 8)));
}

#define BY_DEPTH(action, T)                                                                    \
    if (op->depth <= 32) {                                                                     \
        action<T, 32>(kernels, batch, op);                                                     \
    } else if (op->depth <= 64) {                                                              \
        action<T, 64>(kernels, batch, op);                                                     \
    } else {                                                                                   \
        action<T, 128>(kernels, batch, op);                                                    \
    }

#define TAKES_HALF(T)                                                                          \
    template <>                                                                                \
    bool esp_cuda_attention_mma_forward<T>(const struct esp_kernels *kernels,                  \
                                           const struct esp_batch *batch,                      \
                                           const struct attention *op)                         \
    {                                                                                          \
        if (!supported<T>(op)) {                                                               \
            return false;                                                                      \
        }                                                                                      \
        BY_DEPTH(forward_depth, T)                                                             \
        return true;                                                                           \
    }                                                                                          \
    template <>                                                                                \
    bool esp_cuda_attention_mma_backward<T>(const struct esp_kernels *kernels,                 \
                                            const struct esp_batch *batch,                     \
                                            const struct attention *op)                        \
    {                                                                                          \
        if (!supported<T>(op)) {                                                               \
            return false;                                                                      \
        }                                                                                      \
        BY_DEPTH(backward_depth, T)                                                            \
        return true;                                                                           \
    }

TAKES_HALF(bf16)
TAKES_HALF(fp16)

template <>
bool esp_cuda_attention_mma_forward<float>(const struct esp_kernels *,
                                           const struct esp_batch *,
                                           const struct attention *)
{
    return false;
}

template <>
bool esp_cuda_attention_mma_backward<float>(const struct esp_kernels *,
                                            const struct esp_batch *,
                                            const struct attention *)
{
    return false;
}
