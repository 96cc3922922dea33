/* Layer norm after the residual sum: one warp for each row, whose values stay in registers
 * between the passes if they fit. */
#include "backend.h"
#include "dropout.h"

#define NORM_EPSILON 1e-5

/* Warps of a block. Rows are independent, so this only has to fill a multiprocessor. */
#define WARPS 8

/* Values of a row that a lane keeps in registers: PARTS accesses of V. With PARTS = 0 they are
 * read again. */

template <typename A, int V, int PARTS>
__global__ void __launch_bounds__(WARPS *WARP)
    norm_forward_kernel(struct esp_batch batch, struct esp_norm_forward op)
{
    const int member = (int)blockIdx.y;
    const int64_t row = (int64_t)blockIdx.x * WARPS + threadIdx.x / WARP;
    const int lane = (int)threadIdx.x % WARP;
    if (!member_active(batch, member) || row >= (int64_t)batch.sequences * batch.context) {
        return;
    }
    const int width = op.width;
    const int parts = PARTS ? PARTS : (width + WARP * V - 1) / (WARP * V);
    const struct dropout d = dropout_of(&batch.control[member], op.dropout_tensor);
    const A *stream = member_of<A>(op.stream, member) + row * width;
    const A *branch = member_of<A>(op.branch, member);
    A *sum = branch ? member_of<A>(op.sum, member) + row * width : (A *)0;
    const float *weight = member_of<float>(op.weight, member);
    const float *bias = member_of<float>(op.bias, member);
    A *out = member_of<A>(op.out, member) + row * width;
    float kept[PARTS ? PARTS : 1][V];
    float total = 0;
#pragma unroll
    for (int p = 0; p < parts; p++) {
        const int column = (p * WARP + lane) * V;
        float *x = kept[PARTS ? p : 0];
        if (column < width) {
            load<A, V>(stream + column, x);
            if (branch) {
                float part[V];
                load<A, V>(branch + row * width + column, part);
                if (d.on) {
                    drop<V>(d, dropout_element(batch, member, row, width) + column, part);
                }
#pragma unroll
                for (int i = 0; i < V; i++) {
                    /* rounded, as the backward pass will read it */
                    x[i] = wide(narrow<A>(x[i] + part[i]));
                }
                store<A, V>(sum + column, x);
            }
#pragma unroll
            for (int i = 0; i < V; i++) {
                total += x[i];
            }
        }
    }
    const float mean = warp_sum(total) / (float)width;
    const A *again = branch ? sum : stream;
    float squares = 0;
#pragma unroll
    for (int p = 0; p < parts; p++) {
        const int column = (p * WARP + lane) * V;
        float *x = kept[PARTS ? p : 0];
        if (column < width) {
            if (!PARTS) {
                load<A, V>(again + column, x);
            }
#pragma unroll
            for (int i = 0; i < V; i++) {
                squares += (x[i] - mean) * (x[i] - mean);
            }
        }
    }
    const double variance = (double)(warp_sum(squares) / (float)width);
    const float rstd = (float)(1.0 / sqrt(variance + NORM_EPSILON));
#pragma unroll
    for (int p = 0; p < parts; p++) {
        const int column = (p * WARP + lane) * V;
        float *x = kept[PARTS ? p : 0];
        if (column < width) {
            float w[V], b[V], y[V];
            if (!PARTS) {
                load<A, V>(again + column, x);
            }
            load<float, V>(weight + column, w);
            load<float, V>(bias + column, b);
#pragma unroll
            for (int i = 0; i < V; i++) {
                y[i] = (x[i] - mean) * rstd * w[i] + b[i];
            }
            store<A, V>(out + column, y);
        }
    }
    if (lane == 0) {
        member_of<float>(op.mean, member)[row] = mean;
        member_of<float>(op.rstd, member)[row] = rstd;
    }
}

template <typename A, int V, int PARTS>
__global__ void __launch_bounds__(WARPS *WARP)
    norm_backward_kernel(struct esp_batch batch, struct esp_norm_backward op)
{
    const int member = (int)blockIdx.y;
    const int64_t row = (int64_t)blockIdx.x * WARPS + threadIdx.x / WARP;
    const int lane = (int)threadIdx.x % WARP;
    if (!member_active(batch, member) || row >= (int64_t)batch.sequences * batch.context) {
        return;
    }
    const int width = op.width;
    const int parts = PARTS ? PARTS : (width + WARP * V - 1) / (WARP * V);
    const struct dropout d = dropout_of(&batch.control[member], op.dropout_tensor);
    const A *grad_out = member_of<A>(op.grad_out, member) + row * width;
    const A *sum = member_of<A>(op.sum, member) + row * width;
    const float *weight = member_of<float>(op.weight, member);
    A *grad_sum = member_of<A>(op.grad_sum, member) + row * width;
    A *grad_branch = member_of<A>(op.grad_branch, member);
    const float mean = member_of<float>(op.mean, member)[row];
    const float rstd = member_of<float>(op.rstd, member)[row];
    float h[PARTS ? PARTS : 1][V], normal[PARTS ? PARTS : 1][V];
    float sum_h = 0, sum_hx = 0;
#pragma unroll
    for (int p = 0; p < parts; p++) {
        const int column = (p * WARP + lane) * V;
        float *hp = h[PARTS ? p : 0], *xp = normal[PARTS ? p : 0];
        if (column < width) {
            float w[V];
            load<A, V>(grad_out + column, hp);
            load<A, V>(sum + column, xp);
            load<float, V>(weight + column, w);
#pragma unroll
            for (int i = 0; i < V; i++) {
                hp[i] *= w[i];
                xp[i] = (xp[i] - mean) * rstd;
                sum_h += hp[i];
                sum_hx += hp[i] * xp[i];
            }
        }
    }
    const float mean_h = warp_sum(sum_h) / (float)width;
    const float mean_hx = warp_sum(sum_hx) / (float)width;
#pragma unroll
    for (int p = 0; p < parts; p++) {
        const int column = (p * WARP + lane) * V;
        float *hp = h[PARTS ? p : 0], *xp = normal[PARTS ? p : 0];
        if (column < width) {
            float g[V];
            if (!PARTS) {
                float w[V];
                load<A, V>(grad_out + column, hp);
                load<A, V>(sum + column, xp);
                load<float, V>(weight + column, w);
#pragma unroll
                for (int i = 0; i < V; i++) {
                    hp[i] *= w[i];
                    xp[i] = (xp[i] - mean) * rstd;
                }
            }
            if (op.first) {
#pragma unroll
                for (int i = 0; i < V; i++) {
                    g[i] = 0;
                }
            } else {
                load<A, V>(grad_sum + column, g);
            }
#pragma unroll
            for (int i = 0; i < V; i++) {
                g[i] += rstd * (hp[i] - mean_h - xp[i] * mean_hx);
            }
            store<A, V>(grad_sum + column, g);
            if (grad_branch) {
#pragma unroll
                for (int i = 0; i < V; i++) {
                    g[i] = wide(narrow<A>(g[i]));
                }
                if (d.on) {
                    drop<V>(d, dropout_element(batch, member, row, width) + column, g);
                }
                store<A, V>(grad_branch + row * width + column, g);
            }
        }
    }
}

/* Registers hold rows of up to 4 accesses in each lane: width 1,024 in bf16, 512 in fp32. */
#define PARTS_KEPT 4

#define LAUNCH_ROWS(kernel, V)                                                                 \
    if (op->width <= WARP * V) {                                                               \
        LAUNCH((kernel<A, V, 1>), grid, WARPS *WARP, 0, stream, *batch, *op);                  \
    } else if (op->width <= PARTS_KEPT * WARP * V) {                                           \
        LAUNCH((kernel<A, V, PARTS_KEPT>), grid, WARPS *WARP, 0, stream, *batch, *op);         \
    } else {                                                                                   \
        LAUNCH((kernel<A, V, 0>), grid, WARPS *WARP, 0, stream, *batch, *op);                  \
    }

template <typename A>
void esp_cuda_norm_forward(const struct esp_kernels *kernels,
                           const struct esp_batch *batch,
                           const struct esp_norm_forward *op)
{
    const int64_t rows = (int64_t)batch->sequences * batch->context;
    const cudaStream_t stream = state_of(kernels)->stream;
    const dim3 grid((unsigned)divide_up(rows, WARPS), (unsigned)batch->members);
    const bool fit =
        vectors_fit<A>(op->stream, op->width) && vectors_fit<A>(op->out, op->width) &&
        vectors_fit<float>(op->weight, op->width) && vectors_fit<float>(op->bias, op->width) &&
        (!op->branch.data ||
         (vectors_fit<A>(op->branch, op->width) && vectors_fit<A>(op->sum, op->width)));
    if (fit) {
        LAUNCH_ROWS(norm_forward_kernel, per_access<A>::count)
    } else {
        LAUNCH((norm_forward_kernel<A, 1, 0>), grid, WARPS * WARP, 0, stream, *batch, *op);
    }
    check_launch(kernels, "norm_forward");
}

ESP_CUDA_INSTANTIATE(norm_forward, esp_norm_forward)

template <typename A>
void esp_cuda_norm_backward(const struct esp_kernels *kernels,
                            const struct esp_batch *batch,
                            const struct esp_norm_backward *op)
{
    const int64_t rows = (int64_t)batch->sequences * batch->context;
    const cudaStream_t stream = state_of(kernels)->stream;
    const dim3 grid((unsigned)divide_up(rows, WARPS), (unsigned)batch->members);
    struct esp_cuda_columns columns = {};
    columns.in = op->grad_out;
    columns.out = op->grad_bias;
    columns.second = op->grad_weight;
    columns.sum = op->sum;
    columns.mean = op->mean;
    columns.rstd = op->rstd;
    columns.rows = rows;
    columns.width = op->width;
    /* before the kernel below: grad_sum may share memory with grad_out */
    esp_cuda_add_columns<A>(kernels, batch, &columns);
    const bool fit =
        vectors_fit<A>(op->grad_out, op->width) && vectors_fit<A>(op->sum, op->width) &&
        vectors_fit<float>(op->weight, op->width) && vectors_fit<A>(op->grad_sum, op->width) &&
        (!op->grad_branch.data || vectors_fit<A>(op->grad_branch, op->width));
    if (fit) {
        LAUNCH_ROWS(norm_backward_kernel, per_access<A>::count)
    } else {
        LAUNCH((norm_backward_kernel<A, 1, 0>), grid, WARPS * WARP, 0, stream, *batch, *op);
    }
    check_launch(kernels, "norm_backward");
}

ESP_CUDA_INSTANTIATE(norm_backward, esp_norm_backward)
