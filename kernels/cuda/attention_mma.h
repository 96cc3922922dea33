/* Shared code of attention on the tensor cores (Dao 2023, FlashAttention-2, with mma.sync;
 * algorithms 1 and 2) for heads of up to 128 elements in bf16 and fp16.
 *
 * A block has four warps of 16 rows each: 64 queries, or 64 keys in the pass that computes the
 * gradients of keys and values. The other side (keys or queries) passes through shared memory
 * in tiles; the next tile is copied while the current one is used. */
#ifndef ESP_CUDA_ATTENTION_MMA_H
#define ESP_CUDA_ATTENTION_MMA_H

#include "attention.h"
#include "mma.h"

#define WARPS 4
#define THREADS (WARPS * WARP)
#define ROWS (WARPS * 16)

/* Blocks per multiprocessor: 2 leave 255 registers for each thread, which the accumulators
 * need. */
#define BLOCKS_MIN 2

#define LOG2_E 1.4426950408889634f

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

/* Defines `name` for an activation type: runs `action` for the head's depth. */
#define ESP_CUDA_MMA(name, action, T)                                                          \
    template <>                                                                                \
    bool name<T>(const struct esp_kernels *kernels,                                            \
                 const struct esp_batch *batch,                                                \
                 const struct attention *op)                                                   \
    {                                                                                          \
        if (!supported<T>(op)) {                                                               \
            return false;                                                                      \
        }                                                                                      \
        BY_DEPTH(action, T)                                                                    \
        return true;                                                                           \
    }

#endif
