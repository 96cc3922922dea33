/* Bias and activation after a product, and the derivative of the activation: for cases that
 * cuBLASLt's epilogues do not offer (GELU by erf) or refuse. Also the activation alone, for
 * recomputation. */
#include "backend.h"

#define THREADS 256

#define SQRT_HALF 0.70710678118654752f
#define INVERSE_SQRT_TWO_PI 0.39894228040143268f
#define SQRT_TWO_OVER_PI 0.79788456080286536f
#define GELU_CUBE 0.044715f

DEVICE float activate(float x, enum esp_kernel_activation activation)
{
    if (activation == ESP_KERNEL_GELU) {
        return 0.5f * x * (1.0f + erff(x * SQRT_HALF));
    }
    if (activation == ESP_KERNEL_GELU_TANH) {
        const float inner = SQRT_TWO_OVER_PI * (x + GELU_CUBE * x * x * x);
        return 0.5f * x * (1.0f + tanhf(inner));
    }
    return x;
}

DEVICE float slope(float x, enum esp_kernel_activation activation)
{
    if (activation == ESP_KERNEL_GELU) {
        return 0.5f * (1.0f + erff(x * SQRT_HALF)) +
               x * INVERSE_SQRT_TWO_PI * expf(-0.5f * x * x);
    }
    if (activation == ESP_KERNEL_GELU_TANH) {
        const float t = tanhf(SQRT_TWO_OVER_PI * (x + GELU_CUBE * x * x * x));
        return 0.5f * (1.0f + t) +
               0.5f * x * (1.0f - t * t) * SQRT_TWO_OVER_PI * (1.0f + 3.0f * GELU_CUBE * x * x);
    }
    return 1.0f;
}

template <typename A, int V>
__global__ void __launch_bounds__(THREADS)
    epilogue_kernel(struct esp_batch batch, struct esp_cuda_epilogue op)
{
    const int member = (int)blockIdx.y;
    const int64_t at = ((int64_t)blockIdx.x * THREADS + threadIdx.x) * V;
    if (!member_active(batch, member) || at >= op.rows * op.width) {
        return;
    }
    const float *bias = member_of<float>(op.bias, member);
    A *pre = member_of<A>(op.pre, member);
    float x[V];
    load<A, V>(member_of<A>(op.in, member) + at, x);
    if (op.slope) {
        float p[V];
        load<A, V>(pre + at, p);
#pragma unroll
        for (int i = 0; i < V; i++) {
            x[i] *= slope(p[i], op.activation);
        }
    } else {
        if (bias) {
            float b[V];
            load<float, V>(bias + at % op.width, b);
#pragma unroll
            for (int i = 0; i < V; i++) {
                x[i] += b[i];
            }
        }
        if (pre) {
            /* the activation reads the rounded value, as the backward pass will */
#pragma unroll
            for (int i = 0; i < V; i++) {
                x[i] = wide(narrow<A>(x[i]));
            }
            store<A, V>(pre + at, x);
        }
#pragma unroll
        for (int i = 0; i < V; i++) {
            x[i] = activate(x[i], op.activation);
        }
    }
    store<A, V>(member_of<A>(op.out, member) + at, x);
}

template <typename A>
void esp_cuda_epilogue(const struct esp_kernels *kernels,
                       const struct esp_batch *batch,
                       const struct esp_cuda_epilogue *op)
{
    const cudaStream_t stream = state_of(kernels)->stream;
    const int64_t elements = op->rows * op->width;
    const int per = per_access<A>::count;
    const bool fit = vectors_fit<A>(op->in, op->width) && vectors_fit<A>(op->out, op->width) &&
                     (!op->pre.data || vectors_fit<A>(op->pre, op->width)) &&
                     (!op->bias.data || vectors_fit<float>(op->bias, op->width));
    const int64_t threads = fit ? elements / per : elements;
    const dim3 grid((unsigned)divide_up(threads, THREADS), (unsigned)batch->members);
    if (fit) {
        LAUNCH(
            (epilogue_kernel<A, per_access<A>::count>), grid, THREADS, 0, stream, *batch, *op);
    } else {
        LAUNCH((epilogue_kernel<A, 1>), grid, THREADS, 0, stream, *batch, *op);
    }
    check_launch(kernels, op->slope ? "the activation's slope" : "bias and activation");
}

template <typename A>
void esp_cuda_activation_forward(const struct esp_kernels *kernels,
                                 const struct esp_batch *batch,
                                 const struct esp_activation_forward *op)
{
    struct esp_cuda_epilogue epilogue = {};
    epilogue.in = op->in;
    epilogue.out = op->out;
    epilogue.rows = (int64_t)batch->sequences * batch->context;
    epilogue.width = op->width;
    epilogue.activation = op->activation;
    esp_cuda_epilogue<A>(kernels, batch, &epilogue);
}

ESP_CUDA_INSTANTIATE(activation_forward, esp_activation_forward)

#define INSTANTIATE(A)                                                                         \
    template void esp_cuda_epilogue<A>(const struct esp_kernels *,                             \
                                       const struct esp_batch *,                               \
                                       const struct esp_cuda_epilogue *);
INSTANTIATE(float)
INSTANTIATE(bf16)
INSTANTIATE(fp16)

template <typename A>
__global__ void __launch_bounds__(THREADS)
    narrow_kernel(A *to, const float *from, int64_t count)
{
    const int64_t at = (int64_t)blockIdx.x * THREADS + threadIdx.x;
    if (at < count) {
        to[at] = narrow<A>(from[at]);
    }
}

template <typename A>
void esp_cuda_narrow(const struct esp_kernels *kernels,
                     void *to,
                     const void *from,
                     int64_t count)
{
    if (count > 0) {
        LAUNCH((narrow_kernel<A>),
               dim3((unsigned)divide_up(count, THREADS)),
               THREADS,
               0,
               state_of(kernels)->stream,
               (A *)to,
               (const float *)from,
               count);
        check_launch(kernels, "rounding parameters");
    }
}

template void esp_cuda_narrow<float>(const struct esp_kernels *, void *, const void *, int64_t);
template void esp_cuda_narrow<bf16>(const struct esp_kernels *, void *, const void *, int64_t);
template void esp_cuda_narrow<fp16>(const struct esp_kernels *, void *, const void *, int64_t);
