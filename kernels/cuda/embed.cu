/* Token and position embeddings.
 *
 * Each row of the token table's gradient has one owner: a block scans its member's tokens in
 * order, lists the rows whose token it owns, and adds them up in a fixed order. No two blocks
 * add to the same element, so there are no atomics and the result is the same bits on every
 * run. */
#include "backend.h"
#include "dropout.h"

#define THREADS 256

/* Rows listed at a time: 16 KiB of shared memory for row numbers and tokens. */
#define LIST 2048

/* Tokens that one block owns when the vocabulary is large. Scanning N tokens reads 4 N bytes in
 * each block: 50,257 tokens in blocks of 32 read 64 KiB 1,571 times at N = 16,384, 100 MB from
 * the L2 cache. With a small vocabulary each token has more work. */
#define OWNED_MANY 32
#define VOCABULARY_SMALL 1024

template <typename A, int V>
__global__ void __launch_bounds__(THREADS)
    embed_forward_kernel(struct esp_batch batch, struct esp_embed_forward op)
{
    const int member = (int)blockIdx.y;
    if (!member_active(batch, member)) {
        return;
    }
    const int64_t at = ((int64_t)blockIdx.x * THREADS + threadIdx.x) * V;
    const int64_t row = at / op.width;
    const int column = (int)(at % op.width);
    if (row >= (int64_t)batch.sequences * batch.context) {
        return;
    }
    float x[V];
    if (row < rows_of(batch, member)) {
        const int token = member_of<int32_t>(op.tokens, member)[row];
        const struct dropout d = dropout_of(&batch.control[member], op.dropout_tensor);
        float position[V];
        load<float, V>(
            member_of<float>(op.token_table, member) + (int64_t)token * op.width + column, x);
        load<float, V>(member_of<float>(op.position_table, member) +
                           row % batch.context * op.width + column,
                       position);
#pragma unroll
        for (int i = 0; i < V; i++) {
            x[i] += position[i];
        }
        if (d.on) {
            drop<V>(d, dropout_element(batch, member, row, op.width) + column, x);
        }
    } else {
        /* rows that the member does not use: set to finite values, so that their products with
         * a zero gradient are zero */
#pragma unroll
        for (int i = 0; i < V; i++) {
            x[i] = 0;
        }
    }
    store<A, V>(member_of<A>(op.out, member) + at, x);
}

template <typename A>
void esp_cuda_embed_forward(const struct esp_kernels *kernels,
                            const struct esp_batch *batch,
                            const struct esp_embed_forward *op)
{
    const int64_t elements = (int64_t)batch->sequences * batch->context * op->width;
    const int per = per_access<A>::count;
    const bool fit = vectors_fit<A>(op->out, op->width) &&
                     vectors_fit<float>(op->token_table, op->width) &&
                     vectors_fit<float>(op->position_table, op->width);
    const int64_t threads = fit ? elements / per : elements;
    const dim3 grid((unsigned)divide_up(threads, THREADS), (unsigned)batch->members);
    if (fit) {
        LAUNCH((embed_forward_kernel<A, per_access<A>::count>),
               grid,
               THREADS,
               0,
               state_of(kernels)->stream,
               *batch,
               *op);
    } else {
        LAUNCH((embed_forward_kernel<A, 1>),
               grid,
               THREADS,
               0,
               state_of(kernels)->stream,
               *batch,
               *op);
    }
    check_launch(kernels, "embed_forward");
}

ESP_CUDA_INSTANTIATE(embed_forward, esp_embed_forward)

/* The rows that a block has listed so far. */
struct listing {
    int *row;   /* [LIST] */
    int *token; /* [LIST], relative to the first owned token */
    int *warp;  /* [THREADS / WARP]: number of rows that each warp appends */
    float *sum; /* [THREADS · V] */
};

/* V columns of one row's gradient, with dropout applied. */
template <typename A, int V>
DEVICE void grad_row(const struct esp_batch &batch,
                     const struct esp_embed_backward &op,
                     const struct dropout &d,
                     int member,
                     int64_t row,
                     int column,
                     float x[V])
{
    load<A, V>(member_of<A>(op.grad, member) + row * op.width + column, x);
    if (d.on) {
        drop<V>(d, dropout_element(batch, member, row, op.width) + column, x);
    }
}

/* Adds the listed rows to the owned tokens. The threads of a block form groups over the
 * columns; each group takes every n-th row (n: number of groups), and the groups' sums are
 * added in order. */
template <typename A, int V>
DEVICE void add_listed(const struct esp_batch &batch,
                       const struct esp_embed_backward &op,
                       const struct dropout &d,
                       const struct listing &list,
                       int member,
                       int first,
                       int owned,
                       int count)
{
    const int columns = (op.width + V - 1) / V;
    const int lanes = columns < THREADS ? columns : THREADS;
    const int groups = THREADS / lanes;
    const int lane = (int)threadIdx.x % lanes, group = (int)threadIdx.x / lanes;
    for (int token = 0; token < owned; token++) {
        bool any = false;
        for (int i = (int)threadIdx.x; i < count && !any; i += THREADS) {
            any = list.token[i] == token;
        }
        const bool work = __syncthreads_or(any) != 0; /* equal in every thread */
        for (int start = 0; work && start < columns; start += lanes) {
            const int column = (start + lane) * V;
            const bool mine = group < groups && column < op.width;
            float sum[V];
#pragma unroll
            for (int i = 0; i < V; i++) {
                sum[i] = 0;
            }
            for (int at = group; mine && at < count; at += groups) {
                if (list.token[at] == token) {
                    float x[V];
                    grad_row<A, V>(batch, op, d, member, list.row[at], column, x);
#pragma unroll
                    for (int i = 0; i < V; i++) {
                        sum[i] += x[i];
                    }
                }
            }
#pragma unroll
            for (int i = 0; i < V; i++) {
                list.sum[threadIdx.x * V + i] = sum[i];
            }
            __syncthreads();
            if (mine && group == 0) {
                float *out = member_of<float>(op.grad_token, member) +
                             (int64_t)(first + token) * op.width + column;
#pragma unroll
                for (int i = 0; i < V; i++) {
                    float all = 0;
                    for (int g = 0; g < groups; g++) {
                        all += list.sum[(g * lanes + lane) * V + i];
                    }
                    out[i] += all;
                }
            }
            __syncthreads();
        }
    }
}

template <typename A, int V>
__global__ void __launch_bounds__(THREADS)
    embed_backward_tokens(struct esp_batch batch, struct esp_embed_backward op, int owned)
{
    const int member = (int)blockIdx.y;
    SHARED_MEMORY(memory);
    struct listing list;
    list.row = (int *)memory;
    list.token = list.row + LIST;
    list.sum = (float *)(list.token + LIST);
    list.warp = (int *)(list.sum + THREADS * V);
    if (!member_active(batch, member)) {
        return;
    }
    const struct dropout d = dropout_of(&batch.control[member], op.dropout_tensor);
    const int32_t *tokens = member_of<int32_t>(op.tokens, member);
    const int64_t rows = rows_of(batch, member);
    const int first = (int)blockIdx.x * owned;
    const int lane = (int)threadIdx.x % WARP, warp = (int)threadIdx.x / WARP;
    int count = 0;
    for (int64_t start = 0; start < rows; start += THREADS) {
        const int64_t row = start + threadIdx.x;
        const int token = row < rows ? tokens[row] - first : -1;
        const bool mine = token >= 0 && token < owned;
        const unsigned which = __ballot_sync(FULL_WARP, mine);
        if (lane == 0) {
            list.warp[warp] = __popc(which);
        }
        __syncthreads();
        int before = 0, added = 0;
        for (int w = 0; w < THREADS / WARP; w++) {
            before += w < warp ? list.warp[w] : 0;
            added += list.warp[w];
        }
        const int place = count + before + __popc(which & ((1u << lane) - 1));
        if (mine) {
            list.row[place] = (int)row;
            list.token[place] = token;
        }
        count += added;
        __syncthreads();
        if (count > LIST - THREADS || (count > 0 && start + THREADS >= rows)) {
            add_listed<A, V>(batch, op, d, list, member, first, owned, count);
            count = 0;
        }
    }
}

/* One thread for each column of a position adds its rows, one of each sequence, in order. */
template <typename A>
__global__ void __launch_bounds__(THREADS)
    embed_backward_positions(struct esp_batch batch, struct esp_embed_backward op)
{
    const int member = (int)blockIdx.y;
    const int64_t at = (int64_t)blockIdx.x * THREADS + threadIdx.x;
    if (!member_active(batch, member) || at >= (int64_t)batch.context * op.width) {
        return;
    }
    const struct dropout d = dropout_of(&batch.control[member], op.dropout_tensor);
    const int64_t position = at / op.width;
    const int column = (int)(at % op.width);
    float sum = 0;
    for (int64_t row = position; row < rows_of(batch, member); row += batch.context) {
        float x[1];
        grad_row<A, 1>(batch, op, d, member, row, column, x);
        sum += x[0];
    }
    member_of<float>(op.grad_position, member)[at] += sum;
}

template <typename A, int V>
static void launch_tokens(const struct esp_kernels *kernels,
                          const struct esp_batch *batch,
                          const struct esp_embed_backward *op)
{
    const int owned = op->vocabulary <= VOCABULARY_SMALL ? 1 : OWNED_MANY;
    const size_t shared =
        2 * LIST * sizeof(int) + THREADS * V * sizeof(float) + THREADS / WARP * sizeof(int);
    const dim3 grid((unsigned)divide_up(op->vocabulary, owned), (unsigned)batch->members);
    LAUNCH((embed_backward_tokens<A, V>),
           grid,
           THREADS,
           shared,
           state_of(kernels)->stream,
           *batch,
           *op,
           owned);
    check_launch(kernels, "embed_backward, tokens");
}

template <typename A>
void esp_cuda_embed_backward(const struct esp_kernels *kernels,
                             const struct esp_batch *batch,
                             const struct esp_embed_backward *op)
{
    if (vectors_fit<A>(op->grad, op->width)) {
        launch_tokens<A, per_access<A>::count>(kernels, batch, op);
    } else {
        launch_tokens<A, 1>(kernels, batch, op);
    }
    const dim3 grid((unsigned)divide_up((int64_t)batch->context * op->width, THREADS),
                    (unsigned)batch->members);
    LAUNCH((embed_backward_positions<A>),
           grid,
           THREADS,
           0,
           state_of(kernels)->stream,
           *batch,
           *op);
    check_launch(kernels, "embed_backward, positions");
}

ESP_CUDA_INSTANTIATE(embed_backward, esp_embed_backward)
