/* Attention: chooses the implementation, and computes Σ grad_out ⊙ out, which both backward
 * passes need first (Dao et al. 2022, FlashAttention, algorithm 4). */
#include "attention.h"

#include <errno.h>
#include <stdlib.h>

#define WARPS 8

bool esp_cuda_attention_plain_forced(void)
{
    const char *form = getenv("ESPALIER_CUDA_ATTENTION");
    return form && strcmp(form, "plain") == 0;
}

static bool depth_taken(const struct esp_kernels *kernels, const struct attention *op)
{
    if (op->depth <= ESP_CUDA_DEPTH_MAX) {
        return true;
    }
    esp_cuda_check(
        state_of(kernels), cudaErrorInvalidValue, "attention: heads are wider than 256");
    return false;
}

template <typename A>
void esp_cuda_attention_forward(const struct esp_kernels *kernels,
                                const struct esp_batch *batch,
                                const struct esp_attention_forward *op)
{
    struct attention a = {};
    a.qkv = op->qkv;
    a.out = op->out;
    a.lse = op->lse;
    a.width = op->width;
    a.heads = op->heads;
    a.depth = op->width / op->heads;
    a.causal = op->causal;
    a.scale = (float)(1.0 / sqrt((double)a.depth));
    if (depth_taken(kernels, &a) && (esp_cuda_attention_plain_forced() ||
                                     !esp_cuda_attention_mma_forward<A>(kernels, batch, &a))) {
        esp_cuda_attention_plain_forward<A>(kernels, batch, &a);
    }
    check_launch(kernels, "attention_forward");
}

ESP_CUDA_INSTANTIATE(attention_forward, esp_attention_forward)

/* One warp for each row of each head. */
template <typename A>
__global__ void __launch_bounds__(WARPS *WARP)
    delta_kernel(struct esp_batch batch, struct attention op)
{
    const int member = (int)blockIdx.z;
    const int row = tile_of(op) * WARPS + (int)threadIdx.x / WARP;
    const int lane = (int)threadIdx.x % WARP;
    if (!member_active(batch, member) || row >= batch.context) {
        return;
    }
    const struct head<A> h = head_of<A>(batch, op, member);
    if (!h.used) {
        return;
    }
    float sum = 0;
    for (int c = lane; c < op.depth; c += WARP) {
        const int64_t at = (int64_t)row * op.width + c;
        sum += wide(h.out[at]) * wide(h.grad_out[at]);
    }
    sum = warp_sum(sum);
    if (lane == 0) {
        h.delta[row] = sum;
    }
}

template <typename A>
void esp_cuda_attention_backward(const struct esp_kernels *kernels,
                                 const struct esp_batch *batch,
                                 const struct esp_attention_backward *op)
{
    struct attention a = {};
    a.qkv = op->qkv;
    a.out = op->out;
    a.lse = op->lse;
    a.grad_out = op->grad_out;
    a.grad_qkv = op->grad_qkv;
    a.width = op->width;
    a.heads = op->heads;
    a.depth = op->width / op->heads;
    a.causal = op->causal;
    a.scale = (float)(1.0 / sqrt((double)a.depth));
    const int64_t stats = (int64_t)batch->sequences * op->heads * batch->context;
    a.delta = (float *)esp_cuda_workspace(
        kernels, (size_t)(batch->members * stats) * sizeof(float), "attention's row sums");
    if (!a.delta || !depth_taken(kernels, &a)) {
        return;
    }
    const struct attention tiled = in_tiles(&a, batch, WARPS);
    LAUNCH((delta_kernel<A>),
           grid_of(tiled, batch),
           WARPS * WARP,
           0,
           state_of(kernels)->stream,
           *batch,
           tiled);
    if (esp_cuda_attention_plain_forced() ||
        !esp_cuda_attention_mma_backward<A>(kernels, batch, &a)) {
        esp_cuda_attention_plain_backward<A>(kernels, batch, &a);
    }
    check_launch(kernels, "attention_backward");
}

ESP_CUDA_INSTANTIATE(attention_backward, esp_attention_backward)
