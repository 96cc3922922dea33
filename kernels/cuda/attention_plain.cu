/* Attention in plain CUDA, for fp32, for heads that the tensor cores do not support, and as the
 * reference of attention_mma.h. Tiles of 32 rows; four threads share a row.
 *
 * Forward: Dao et al. 2022, algorithm 1, with a running maximum and sum. Backward: one kernel
 * owns the keys' gradients, another the queries', so that no two blocks add to the same
 * element. The scores are computed twice instead of adding with atomics. */
#include "attention.h"

#define ROWS 32
#define LANES 4 /* threads that share a row */
#define THREADS (ROWS * LANES)

/* Padding, so that rows of 32 floats do not fall into the same bank. */
#define STEP(depth) ((depth) + 1)
#define SCORE_STEP (ROWS + 1)

/* Sum and maximum over the four threads of a row, which are adjacent in a warp. */
DEVICE float row_sum(float x)
{
    x += __shfl_xor_sync(FULL_WARP, x, 1);
    return x + __shfl_xor_sync(FULL_WARP, x, 2);
}

DEVICE float row_max(float x)
{
    x = fmaxf(x, __shfl_xor_sync(FULL_WARP, x, 1));
    return fmaxf(x, __shfl_xor_sync(FULL_WARP, x, 2));
}

/* Loads a tile of ROWS rows from row `first` on as floats times `scale`; rows from `rows` on
 * are zero. */
template <typename A>
DEVICE void
load_tile(float *tile, const A *from, int64_t step, int first, int rows, int depth, float scale)
{
    for (int i = (int)threadIdx.x; i < ROWS * depth; i += THREADS) {
        const int row = i / depth, column = i % depth;
        const bool there = first + row < rows;
        tile[row * STEP(depth) + column] =
            there ? wide(from[(int64_t)(first + row) * step + column]) * scale : 0.0f;
    }
}

DEVICE float dot(const float *a, const float *b, int depth)
{
    float sum = 0;
    for (int c = 0; c < depth; c++) {
        sum += a[c] * b[c];
    }
    return sum;
}

DEVICE bool visible(bool causal, int query, int key, int context)
{
    return query < context && key < context && (!causal || key <= query);
}

/* out += Σ_j factor[j] · tile[j] over this thread's columns, every LANES-th. */
template <int DEPTH>
DEVICE void add_scaled(
    float out[DEPTH / LANES], const float *factor, const float *tile, int depth, int lane)
{
#pragma unroll 1
    for (int j = 0; j < ROWS; j++) {
        const float x = factor[j];
        const float *row = tile + j * STEP(depth);
#pragma unroll
        for (int i = 0; i < DEPTH / LANES; i++) {
            const int column = i * LANES + lane;
            out[i] += column < depth ? x * row[column] : 0.0f;
        }
    }
}

/* DEPTH is the largest depth of a launch; it limits the registers. */
template <typename A, int DEPTH>
__global__ void __launch_bounds__(THREADS)
    plain_forward_kernel(struct esp_batch batch, struct attention op)
{
    SHARED_MEMORY(memory);
    const int member = (int)blockIdx.z;
    if (!member_active(batch, member)) {
        return;
    }
    const struct head<A> h = head_of<A>(batch, op, member);
    const int depth = op.depth, context = batch.context;
    const int first = tile_of(op) * ROWS;
    const int here = context - first < ROWS ? context - first : ROWS;
    if (!h.used) {
        zero_rows(h.out + (int64_t)first * op.width, op.width, here, depth);
        return;
    }
    float *q = (float *)memory, *k = q + ROWS * STEP(depth), *v = k + ROWS * STEP(depth);
    float *scores = v + ROWS * STEP(depth);
    const int row = (int)threadIdx.x / LANES, lane = (int)threadIdx.x % LANES;
    const int query = first + row;
    float out[DEPTH / LANES];
    float largest = -INFINITY, sum = 0;
#pragma unroll
    for (int i = 0; i < DEPTH / LANES; i++) {
        out[i] = 0;
    }
    load_tile(q, h.q, 3 * op.width, first, context, depth, op.scale);
    const int end = op.causal ? first + here : context;
    for (int key = 0; key < end; key += ROWS) {
        __syncthreads();
        load_tile(k, h.k, 3 * op.width, key, context, depth, 1.0f);
        load_tile(v, h.v, 3 * op.width, key, context, depth, 1.0f);
        __syncthreads();
        float score[ROWS / LANES], top = -INFINITY;
#pragma unroll
        for (int j = 0; j < ROWS / LANES; j++) {
            const int at = j * LANES + lane;
            score[j] = visible(op.causal, query, key + at, context)
                           ? dot(q + row * STEP(depth), k + at * STEP(depth), depth)
                           : -INFINITY;
            /* fmaxf ignores a NaN, but the sum becomes NaN */
            top = fmaxf(top, score[j]);
        }
        const float now = fmaxf(largest, row_max(top));
        const float shift = now == -INFINITY ? 0.0f : now;
        const float shrink = expf(largest - shift);
        float part = 0;
#pragma unroll
        for (int j = 0; j < ROWS / LANES; j++) {
            const float p = expf(score[j] - shift);
            scores[row * SCORE_STEP + j * LANES + lane] = p;
            part += p;
        }
        sum = sum * shrink + row_sum(part);
        largest = now;
        __syncwarp();
#pragma unroll
        for (int i = 0; i < DEPTH / LANES; i++) {
            out[i] *= shrink;
        }
        add_scaled<DEPTH>(out, scores + row * SCORE_STEP, v, depth, lane);
    }
    if (query < context) {
        const float inverse = 1.0f / sum;
#pragma unroll
        for (int i = 0; i < DEPTH / LANES; i++) {
            const int column = i * LANES + lane;
            if (column < depth) {
                h.out[(int64_t)query * op.width + column] = narrow<A>(out[i] * inverse);
            }
        }
        if (lane == 0) {
            h.lse[query] = largest + logf(sum);
        }
    }
}

/* Probabilities and gradients of scores of one row against a tile. `mine` are the query's (or
 * key's) two rows in shared memory, `other` those of the tile. */
struct pair {
    float p, s;
};

DEVICE struct pair score_pair(const float *q,
                              const float *k,
                              const float *g,
                              const float *v,
                              int depth,
                              float lse,
                              float delta,
                              float scale)
{
    struct pair x;
    x.p = expf(dot(q, k, depth) * scale - lse);
    x.s = x.p * (dot(g, v, depth) - delta) * scale;
    return x;
}

template <typename A, int DEPTH>
__global__ void __launch_bounds__(THREADS)
    plain_keys_kernel(struct esp_batch batch, struct attention op)
{
    SHARED_MEMORY(memory);
    const int member = (int)blockIdx.z;
    if (!member_active(batch, member)) {
        return;
    }
    const struct head<A> h = head_of<A>(batch, op, member);
    const int depth = op.depth, context = batch.context, tile = ROWS * STEP(depth);
    const int first = tile_of(op) * ROWS;
    const int here = context - first < ROWS ? context - first : ROWS;
    const int64_t step = 3 * (int64_t)op.width;
    if (!h.used) {
        zero_rows(h.grad_k + first * step, step, here, depth);
        zero_rows(h.grad_v + first * step, step, here, depth);
        return;
    }
    float *k = (float *)memory, *v = k + tile, *q = v + tile, *g = q + tile;
    float *ps = g + tile, *ss = ps + ROWS * SCORE_STEP;
    const int row = (int)threadIdx.x / LANES, lane = (int)threadIdx.x % LANES;
    const int key = first + row;
    float grad_k[DEPTH / LANES], grad_v[DEPTH / LANES];
#pragma unroll
    for (int i = 0; i < DEPTH / LANES; i++) {
        grad_k[i] = grad_v[i] = 0;
    }
    load_tile(k, h.k, step, first, context, depth, 1.0f);
    load_tile(v, h.v, step, first, context, depth, 1.0f);
    for (int query = op.causal ? first : 0; query < context; query += ROWS) {
        __syncthreads();
        load_tile(q, h.q, step, query, context, depth, 1.0f);
        load_tile(g, h.grad_out, op.width, query, context, depth, 1.0f);
        __syncthreads();
        for (int j = lane; j < ROWS; j += LANES) {
            struct pair x = {0, 0};
            if (visible(op.causal, query + j, key, context)) {
                x = score_pair(q + j * STEP(depth),
                               k + row * STEP(depth),
                               g + j * STEP(depth),
                               v + row * STEP(depth),
                               depth,
                               h.lse[query + j],
                               h.delta[query + j],
                               op.scale);
            }
            ps[row * SCORE_STEP + j] = x.p;
            ss[row * SCORE_STEP + j] = x.s;
        }
        __syncwarp();
        add_scaled<DEPTH>(grad_v, ps + row * SCORE_STEP, g, depth, lane);
        add_scaled<DEPTH>(grad_k, ss + row * SCORE_STEP, q, depth, lane);
    }
    if (key < context) {
#pragma unroll
        for (int i = 0; i < DEPTH / LANES; i++) {
            const int column = i * LANES + lane;
            if (column < depth) {
                h.grad_k[key * step + column] = narrow<A>(grad_k[i]);
                h.grad_v[key * step + column] = narrow<A>(grad_v[i]);
            }
        }
    }
}

template <typename A, int DEPTH>
__global__ void __launch_bounds__(THREADS)
    plain_queries_kernel(struct esp_batch batch, struct attention op)
{
    SHARED_MEMORY(memory);
    const int member = (int)blockIdx.z;
    if (!member_active(batch, member)) {
        return;
    }
    const struct head<A> h = head_of<A>(batch, op, member);
    const int depth = op.depth, context = batch.context, tile = ROWS * STEP(depth);
    const int first = tile_of(op) * ROWS;
    const int here = context - first < ROWS ? context - first : ROWS;
    const int64_t step = 3 * (int64_t)op.width;
    if (!h.used) {
        zero_rows(h.grad_q + first * step, step, here, depth);
        return;
    }
    float *q = (float *)memory, *g = q + tile, *k = g + tile, *v = k + tile;
    float *ss = v + tile;
    const int row = (int)threadIdx.x / LANES, lane = (int)threadIdx.x % LANES;
    const int query = first + row;
    float grad_q[DEPTH / LANES];
#pragma unroll
    for (int i = 0; i < DEPTH / LANES; i++) {
        grad_q[i] = 0;
    }
    load_tile(q, h.q, step, first, context, depth, 1.0f);
    load_tile(g, h.grad_out, op.width, first, context, depth, 1.0f);
    const int end = op.causal ? first + here : context;
    for (int key = 0; key < end; key += ROWS) {
        __syncthreads();
        load_tile(k, h.k, step, key, context, depth, 1.0f);
        load_tile(v, h.v, step, key, context, depth, 1.0f);
        __syncthreads();
        for (int j = lane; j < ROWS; j += LANES) {
            float s = 0;
            if (visible(op.causal, query, key + j, context)) {
                s = score_pair(q + row * STEP(depth),
                               k + j * STEP(depth),
                               g + row * STEP(depth),
                               v + j * STEP(depth),
                               depth,
                               h.lse[query],
                               h.delta[query],
                               op.scale)
                        .s;
            }
            ss[row * SCORE_STEP + j] = s;
        }
        __syncwarp();
        add_scaled<DEPTH>(grad_q, ss + row * SCORE_STEP, k, depth, lane);
    }
    if (query < context) {
#pragma unroll
        for (int i = 0; i < DEPTH / LANES; i++) {
            const int column = i * LANES + lane;
            if (column < depth) {
                h.grad_q[query * step + column] = narrow<A>(grad_q[i]);
            }
        }
    }
}

/* Bytes of shared memory of a launch: tiles of rows and matrices of scores. */
static size_t shared_of(int depth, int tiles, int scores)
{
    return (size_t)(tiles * ROWS * STEP(depth) + scores * ROWS * SCORE_STEP) * sizeof(float);
}

template <typename F>
static bool allow_shared(const struct esp_kernels *kernels, F *kernel, size_t bytes)
{
    return esp_cuda_check(
        state_of(kernels),
        cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)bytes),
        "attention's shared memory");
}

#define LAUNCH_PLAIN(kernel, shared)                                                           \
    do {                                                                                       \
        const size_t bytes = shared;                                                           \
        const struct attention tiled = in_tiles(op, batch, ROWS);                              \
        if (allow_shared(kernels, kernel<A, DEPTH>, bytes)) {                                  \
            LAUNCH((kernel<A, DEPTH>),                                                         \
                   grid_of(tiled, batch),                                                      \
                   THREADS,                                                                    \
                   bytes,                                                                      \
                   state_of(kernels)->stream,                                                  \
                   *batch,                                                                     \
                   tiled);                                                                     \
        }                                                                                      \
    } while (0)

template <typename A, int DEPTH>
static void forward_depth(const struct esp_kernels *kernels,
                          const struct esp_batch *batch,
                          const struct attention *op)
{
    LAUNCH_PLAIN(plain_forward_kernel, shared_of(op->depth, 3, 1));
}

template <typename A, int DEPTH>
static void backward_depth(const struct esp_kernels *kernels,
                           const struct esp_batch *batch,
                           const struct attention *op)
{
    LAUNCH_PLAIN(plain_keys_kernel, shared_of(op->depth, 4, 2));
    LAUNCH_PLAIN(plain_queries_kernel, shared_of(op->depth, 4, 1));
}

template <typename A>
void esp_cuda_attention_plain_forward(const struct esp_kernels *kernels,
                                      const struct esp_batch *batch,
                                      const struct attention *op)
{
    if (op->depth <= 64) {
        forward_depth<A, 64>(kernels, batch, op);
    } else {
        forward_depth<A, ESP_CUDA_DEPTH_MAX>(kernels, batch, op);
    }
}

template <typename A>
void esp_cuda_attention_plain_backward(const struct esp_kernels *kernels,
                                       const struct esp_batch *batch,
                                       const struct attention *op)
{
    if (op->depth <= 64) {
        backward_depth<A, 64>(kernels, batch, op);
    } else {
        backward_depth<A, ESP_CUDA_DEPTH_MAX>(kernels, batch, op);
    }
}

#define INSTANTIATE(A)                                                                         \
    template void esp_cuda_attention_plain_forward<A>(                                         \
        const struct esp_kernels *, const struct esp_batch *, const struct attention *);       \
    template void esp_cuda_attention_plain_backward<A>(                                        \
        const struct esp_kernels *, const struct esp_batch *, const struct attention *);
INSTANTIATE(float)
INSTANTIATE(bf16)
INSTANTIATE(fp16)
