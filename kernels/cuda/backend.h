/* Shared declarations of the CUDA backend's host side.
 *
 * All work is enqueued in order on one stream. The first failure is recorded in `failed` and
 * returned by the next call that returns a status. Operations after a failure are still
 * enqueued, which does no harm. */
#ifndef ESP_CUDA_BACKEND_H
#define ESP_CUDA_BACKEND_H

#include "device.h"

#include <cublasLt.h>

/* cuBLASLt's workspace: the library recommends 32 MiB for Hopper. */
#define ESP_CUDA_LIBRARY_BYTES ((size_t)32 << 20)

/* Uploads go through pinned memory in pieces, so that the caller may reuse its memory at once
 * and the host does not wait. A micro-step of 16,384 rows is one piece of tokens and targets
 * and, where it completes a batch, one of control, so with 64 pieces the host can be 32 such
 * steps ahead. */
#define ESP_CUDA_PIECE_BYTES ((size_t)256 << 10)
#define ESP_CUDA_PIECES 64

/* Cached product plans: about 12 shapes for a model, times the runs of active members, times
 * frames. The least recently used plan is evicted. With the library's own data, 1,024 · 2 KiB =
 * 2 MiB of host memory. */
#define ESP_CUDA_PLANS 1024

/* Workspaces that became too small are kept until the backend is closed, because graphs point
 * to them. Each is at least twice as large as the one before, so 40 of them exceed the address
 * space. */
#define ESP_CUDA_WORKSPACES 40

struct esp_cuda_plan;

struct esp_cuda_pinned {
    unsigned char *memory;
    cudaEvent_t event;
};

struct esp_cuda_state {
    int device;
    cudaStream_t stream;
    cublasLtHandle_t library;
    void *library_scratch;
    struct esp_cuda_plan *plans;
    int plan_count;
    uint64_t plan_uses;
    void *workspaces[ESP_CUDA_WORKSPACES];
    int workspace_count;
    size_t workspace_bytes; /* of the newest workspace */
    struct esp_cuda_pinned pieces[ESP_CUDA_PIECES];
    int next_piece;
    bool capturing;
    int processors;
    int failed; /* a negative errno, or 0 */
    char words[256];
};

static inline struct esp_cuda_state *state_of(const struct esp_kernels *kernels)
{
    return (struct esp_cuda_state *)kernels->state;
}

/* Records the first failure; returns whether there was none. */
bool esp_cuda_check(struct esp_cuda_state *state, cudaError_t error, const char *what);
bool esp_cuda_check_library(struct esp_cuda_state *state,
                            cublasStatus_t status,
                            const char *what);

/* Checks for an error of the launch before it. */
static inline void check_launch(const struct esp_kernels *kernels, const char *what)
{
    esp_cuda_check(state_of(kernels), cudaGetLastError(), what);
}

/* At least `bytes` of scratch, valid until the next operation; NULL after a failure, which is
 * recorded. Grows only outside of a capture. */
void *esp_cuda_workspace(const struct esp_kernels *kernels, size_t bytes, const char *what);

/* memory.cu */
void esp_cuda_fill_memory(struct esp_kernels *kernels);
int esp_cuda_memory_open(struct esp_cuda_state *state, struct esp_error *error);
void esp_cuda_memory_close(struct esp_cuda_state *state);
/* The first failure since the last call of this function, with its message; 0: none. */
int esp_cuda_take_failure(struct esp_cuda_state *state, struct esp_error *error);
/* graph.cu */
void esp_cuda_fill_graph(struct esp_kernels *kernels);
/* ring.cu */
void esp_cuda_fill_ring(struct esp_kernels *kernels);

/* product.cu: C = op(A) · op(B) for each member of a run by cuBLASLt, all row-major. */
struct esp_cuda_matrix {
    const void *data;
    int64_t stride; /* between members, in elements */
    cudaDataType_t type;
    bool transposed;
};

struct esp_cuda_product {
    int64_t m, n, k;
    struct esp_cuda_matrix a; /* [m, k]; [k, m] when transposed */
    struct esp_cuda_matrix b; /* [k, n]; [n, k] when transposed */
    struct esp_cuda_matrix c; /* [m, n]: added to with `accumulate`, else overwritten */
    bool accumulate;
    cublasLtEpilogue_t epilogue;
    const void *bias; /* [n], of c's type */
    int64_t bias_stride;
    void *aux; /* [m, n], of c's type */
    int64_t aux_stride;
    int members;
};

/* 0, or -ENOTSUP when the library has no algorithm for this product. That happens only with an
 * epilogue; without one the failure is recorded. */
int esp_cuda_multiply(const struct esp_kernels *kernels,
                      const struct esp_cuda_product *product);
void esp_cuda_plans_close(struct esp_cuda_state *state);

/* columns.cu: out[c] += Σ_n in[n, c] over `rows` rows of each member, in a fixed order. */
struct esp_cuda_columns {
    struct esp_view in;     /* row 0 */
    struct esp_view out;    /* [width], float, added to */
    struct esp_view second; /* with `norm`: out2[c] += Σ_n in[n, c] · x̂[n, c], or none */
    struct esp_view sum;    /* [N, width], A */
    struct esp_view mean, rstd;
    int64_t rows;
    int width;
};
template <typename A>
void esp_cuda_add_columns(const struct esp_kernels *kernels,
                          const struct esp_batch *batch,
                          const struct esp_cuda_columns *columns);

/* activation.cu: out = act(in + bias), pre = in + bias over [rows, width]. `bias` and `pre` are
 * optional, `in` may be `out`. */
struct esp_cuda_epilogue {
    struct esp_view in, out, pre, bias;
    int64_t rows;
    int width;
    enum esp_kernel_activation activation;
    bool slope; /* computes out = in ⊙ act'(pre) instead */
};
template <typename A>
void esp_cuda_epilogue(const struct esp_kernels *kernels,
                       const struct esp_batch *batch,
                       const struct esp_cuda_epilogue *epilogue);

/* Declares the operations for each activation type. */
#define ESP_CUDA_OPERATIONS(X)                                                                 \
    X(embed_forward, esp_embed_forward)                                                        \
    X(embed_backward, esp_embed_backward)                                                      \
    X(norm_forward, esp_norm_forward)                                                          \
    X(norm_backward, esp_norm_backward)                                                        \
    X(linear_forward, esp_linear_forward)                                                      \
    X(linear_backward_input, esp_linear_backward_input)                                        \
    X(linear_backward_weight, esp_linear_backward_weight)                                      \
    X(activation_forward, esp_activation_forward)                                              \
    X(attention_forward, esp_attention_forward)                                                \
    X(attention_backward, esp_attention_backward)                                              \
    X(cross_entropy, esp_cross_entropy)                                                        \
    X(adamw, esp_optimize)                                                                     \
    X(sgd, esp_optimize)

#define ESP_CUDA_DECLARE(verb, op)                                                             \
    template <typename A>                                                                      \
    void esp_cuda_##verb(                                                                      \
        const struct esp_kernels *, const struct esp_batch *, const struct op *);
ESP_CUDA_OPERATIONS(ESP_CUDA_DECLARE)

#define ESP_CUDA_INSTANTIATE(verb, op)                                                         \
    template void esp_cuda_##verb<float>(                                                      \
        const struct esp_kernels *, const struct esp_batch *, const struct op *);              \
    template void esp_cuda_##verb<bf16>(                                                       \
        const struct esp_kernels *, const struct esp_batch *, const struct op *);              \
    template void esp_cuda_##verb<fp16>(                                                       \
        const struct esp_kernels *, const struct esp_batch *, const struct op *);

template <typename A>
void esp_cuda_narrow(const struct esp_kernels *, void *to, const void *from, int64_t count);

static inline int64_t divide_up(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

/* Whether rows of `width` elements can be read 16 bytes at a time from this view. */
template <typename T> static inline bool vectors_fit(struct esp_view view, int64_t width)
{
    const int64_t per = 16 / (int64_t)sizeof(T);
    return (uintptr_t)view.data % 16 == 0 && view.stride % per == 0 && width % per == 0;
}

#endif
