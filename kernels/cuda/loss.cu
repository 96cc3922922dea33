/* Softmax and cross entropy over a chunk of logits. The logits are overwritten by their
 * gradient.
 *
 * A row is computed by one warp when the vocabulary is small, else by one block. The losses of
 * the rows go to a workspace and are added up in a fixed order. */
#include "backend.h"

#define THREADS 256

/* Largest vocabulary that a warp reads: 1,024 elements are 4 accesses of each lane in bf16. */
#define WARP_VOCABULARY 1024

/* Maximum and Σ exp(x − maximum) of a part of a row; either part may be empty. */
struct soft {
    float largest, sum;
};

DEVICE struct soft soft_join(struct soft a, struct soft b)
{
    struct soft both;
    both.largest = fmaxf(a.largest, b.largest);
    both.sum = 0;
    /* a NaN never compares larger, so test the sums too */
    if (a.sum != 0) {
        both.sum += a.sum * expf(a.largest - both.largest);
    }
    if (b.sum != 0) {
        both.sum += b.sum * expf(b.largest - both.largest);
    }
    return both;
}

DEVICE struct soft soft_warp(struct soft mine)
{
#pragma unroll
    for (int bits = WARP / 2; bits > 0; bits /= 2) {
        struct soft other;
        other.largest = __shfl_xor_sync(FULL_WARP, mine.largest, bits);
        other.sum = __shfl_xor_sync(FULL_WARP, mine.sum, bits);
        /* the same two parts in the same order in both lanes */
        mine = (threadIdx.x & (unsigned)bits) ? soft_join(other, mine) : soft_join(mine, other);
    }
    return mine;
}

template <typename A, int V, int ROW_THREADS>
__global__ void __launch_bounds__(THREADS)
    cross_entropy_kernel(struct esp_batch batch, struct esp_cross_entropy op, double *losses)
{
    SHARED_MEMORY(memory);
    const int member = (int)blockIdx.y;
    const int rows_here = THREADS / ROW_THREADS;
    const int thread = (int)threadIdx.x % ROW_THREADS;
    const int64_t row = (int64_t)blockIdx.x * rows_here + (int)threadIdx.x / ROW_THREADS;
    if (!member_active(batch, member)) {
        return;
    }
    const bool there = row < op.rows.count;
    const int64_t n = op.rows.first + row;
    const int target =
        there && n < rows_of(batch, member) ? member_of<int32_t>(op.targets, member)[n] : -1;
    A *logits = member_of<A>(op.logits, member) + (there ? row : 0) * op.vocabulary_padded;
    struct soft mine = {-INFINITY, 0};
    for (int c = thread * V; there && target >= 0 && c < op.vocabulary; c += ROW_THREADS * V) {
        float x[V];
        load<A, V>(logits + c, x);
        struct soft part = {-INFINITY, 0};
#pragma unroll
        for (int i = 0; i < V; i++) {
            part.largest = c + i < op.vocabulary ? fmaxf(part.largest, x[i]) : part.largest;
        }
#pragma unroll
        for (int i = 0; i < V; i++) {
            part.sum += c + i < op.vocabulary ? expf(x[i] - part.largest) : 0;
        }
        mine = soft_join(mine, part);
    }
    const float at_target = target >= 0 ? wide(logits[target]) : 0;
    mine = soft_warp(mine);
    if (ROW_THREADS > WARP) {
        struct soft *warps = (struct soft *)memory;
        if (threadIdx.x % WARP == 0) {
            warps[threadIdx.x / WARP] = mine;
        }
        /* also ensures that all threads have read the target's logit before it is overwritten
         */
        __syncthreads();
        mine = warps[0];
        for (int w = 1; w < ROW_THREADS / WARP; w++) {
            mine = soft_join(mine, warps[w]);
        }
    }
    __syncwarp();
    if (there && thread == 0) {
        losses[(int64_t)member * op.rows.count + row] =
            target >= 0 ? (double)mine.largest + log((double)mine.sum) - (double)at_target : 0;
    }
    if (!op.gradient || !there) {
        return;
    }
    const double dynamic = op.scale ? op.scale[member].scale : 1;
    const float loss_scale = (float)(batch.control[member].loss_scale * dynamic);
    const float scale = loss_scale / mine.sum;
    for (int c = thread * V; c < op.vocabulary_padded; c += ROW_THREADS * V) {
        float x[V];
        if (target >= 0) {
            load<A, V>(logits + c, x);
        }
#pragma unroll
        for (int i = 0; i < V; i++) {
            const bool counts = target >= 0 && c + i < op.vocabulary;
            const float p = counts ? expf(x[i] - mine.largest) * scale : 0;
            x[i] = counts && c + i == target ? p - loss_scale : p;
        }
        store<A, V>(logits + c, x);
    }
}

/* One block for each member: thread t adds every n-th row from t on (n: number of threads),
 * then a fixed tree. */
__global__ void __launch_bounds__(THREADS)
    loss_finish(struct esp_batch batch, struct esp_cross_entropy op, const double *losses)
{
    SHARED_MEMORY(memory);
    double *sums = (double *)memory;       /* [THREADS] */
    int *counts = (int *)(sums + THREADS); /* [THREADS] */
    const int member = (int)blockIdx.x;
    if (!member_active(batch, member)) {
        return;
    }
    const int32_t *targets = member_of<int32_t>(op.targets, member) + op.rows.first;
    const int64_t used = rows_of(batch, member) - op.rows.first;
    const int64_t rows = used < op.rows.count ? used : op.rows.count;
    double sum = 0;
    int count = 0;
    for (int64_t row = threadIdx.x; row < rows; row += THREADS) {
        sum += losses[(int64_t)member * op.rows.count + row];
        count += targets[row] >= 0;
    }
    sums[threadIdx.x] = sum;
    counts[threadIdx.x] = count;
    __syncthreads();
    for (int half = THREADS / 2; half > 0; half /= 2) {
        if ((int)threadIdx.x < half) {
            sums[threadIdx.x] += sums[threadIdx.x + half];
            counts[threadIdx.x] += counts[threadIdx.x + half];
        }
        __syncthreads();
    }
    if (threadIdx.x == 0) {
        op.loss[member].sum += sums[0];
        op.loss[member].count += counts[0];
    }
}

template <typename A, int V, int ROW_THREADS>
static void launch_rows(const struct esp_kernels *kernels,
                        const struct esp_batch *batch,
                        const struct esp_cross_entropy *op,
                        double *losses)
{
    const dim3 grid((unsigned)divide_up(op->rows.count, THREADS / ROW_THREADS),
                    (unsigned)batch->members);
    LAUNCH((cross_entropy_kernel<A, V, ROW_THREADS>),
           grid,
           THREADS,
           THREADS / WARP * sizeof(struct soft),
           state_of(kernels)->stream,
           *batch,
           *op,
           losses);
}

template <typename A>
void esp_cuda_cross_entropy(const struct esp_kernels *kernels,
                            const struct esp_batch *batch,
                            const struct esp_cross_entropy *op)
{
    const size_t bytes = (size_t)(batch->members * op->rows.count) * sizeof(double);
    double *losses = (double *)esp_cuda_workspace(kernels, bytes, "losses of rows");
    const bool small = op->vocabulary_padded <= WARP_VOCABULARY;
    if (!losses) {
        return;
    }
    if (!vectors_fit<A>(op->logits, op->vocabulary_padded)) {
        launch_rows<A, 1, THREADS>(kernels, batch, op, losses);
    } else if (small) {
        launch_rows<A, per_access<A>::count, WARP>(kernels, batch, op, losses);
    } else {
        launch_rows<A, per_access<A>::count, THREADS>(kernels, batch, op, losses);
    }
    LAUNCH(loss_finish,
           dim3((unsigned)batch->members),
           THREADS,
           THREADS * (sizeof(double) + sizeof(int)),
           state_of(kernels)->stream,
           *batch,
           *op,
           losses);
    check_launch(kernels, "cross_entropy");
}

ESP_CUDA_INSTANTIATE(cross_entropy, esp_cross_entropy)
