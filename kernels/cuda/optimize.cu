/* AdamW and SGD over the slabs of all members: partial sums of the squared gradient, a decision
 * for each member (mean, clip, skip, loss scale), and one pass that updates. */
#include "backend.h"

#define THREADS 256

/* Elements of one access in float. */
#define V 4

/* Elements of a block: at most 1,024 blocks, one partial sum each (ESP_OPTIMIZE_SCRATCH), and
 * at least 4,096 elements in each, so that a small slab does not launch empty blocks. */
#define BLOCK_ELEMENTS 4096

/* One member's update as decided on the device. `go` 0: p, m and v stay as they are. */
struct decision {
    float factor, beta1, beta2, rest1, rest2;
    float step, root2, epsilon, shrink;
    float rate, momentum, decay; /* SGD */
    int go;
    int there; /* 0: this member is not touched */
};

template <bool ALIGNED>
__global__ void __launch_bounds__(THREADS)
    squares_kernel(struct esp_batch batch, struct esp_optimize op)
{
    SHARED_MEMORY(memory);
    double *sums = (double *)memory;
    const int member = (int)blockIdx.y;
    const struct esp_control *control = &batch.control[member];
    if (!control->active || !control->update) {
        return;
    }
    const float *g = member_of<float>(op.grad, member);
    const int64_t step = (int64_t)gridDim.x * THREADS;
    const int64_t whole = ALIGNED ? op.count / V : 0;
    double sum = 0;
    for (int64_t i = (int64_t)blockIdx.x * THREADS + threadIdx.x; i < whole; i += step) {
        float x[V];
        load<float, V>(g + i * V, x);
#pragma unroll
        for (int j = 0; j < V; j++) {
            sum += (double)x[j] * (double)x[j];
        }
    }
    for (int64_t i = whole * V + (int64_t)blockIdx.x * THREADS + threadIdx.x; i < op.count;
         i += step) {
        sum += (double)g[i] * (double)g[i];
    }
    sum = warp_sum(sum);
    if (threadIdx.x % WARP == 0) {
        sums[threadIdx.x / WARP] = sum;
    }
    __syncthreads();
    if (threadIdx.x == 0) {
        for (int w = 1; w < THREADS / WARP; w++) {
            sum += sums[w];
        }
        op.scratch[(int64_t)member * ESP_OPTIMIZE_SCRATCH + blockIdx.x] = sum;
    }
}

/* Halves the scale on overflow and doubles it after enough updates without one; returns whether
 * the update is skipped because of an overflow. */
DEVICE bool scale_overflowed(struct esp_loss_scale *scale, bool finite)
{
    if (!scale) {
        return false;
    }
    if (!finite) {
        const bool room = scale->scale > 1;
        scale->scale = room ? scale->scale / 2 : 1;
        scale->clean = 0;
        scale->overflowed += room;
        return room;
    }
    scale->clean++;
    if (scale->clean >= ESP_LOSS_SCALE_CLEAN) {
        scale->scale = scale->scale < ESP_LOSS_SCALE_MAX ? scale->scale * 2 : scale->scale;
        scale->clean = 0;
    }
    return false;
}

/* Factor that turns a summed gradient into a clipped mean; 0: skip the update. */
DEVICE double decide_factor(const struct esp_control *control,
                            const struct esp_loss_sum *loss,
                            struct esp_update_result *result,
                            struct esp_loss_scale *scale,
                            double squares)
{
    const double now = control->loss_scale * (scale ? scale->scale : 1);
    result->loss_sum += loss->sum;
    result->count += loss->count;
    if (loss->count <= 0) {
        result->skipped++;
        return 0;
    }
    const double mean = 1.0 / ((double)loss->count * now);
    const double norm = sqrt(squares) * mean;
    const bool loss_finite = isfinite(loss->sum), finite = isfinite(norm);
    if (loss_finite && scale_overflowed(scale, finite)) {
        result->overflowed++;
        return 0;
    }
    result->grad_norm = norm;
    if (!loss_finite || !finite) {
        result->skipped++;
        return 0;
    }
    result->updates++;
    const double clip = control->clip > 0 ? control->clip / (norm + 1e-6) : 1;
    return mean * (clip < 1 ? clip : 1);
}

__global__ void __launch_bounds__(WARP) decide_kernel(struct esp_batch batch,
                                                      struct esp_optimize op,
                                                      int blocks,
                                                      struct decision *decisions)
{
    const int member = (int)blockIdx.x;
    const struct esp_control *c = &batch.control[member];
    struct decision d = {};
    double squares = 0;
    d.there = c->active && c->update;
    for (int i = (int)threadIdx.x; d.there && i < blocks; i += WARP) {
        squares += op.scratch[(int64_t)member * ESP_OPTIMIZE_SCRATCH + i];
    }
    squares = warp_sum(squares);
    if (threadIdx.x != 0) {
        return;
    }
    if (d.there) {
        uint32_t *halted = op.halted ? &op.halted[member] : NULL;
        double factor = 0;
        if (!halted || !*halted) {
            const int64_t skipped = op.result[member].skipped;
            factor = decide_factor(c,
                                   &op.loss[member],
                                   &op.result[member],
                                   op.scale ? &op.scale[member] : NULL,
                                   squares);
            if (halted) {
                *halted = op.result[member].skipped != skipped;
            }
        }
        op.loss[member].sum = 0;
        op.loss[member].count = 0;
        d.go = factor != 0;
        d.factor = (float)factor;
        d.beta1 = (float)c->beta1;
        d.beta2 = (float)c->beta2;
        d.rest1 = (float)(1 - c->beta1);
        d.rest2 = (float)(1 - c->beta2);
        const double made = (double)(c->updates - (op.scale ? op.scale[member].overflowed : 0));
        d.step = (float)(c->learning_rate / (1 - pow(c->beta1, made)));
        d.root2 = (float)(1 / sqrt(1 - pow(c->beta2, made)));
        d.epsilon = (float)c->epsilon;
        d.shrink = (float)(1 - c->learning_rate * c->weight_decay);
        d.rate = (float)c->learning_rate;
        d.momentum = (float)c->momentum;
        d.decay = (float)c->weight_decay;
    }
    decisions[member] = d;
}

/* Updates one element. `decays`: weight decay applies to it. */
template <bool ADAMW>
DEVICE void
update_one(const struct decision &d, bool decays, float *p, float *m, float *v, float g)
{
    if (ADAMW) {
        const float gi = g * d.factor;
        *m = d.beta1 * *m + d.rest1 * gi;
        *v = d.beta2 * *v + d.rest2 * gi * gi;
        *p = *p * (decays ? d.shrink : 1.0f) - d.step * *m / (sqrtf(*v) * d.root2 + d.epsilon);
    } else {
        *m = d.momentum * *m + (g * d.factor + (decays ? d.decay : 0.0f) * *p);
        *p -= d.rate * *m;
    }
}

template <typename A, bool ADAMW, int WIDE>
DEVICE void
update_some(const struct decision &d, const struct esp_optimize &op, int member, int64_t at)
{
    float *p = member_of<float>(op.param, member) + at;
    float *g = member_of<float>(op.grad, member) + at;
    float *m = member_of<float>(op.m, member) + at;
    float *v = ADAMW ? member_of<float>(op.v, member) + at : m;
    float zero[WIDE];
#pragma unroll
    for (int i = 0; i < WIDE; i++) {
        zero[i] = 0;
    }
    if (d.go) {
        float ps[WIDE], gs[WIDE], ms[WIDE], vs[WIDE];
        load<float, WIDE>(p, ps);
        load<float, WIDE>(g, gs);
        load<float, WIDE>(m, ms);
        load<float, WIDE>(v, vs);
#pragma unroll
        for (int i = 0; i < WIDE; i++) {
            update_one<ADAMW>(d, at + i < op.decayed, &ps[i], &ms[i], &vs[i], gs[i]);
        }
        store<float, WIDE>(p, ps);
        store<float, WIDE>(m, ms);
        if (ADAMW) {
            store<float, WIDE>(v, vs);
        }
        if (op.narrow.data) {
            store<A, WIDE>(member_of<A>(op.narrow, member) + at, ps);
        }
    }
    store<float, WIDE>(g, zero);
}

template <typename A, bool ADAMW, bool ALIGNED>
__global__ void __launch_bounds__(THREADS) update_kernel(struct esp_batch batch,
                                                         struct esp_optimize op,
                                                         const struct decision *decisions)
{
    const int member = (int)blockIdx.y;
    const struct decision d = decisions[member];
    (void)batch;
    if (!d.there) {
        return;
    }
    const int64_t step = (int64_t)gridDim.x * THREADS;
    const int64_t whole = ALIGNED ? op.count / V : 0;
    for (int64_t i = (int64_t)blockIdx.x * THREADS + threadIdx.x; i < whole; i += step) {
        update_some<A, ADAMW, V>(d, op, member, i * V);
    }
    for (int64_t i = whole * V + (int64_t)blockIdx.x * THREADS + threadIdx.x; i < op.count;
         i += step) {
        update_some<A, ADAMW, 1>(d, op, member, i);
    }
}

template <typename A, bool ADAMW, bool ALIGNED>
static void launch_update(const struct esp_kernels *kernels,
                          const struct esp_batch *batch,
                          const struct esp_optimize *op)
{
    const cudaStream_t stream = state_of(kernels)->stream;
    struct decision *decisions = (struct decision *)esp_cuda_workspace(
        kernels, (size_t)batch->members * sizeof(struct decision), "decisions of members");
    int64_t blocks = divide_up(op->count, BLOCK_ELEMENTS);
    blocks = blocks < ESP_OPTIMIZE_SCRATCH ? blocks : ESP_OPTIMIZE_SCRATCH;
    if (!decisions) {
        return;
    }
    const dim3 grid((unsigned)blocks, (unsigned)batch->members);
    LAUNCH((squares_kernel<ALIGNED>),
           grid,
           THREADS,
           THREADS / WARP * sizeof(double),
           stream,
           *batch,
           *op);
    LAUNCH(decide_kernel,
           dim3((unsigned)batch->members),
           WARP,
           0,
           stream,
           *batch,
           *op,
           (int)blocks,
           decisions);
    LAUNCH(
        (update_kernel<A, ADAMW, ALIGNED>), grid, THREADS, 0, stream, *batch, *op, decisions);
    check_launch(kernels, ADAMW ? "adamw" : "sgd");
}

template <typename A, bool ADAMW>
static void optimize(const struct esp_kernels *kernels,
                     const struct esp_batch *batch,
                     const struct esp_optimize *op)
{
    const bool aligned = vectors_fit<float>(op->param, V) && vectors_fit<float>(op->grad, V) &&
                         vectors_fit<float>(op->m, V) &&
                         (!ADAMW || vectors_fit<float>(op->v, V)) &&
                         (!op->narrow.data || vectors_fit<A>(op->narrow, per_access<A>::count));
    if (aligned) {
        launch_update<A, ADAMW, true>(kernels, batch, op);
    } else {
        launch_update<A, ADAMW, false>(kernels, batch, op);
    }
}

template <typename A>
void esp_cuda_adamw(const struct esp_kernels *kernels,
                    const struct esp_batch *batch,
                    const struct esp_optimize *op)
{
    optimize<A, true>(kernels, batch, op);
}

ESP_CUDA_INSTANTIATE(adamw, esp_optimize)

template <typename A>
void esp_cuda_sgd(const struct esp_kernels *kernels,
                  const struct esp_batch *batch,
                  const struct esp_optimize *op)
{
    optimize<A, false>(kernels, batch, op);
}

ESP_CUDA_INSTANTIATE(sgd, esp_optimize)
