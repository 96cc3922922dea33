/* Shared declarations of both attention implementations: addresses of a head's rows, and the
 * launches.
 *
 * A block works on one tile of queries or keys of one head of one sequence of one member:
 * blockIdx.x = (sequence · heads + head) · tiles + tile, because the other extents of a grid
 * are limited to 65,535, which many short sequences exceed; blockIdx.z is the member. Rows of a
 * sequence that its member does not use are set to zero, and so are their gradients. */
#ifndef ESP_CUDA_ATTENTION_H
#define ESP_CUDA_ATTENTION_H

#include "backend.h"

struct attention {
    struct esp_view qkv, out, lse, grad_out, grad_qkv;
    float *delta; /* [K, B, heads, T]: Σ grad_out ⊙ out of a row (workspace) */
    int width, heads, depth;
    int tiles; /* of one head, in this launch */
    bool causal;
    float scale; /* 1/√D */
};

/* One head of one sequence. */
template <typename A> struct head {
    const A *q, *k, *v; /* rows are 3 · width apart */
    A *out;             /* width apart */
    const A *grad_out;
    A *grad_q, *grad_k, *grad_v;
    float *lse, *delta; /* [T] */
    bool used;
};

template <typename A>
DEVICE struct head<A>
head_of(const struct esp_batch &batch, const struct attention &op, int member) {
    const int which = (int)blockIdx.x / op.tiles;
    const int64_t row = (int64_t)(which / op.heads) * batch.context;
    const int column = which % op.heads * op.depth;
    const int64_t at = (int64_t)which * batch.context;
    const int64_t stats = (int64_t)batch.sequences * op.heads * batch.context;
    struct head<A> h;
    h.q = member_of<A>(op.qkv, member) + row * 3 * op.width + column;
    h.k = h.q + op.width;
    h.v = h.k + op.width;
    h.out = member_of<A>(op.out, member) + row * op.width + column;
    h.grad_out = member_of<A>(op.grad_out, member) + row * op.width + column;
    h.grad_q = member_of<A>(op.grad_qkv, member) + row * 3 * op.width + column;
    h.grad_k = h.grad_q + op.width;
    h.grad_v = h.grad_k + op.width;
    h.lse = member_of<float>(op.lse, member) + at;
    h.delta = op.delta + member * stats + at;
    h.used = row < rows_of(batch, member);
    return h;
}

DEVICE int
tile_of(const struct attention &op)
{
    return (int)blockIdx.x % op.tiles;
}

/* The operation divided into tiles of `rows` rows, and its grid. */
static inline struct attention
in_tiles(const struct attention *op, const struct esp_batch *batch, int rows)
{
    struct attention tiled = *op;
    tiled.tiles = (int)divide_up(batch->context, rows);
    return tiled;
}

static inline dim3 grid_of(const struct attention &tiled, const struct esp_batch *batch)
{
    return dim3((unsigned)tiled.tiles * (unsigned)batch->sequences * (unsigned)tiled.heads,
                1,
                (unsigned)batch->members);
}

/* Zeroes `rows` rows of `depth` elements from `first` on. Called by all threads of the block.
 */
template <typename A> DEVICE void zero_rows(A *first, int64_t step, int rows, int depth)
{
    for (int i = (int)threadIdx.x; i < rows * depth; i += (int)blockDim.x) {
        first[i / depth * step + i % depth] = narrow<A>(0.0f);
    }
}

/* attention_mma_forward.cu, attention_mma_backward.cu. False: the tensor cores do not support
 * this shape, and nothing was done. */
template <typename A>
bool esp_cuda_attention_mma_forward(const struct esp_kernels *kernels,
                                    const struct esp_batch *batch,
                                    const struct attention *op);
template <typename A>
bool esp_cuda_attention_mma_backward(const struct esp_kernels *kernels,
                                     const struct esp_batch *batch,
                                     const struct attention *op);

/* attention_plain.cu: any depth up to ESP_CUDA_DEPTH_MAX. */
#define ESP_CUDA_DEPTH_MAX 256
template <typename A>
void esp_cuda_attention_plain_forward(const struct esp_kernels *kernels,
                                      const struct esp_batch *batch,
                                      const struct attention *op);
template <typename A>
void esp_cuda_attention_plain_backward(const struct esp_kernels *kernels,
                                       const struct esp_batch *batch,
                                       const struct attention *op);

/* Whether ESPALIER_CUDA_ATTENTION=plain is set, which forces attention_plain.cu. Tests use it
 * as the reference. */
bool esp_cuda_attention_plain_forced(void);

#endif
