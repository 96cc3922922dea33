/* Sums over rows, in two stages and a fixed order: slices of rows are summed into partial sums,
 * which are then added to the gradient one after another. The slices depend only on the shape,
 * so a member's bits do not depend on the other members. */
#include "backend.h"

/* Warps of a block: it reads WARPS rows at a time, WARP accesses wide. */
#define WARPS 8

/* Rows of one slice: each of the 8 warps adds 16. At most 256 slices; with more the second
 * stage would take longer than the first. */
#define SLICE_ROWS 128
#define SLICES_MAX 256

template <typename A, int V, bool NORM>
__global__ void __launch_bounds__(WARPS *WARP) columns_kernel(struct esp_batch batch,
                                                              struct esp_cuda_columns op,
                                                              int slice_rows,
                                                              float *partial)
{
    SHARED_MEMORY(memory);
    float *all = (float *)memory; /* [WARPS, 2, WARP · V] */
    const int member = (int)blockIdx.z, slice = (int)blockIdx.y;
    const int lane = (int)threadIdx.x % WARP, warp = (int)threadIdx.x / WARP;
    const int column = ((int)blockIdx.x * WARP + lane) * V;
    if (!member_active(batch, member)) {
        return;
    }
    const int64_t first = (int64_t)slice * slice_rows;
    const int64_t end = first + slice_rows < op.rows ? first + slice_rows : op.rows;
    const A *in = member_of<A>(op.in, member);
    const A *seen = member_of<A>(op.sum, member);
    const float *mean = member_of<float>(op.mean, member);
    const float *rstd = member_of<float>(op.rstd, member);
    float sum[V], second[V];
#pragma unroll
    for (int i = 0; i < V; i++) {
        sum[i] = second[i] = 0;
    }
    for (int64_t row = first + warp; row < end && column < op.width; row += WARPS) {
        float x[V];
        load<A, V>(in + row * op.width + column, x);
#pragma unroll
        for (int i = 0; i < V; i++) {
            sum[i] += x[i];
        }
        if (NORM) {
            float s[V];
            load<A, V>(seen + row * op.width + column, s);
            const float m = mean[row], r = rstd[row];
#pragma unroll
            for (int i = 0; i < V; i++) {
                second[i] += x[i] * ((s[i] - m) * r);
            }
        }
    }
#pragma unroll
    for (int i = 0; i < V; i++) {
        all[(warp * 2 * V + i) * WARP + lane] = sum[i];
        all[((warp * 2 + 1) * V + i) * WARP + lane] = second[i];
    }
    __syncthreads();
    /* one warp for each element of an access: V is at most WARPS */
    const int slices = (int)gridDim.y;
    for (int i = warp; i < V; i += WARPS) {
        if (column + i < op.width) {
            float *out =
                partial + (((int64_t)member * slices + slice) * 2) * op.width + column + i;
            float a = 0, b = 0;
            for (int w = 0; w < WARPS; w++) {
                a += all[(w * 2 * V + i) * WARP + lane];
                b += all[((w * 2 + 1) * V + i) * WARP + lane];
            }
            out[0] = a;
            if (NORM) {
                out[op.width] = b;
            }
        }
    }
}

#define THREADS 128

__global__ void __launch_bounds__(THREADS) columns_finish(struct esp_batch batch,
                                                          struct esp_cuda_columns op,
                                                          int slices,
                                                          const float *partial)
{
    const int member = (int)blockIdx.y;
    const int column = (int)(blockIdx.x * THREADS + threadIdx.x);
    if (!member_active(batch, member) || column >= op.width) {
        return;
    }
    const float *from = partial + (int64_t)member * slices * 2 * op.width + column;
    float *second = member_of<float>(op.second, member);
    float a = 0, b = 0;
    for (int s = 0; s < slices; s++) {
        a += from[(int64_t)s * 2 * op.width];
        if (second) {
            b += from[((int64_t)s * 2 + 1) * op.width];
        }
    }
    member_of<float>(op.out, member)[column] += a;
    if (second) {
        second[column] += b;
    }
}

template <typename A, int V, bool NORM>
static void launch_columns(const struct esp_kernels *kernels,
                           const struct esp_batch *batch,
                           const struct esp_cuda_columns *op)
{
    int64_t slice_rows = SLICE_ROWS;
    while (divide_up(op->rows, slice_rows) > SLICES_MAX) {
        slice_rows *= 2;
    }
    const int64_t slices = divide_up(op->rows, slice_rows);
    const size_t bytes = (size_t)(batch->members * slices * 2 * op->width) * sizeof(float);
    float *partial = (float *)esp_cuda_workspace(kernels, bytes, "sums over rows");
    if (!partial) {
        return;
    }
    const cudaStream_t stream = state_of(kernels)->stream;
    const dim3 grid(
        (unsigned)divide_up(op->width, WARP * V), (unsigned)slices, (unsigned)batch->members);
    const dim3 finish((unsigned)divide_up(op->width, THREADS), (unsigned)batch->members);
    LAUNCH((columns_kernel<A, V, NORM>),
           grid,
           WARPS * WARP,
           2 * V * WARP * WARPS * sizeof(float),
           stream,
           *batch,
           *op,
           (int)slice_rows,
           partial);
    LAUNCH(columns_finish, finish, THREADS, 0, stream, *batch, *op, (int)slices, partial);
    check_launch(kernels, "sums over rows");
}

template <typename A>
void esp_cuda_add_columns(const struct esp_kernels *kernels,
                          const struct esp_batch *batch,
                          const struct esp_cuda_columns *op)
{
    const bool norm = op->second.data != NULL;
    const bool fit =
        vectors_fit<A>(op->in, op->width) && (!norm || vectors_fit<A>(op->sum, op->width));
    if (fit && norm) {
        launch_columns<A, per_access<A>::count, true>(kernels, batch, op);
    } else if (fit) {
        launch_columns<A, per_access<A>::count, false>(kernels, batch, op);
    } else if (norm) {
        launch_columns<A, 1, true>(kernels, batch, op);
    } else {
        launch_columns<A, 1, false>(kernels, batch, op);
    }
}

#define INSTANTIATE(A)                                                                         \
    template void esp_cuda_add_columns<A>(const struct esp_kernels *,                          \
                                          const struct esp_batch *,                            \
                                          const struct esp_cuda_columns *);
INSTANTIATE(float)
INSTANTIATE(bf16)
INSTANTIATE(fp16)
