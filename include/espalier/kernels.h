/* The op table: what a transformer's training step is made of, for K models at once.
 *
 * A backend fills one `struct esp_kernels`: the CPU one is linked in (esp_kernels_open_cpu),
 * the CUDA one is a shared object that exports `esp_kernels_open`. The model (trial/model)
 * knows nothing but this table.
 *
 * Members. Every operation works on `batch->members` models of one shape. A tensor is a
 * `struct esp_view`: the first member's address and the distance to the next member's in
 * elements. What differs between members is in `batch->control`, one struct per member in the
 * backend's memory, so that a captured graph reads new values without being built anew. A
 * member whose control says active = 0 is not touched by any operation: nothing of it is read
 * or written.
 *
 * Types. R is the real type of parameters, gradients, optimizer state and statistics
 * (real_bytes: float, or double in the reference build of the same sources). A is the type of
 * activations and of the weights that products read (activation_bytes; equal to R on the CPU in
 * fp32). Integers are int32_t. Shapes are written without the leading [K].
 *
 * Rows. An activation tensor is [N, C] with N = sequences · context, row-major; row
 * n = sequence · context + position. A member may use fewer sequences than the batch has:
 * control.sequences. Rows at or beyond control.sequences · context may hold anything; a backend
 * may compute them or not, and they never contribute to a sum, because their targets are −1.
 *
 * Gradients of parameters are added to what is there; gradients of activations are overwritten.
 * They are of the *sum* of the counted tokens' losses (times loss_scale); the optimizer divides
 * by the count, so that any split of a batch into micro-batches gives the same mean.
 *
 * Operations are enqueued in order and return nothing. A failure of the device is kept and
 * comes out of the next `synchronise`, `download` or `upload`. No operation allocates, except
 * that a backend may grow a workspace of its own when it first sees a shape. On one machine and
 * backend every result is the same bits on every run, and a member's results do not depend on
 * the other members, on their number, or on its own place among them.
 *
 * Alignment: member addresses and strides of A and R tensors are multiples of 64 bytes unless
 * said otherwise; esp_model lays its tensors out by `alignment`. */
#ifndef ESPALIER_KERNELS_H
#define ESPALIER_KERNELS_H

#include <espalier/error.h>
#include <espalier/trainer.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Raised whenever this file changes in a way that a separately built backend would feel. */
#define ESP_KERNELS_VERSION 5

struct esp_kernels;
struct esp_graph;
struct esp_ring;

/* One tensor of each member: member k's elements start at data + k · stride elements. */
struct esp_view {
    void *data;
    int64_t stride;
};

/* What one member's operations depend on, in the backend's memory, [K]. */
struct esp_control {
    /* which part of the work is this member's */
    uint32_t active;   /* 0: leave this member alone */
    uint32_t update;   /* 0: the optimizer leaves this member alone */
    int32_t sequences; /* in use in this micro-batch, 0 … batch sequences */
    uint32_t pad;
    /* dropout: element e of tensor t is kept iff
     *   word(e % 4) of philox(seed, step · 2^16 + t, ESP_RANDOM_DROPOUT, e / 4) ≥ dropout ·
     * 2^32 with e counted over the whole batch: e = ((first_sequence · T + row) · C + column).
     * So the split into micro-batches does not change it. Kept elements are divided by 1 −
     * dropout. */
    uint64_t seed;
    uint64_t step;          /* the update this micro-batch belongs to, < 2^48 */
    int64_t first_sequence; /* of this micro-batch within its batch */
    double dropout;         /* 0 ≤ dropout < 1; 0: everything is kept, as it is */
    double loss_scale; /* gradients are scaled by it: in fp16 about 1 / the batch's tokens */
    /* the optimizer */
    int64_t updates; /* done with this one: 1 at the first; with those that overflowed */
    double learning_rate;
    double beta1, beta2, epsilon; /* AdamW */
    double momentum;              /* SGD */
    double weight_decay;
    double clip; /* largest global gradient norm; 0: none */
};

/* Sums over the counted tokens of one member, in the backend's memory, [K]. */
struct esp_loss_sum {
    double sum; /* nats */
    int64_t count;
};

/* What the optimizer did to one member since this was last zeroed, in the backend's memory,
 * [K]. */
struct esp_update_result {
    double loss_sum; /* nats, over the counted tokens of all updates */
    int64_t count;
    double grad_norm;   /* ‖g‖ of the last update's mean gradient, before the clip */
    int64_t updates;    /* done */
    int64_t skipped;    /* left out because the loss or the norm was not finite */
    int64_t overflowed; /* left out because fp16's gradient overflowed; the scale was halved */
};

/* The dynamic loss scale of one member in fp16, in the backend's memory, [K]: decided by the
 * optimizer on the device. It multiplies control.loss_scale. Starts at ESP_LOSS_SCALE_START; an
 * overflow halves it, ESP_LOSS_SCALE_CLEAN updates without one double it (Micikevicius et al.
 * 2018, section 3.2). An overflow at a scale of 1 is no overflow: the gradient is not finite.
 * AdamW's bias correction is for the updates that were made, as behind torch's GradScaler, of
 * which only the device knows: it counts those that were not. */
struct esp_loss_scale {
    double scale;
    int64_t clean;      /* updates since the last change */
    int64_t overflowed; /* updates left out for it since the member was fresh */
};

#define ESP_LOSS_SCALE_START 65536.0
#define ESP_LOSS_SCALE_MAX 16777216.0
#define ESP_LOSS_SCALE_CLEAN 2000

/* The frame of one micro-step. `sequences` · `context` = N is the extent of activation tensors.
 */
struct esp_batch {
    int members;                       /* K, 1 … ESP_MEMBERS_MAX */
    int sequences;                     /* B */
    int context;                       /* T: tokens per sequence */
    const struct esp_control *control; /* [K], backend memory */
    /* Bit k: member k's control says active. The host's word for what a device cannot decide:
     * which members a library's product takes. 0: every member. The CPU reads the control
     * alone. In a captured graph it is fixed. */
    uint64_t active;
};

enum esp_kernel_activation {
    ESP_KERNEL_LINEAR,
    ESP_KERNEL_GELU,      /* x · Φ(x), Φ by erf (Hendrycks & Gimpel 2016, eq. 2) */
    ESP_KERNEL_GELU_TANH, /* x/2 · (1 + tanh(√(2/π)(x + 0.044715 x³))) (same, section 2) */
};

/* Dropout's tensor number `tensor` is < 2^16 and differs between the places of one model. */

/* out = drop(token_table[token] + position_table[position]). Tokens out of [0, vocabulary) are
 * a caller's error and must have been refused before. */
struct esp_embed_forward {
    struct esp_view tokens;         /* [N], int32 */
    struct esp_view token_table;    /* [V, C], R */
    struct esp_view position_table; /* [T', C], R, T' ≥ T */
    struct esp_view out;            /* [N, C], A */
    int width;                      /* C */
    int vocabulary;                 /* V */
    int dropout_tensor;
};

/* Adds drop(grad) of each row to its token's and its position's row, in row order (no atomics).
 * Rows whose member uses fewer sequences are left out. */
struct esp_embed_backward {
    struct esp_view tokens;        /* [N], int32 */
    struct esp_view grad;          /* [N, C], A: of `out` */
    struct esp_view grad_token;    /* [V, C], R, added to */
    struct esp_view grad_position; /* [T', C], R, added to */
    int width;
    int vocabulary;
    int dropout_tensor;
};

/* Residual and layer norm in one pass (Ba et al. 2016, eq. 4; ε = 1e-5 inside the root):
 *   sum = stream + drop(branch)        (sum = stream when branch.data is NULL)
 *   out = (sum − mean) · rstd · weight + bias
 * `sum` may be the same memory as `stream`; it is not written when branch.data is NULL. */
struct esp_norm_forward {
    struct esp_view stream;       /* [N, C], A */
    struct esp_view branch;       /* [N, C], A, or NULL */
    struct esp_view sum;          /* [N, C], A */
    struct esp_view out;          /* [N, C], A */
    struct esp_view weight, bias; /* [C], R */
    struct esp_view mean, rstd;   /* [N], R */
    int width;
    int dropout_tensor;
};

/*   x̂ = (sum − mean) · rstd,  h = grad_out ⊙ weight
 *   grad_sum += rstd · (h − mean_C(h) − x̂ · mean_C(h ⊙ x̂))
 *   grad_branch = drop(grad_sum)
 *   grad_weight += Σ_n grad_out ⊙ x̂,  grad_bias += Σ_n grad_out
 * With `first` grad_sum is overwritten instead of added to. grad_branch.data NULL: not written
 * (a caller who knows that dropout is 0 everywhere uses grad_sum itself). */
struct esp_norm_backward {
    struct esp_view grad_out;               /* [N, C], A */
    struct esp_view sum;                    /* [N, C], A: as the forward left it */
    struct esp_view weight;                 /* [C], R */
    struct esp_view mean, rstd;             /* [N], R */
    struct esp_view grad_sum;               /* [N, C], A */
    struct esp_view grad_branch;            /* [N, C], A, or NULL */
    struct esp_view grad_weight, grad_bias; /* [C], R, added to */
    int width;
    int dropout_tensor;
    bool first;
};

/* The rows a product works on: [first_row, first_row + rows) of [N]. The views below point to
 * row 0 of the whole tensor; `packed` views (the logits of a chunk) start at first_row
 * themselves. */
struct esp_rows {
    int64_t first;
    int64_t count;
};

/* out = act(in · W + bias). W is [in, out] as GPT-2 stores it, or [out, in] when `transposed`
 * (the tied head). bias.data may be NULL. With an activation `pre` receives in · W + bias (the
 * backward pass needs it); pre.data NULL: not kept. */
struct esp_linear_forward {
    struct esp_view in;     /* [N, Cin], A */
    struct esp_view weight; /* [Cin, Cout] or [Cout, Cin], A */
    struct esp_view bias;   /* [Cout], R, or NULL */
    struct esp_view
        narrow_bias;     /* [Cout], A: bias rounded, for products that add it; or NULL */
    struct esp_view out; /* [N, Cout], A; [rows, Cout] when out_packed */
    struct esp_view pre; /* [N, Cout], A, or NULL */
    struct esp_rows rows;
    int width_in, width_out;
    enum esp_kernel_activation activation;
    bool transposed;
    bool out_packed;
};

/* grad_in = (grad_out · Wᵀ) ⊙ act'(pre), where `pre` is what the layer below kept: the
 * derivative of the activation that made `in`. ESP_KERNEL_LINEAR: no such factor. */
struct esp_linear_backward_input {
    struct esp_view grad_out; /* [N, Cout], A; [rows, Cout] when grad_packed */
    struct esp_view weight;   /* [Cin, Cout] or [Cout, Cin], A */
    struct esp_view grad_in;  /* [N, Cin], A */
    struct esp_view pre;      /* [N, Cin], A, or NULL */
    struct esp_rows rows;
    int width_in, width_out;
    enum esp_kernel_activation activation;
    bool transposed;
    bool grad_packed;
};

/* grad_weight += inᵀ · grad_out (its transpose when `transposed`), grad_bias += Σ_n grad_out.
 */
struct esp_linear_backward_weight {
    struct esp_view in;          /* [N, Cin], A */
    struct esp_view grad_out;    /* [N, Cout], A; [rows, Cout] when grad_packed */
    struct esp_view grad_weight; /* as W, R, added to */
    struct esp_view grad_bias;   /* [Cout], R, added to, or NULL */
    struct esp_rows rows;
    int width_in, width_out;
    bool transposed;
    bool grad_packed;
};

/* out = act(in), elementwise: what recomputation needs. */
struct esp_activation_forward {
    struct esp_view in;  /* [N, C], A */
    struct esp_view out; /* [N, C], A */
    int width;
    enum esp_kernel_activation activation;
};

/* softmax(q kᵀ / √D) v for each sequence and head without keeping the scores (Dao et al. 2022,
 * FlashAttention, algorithm 1). A row of qkv is q, k, v side by side, each heads · D wide; C =
 * heads · D. causal: position i sees 0 … i, else all T. No dropout on the probabilities: of
 * GPT-2's three dropouts the one that flash attention makes costly is left out; embedding and
 * residual dropout are there. */
struct esp_attention_forward {
    struct esp_view qkv; /* [N, 3C], A */
    struct esp_view out; /* [N, C], A */
    struct esp_view lse; /* [B, heads, T], R: log Σ exp of the scaled scores of a row */
    int width, heads;
    bool causal;
};

/* FlashAttention, algorithm 4: probabilities from qkv and lse, D_i = Σ grad_out ⊙ out. */
struct esp_attention_backward {
    struct esp_view qkv;      /* [N, 3C], A */
    struct esp_view out;      /* [N, C], A */
    struct esp_view lse;      /* [B, heads, T], R */
    struct esp_view grad_out; /* [N, C], A */
    struct esp_view grad_qkv; /* [N, 3C], A */
    int width, heads;
    bool causal;
};

/* For each counted row (target ≥ 0) of the chunk: loss.sum += log Σ exp(logits) −
 * logits[target], loss.count += 1; with `gradient` the logits become (softmax − onehot) ·
 * loss_scale, and 0 in rows that do not count and in the columns vocabulary … vocabulary_padded
 * − 1. Those columns are never read. Without `gradient` the logits are left as they are. */
struct esp_cross_entropy {
    struct esp_view logits;    /* [rows, Vp], A: packed, starts at rows.first */
    struct esp_view targets;   /* [N], int32; −1: not counted */
    struct esp_loss_sum *loss; /* [K], backend memory, added to */
    struct esp_rows rows;
    int vocabulary, vocabulary_padded; /* V ≤ Vp */
    bool gradient;
    const struct esp_loss_scale *scale; /* [K], backend memory, or NULL: 1 */
};

/* The optimizer over whole slabs: one call for all parameters of all members. Members with
 * update = 0 or active = 0 are left alone. For the others:
 *
 *   g ← grad / (loss.count · loss_scale)          (count 0: nothing to learn from; skipped)
 *   n ← ‖g‖₂ over the slab, summed in double
 *   g ← g · min(1, clip / (n + 1e-6))             (torch.nn.utils.clip_grad_norm_)
 *
 * AdamW (Loshchilov & Hutter 2019, algorithm 2, with torch.optim.AdamW's grouping):
 *   p ← p − η λ p (first `decayed` elements only)
 *   m ← β₁ m + (1 − β₁) g,  v ← β₂ v + (1 − β₂) g²
 *   p ← p − η (m / (1 − β₁ᵗ)) / (√(v / (1 − β₂ᵗ)) + ε)     t = updates − scale.overflowed
 *
 * SGD with momentum (Sutskever et al. 2013 in torch.optim.SGD's form; v is not used):
 *   g ← g + λ p (first `decayed` elements),  m ← μ m + g,  p ← p − η m
 *
 * A loss sum or norm that is not finite leaves p, m and v as they were (skipped + 1). In every
 * case grad and loss are zeroed for the next batch and result is brought up to date.
 *
 * A member that was skipped has `halted` set and stays as it is from then on: its later updates
 * zero grad and loss and do nothing else. So the host may learn of it many updates later and
 * finds the member as the first one left it. */
struct esp_optimize {
    struct esp_view param;            /* [count], R */
    struct esp_view grad;             /* [count], R */
    struct esp_view m, v;             /* [count], R; v.data may be NULL for SGD */
    struct esp_loss_sum *loss;        /* [K], backend memory */
    struct esp_update_result *result; /* [K], backend memory, added to */
    double *scratch;                  /* [K · ESP_OPTIMIZE_SCRATCH], backend memory */
    int64_t count;
    int64_t decayed;
    struct esp_view narrow;       /* [count], A: receives param rounded; NULL where A is R */
    struct esp_loss_scale *scale; /* [K], backend memory, or NULL: 1 */
    uint32_t *halted;             /* [K], backend memory, or NULL: nobody is ever */
};

/* Partial sums of the norm per member: 1024 blocks suffice for every block size of a GPU. */
#define ESP_OPTIMIZE_SCRATCH 1024

/* Every member's update result and validation loss fit: 64 · (48 + 16) bytes = 4 KiB. */
#define ESP_SNAPSHOT_BYTES 4096
#define ESP_SNAPSHOTS 64

struct esp_kernels {
    uint32_t version; /* ESP_KERNELS_VERSION of the headers it was built with */
    const char *name; /* "cpu", "cuda" */
    char device[128]; /* for people: the processor's or the GPU's name */
    size_t real_bytes;
    size_t activation_bytes;
    size_t alignment;             /* bytes, of every tensor within a slab: 64 or 256 */
    int vocabulary_multiple;      /* the vocabulary is padded to a multiple of this: 1 or 128 */
    int64_t chunk_elements;       /* one chunk of a member's logits, about; 0: no wish */
    enum esp_precision precision; /* what products compute in: never AUTO */
    bool host_memory;             /* `allocate` gives memory that the host may read directly */
    void *state;

    /* Memory. `allocate` returns zeroed memory or NULL. */
    void *(*allocate)(const struct esp_kernels *, size_t bytes);
    void (*release)(const struct esp_kernels *, void *memory);
    int (*memory)(const struct esp_kernels *, size_t *free_bytes, size_t *total_bytes);
    void (*zero)(const struct esp_kernels *, void *memory, size_t bytes);
    void (*copy)(const struct esp_kernels *, void *to, const void *from, size_t bytes);
    int (*upload)(const struct esp_kernels *, void *device, const void *host, size_t bytes);
    int (*download)(const struct esp_kernels *, void *host, const void *device, size_t bytes);
    /* Waits for everything enqueued; 0, or -EIO with the words of what failed since the last.
     */
    int (*synchronise)(const struct esp_kernels *, struct esp_error *error);
    void (*close)(struct esp_kernels *);

    /* to[i] = from[i] rounded from R to A: what products read after parameters were uploaded.
     * NULL where A is R. */
    void (*narrow)(const struct esp_kernels *, void *to, const void *from, int64_t count);

    /* Graphs: NULL where a backend has none. Between begin and end operations, zero and copy
     * are recorded and not done; upload, download and synchronise are not allowed. A shape must
     * have been run once before it is captured. A launch enqueues everything anew: what is in
     * device memory is read then, what was an argument is fixed. -EIO. */
    int (*capture_begin)(const struct esp_kernels *, struct esp_error *error);
    int (*capture_end)(const struct esp_kernels *,
                       struct esp_graph **graph,
                       struct esp_error *error);
    int (*graph_launch)(const struct esp_kernels *, struct esp_graph *graph);
    void (*graph_destroy)(const struct esp_kernels *, struct esp_graph *graph);

    /* A ring of snapshots, so that results are read without waiting. `begin` marks where a
     * piece of work starts, `push` enqueues a copy of at most ESP_SNAPSHOT_BYTES behind all
     * before it: -EAGAIN when ESP_SNAPSHOTS are unread, -EINVAL without a begin. `pop` gives
     * the oldest one and the device's seconds from its begin to its push: -EAGAIN when it is
     * not there yet (with `wait` it waits), -ENOENT when there is none. Where host_memory it is
     * there at once. */
    int (*ring_open)(const struct esp_kernels *, struct esp_ring **ring, struct esp_error *);
    void (*ring_close)(const struct esp_kernels *, struct esp_ring *);
    int (*ring_begin)(const struct esp_kernels *, struct esp_ring *);
    int (*ring_push)(const struct esp_kernels *,
                     struct esp_ring *,
                     const void *device,
                     size_t bytes);
    int (*ring_pop)(const struct esp_kernels *,
                    struct esp_ring *,
                    void *host,
                    size_t bytes,
                    bool wait,
                    double *seconds);

    void (*embed_forward)(const struct esp_kernels *,
                          const struct esp_batch *,
                          const struct esp_embed_forward *);
    void (*embed_backward)(const struct esp_kernels *,
                           const struct esp_batch *,
                           const struct esp_embed_backward *);
    void (*norm_forward)(const struct esp_kernels *,
                         const struct esp_batch *,
                         const struct esp_norm_forward *);
    void (*norm_backward)(const struct esp_kernels *,
                          const struct esp_batch *,
                          const struct esp_norm_backward *);
    void (*linear_forward)(const struct esp_kernels *,
                           const struct esp_batch *,
                           const struct esp_linear_forward *);
    void (*linear_backward_input)(const struct esp_kernels *,
                                  const struct esp_batch *,
                                  const struct esp_linear_backward_input *);
    void (*linear_backward_weight)(const struct esp_kernels *,
                                   const struct esp_batch *,
                                   const struct esp_linear_backward_weight *);
    void (*activation_forward)(const struct esp_kernels *,
                               const struct esp_batch *,
                               const struct esp_activation_forward *);
    void (*attention_forward)(const struct esp_kernels *,
                              const struct esp_batch *,
                              const struct esp_attention_forward *);
    void (*attention_backward)(const struct esp_kernels *,
                               const struct esp_batch *,
                               const struct esp_attention_backward *);
    void (*cross_entropy)(const struct esp_kernels *,
                          const struct esp_batch *,
                          const struct esp_cross_entropy *);
    void (*adamw)(const struct esp_kernels *,
                  const struct esp_batch *,
                  const struct esp_optimize *);
    void (*sgd)(const struct esp_kernels *,
                const struct esp_batch *,
                const struct esp_optimize *);

    /* Opens the same device once more in another precision; NULL where there is but one.
     * -ENOTSUP: the device cannot. Close both. */
    int (*open_as)(const struct esp_kernels *,
                   enum esp_precision,
                   struct esp_kernels **,
                   struct esp_error *);
};

/* Opens the CPU backend in fp32, or in double: the same sources, the reference of every test.
 * One thread; the process's BLAS is set to one thread by it. -ENOMEM. Release with
 * esp_kernels_close. With the precision chosen: AUTO and TF32 are fp32; BF16 is products in
 * bfloat16 over float32 activations, sums, parameters and gradients; -ENOTSUP: FP16, or a
 * processor or machine that lacks what BF16 needs. */
int esp_kernels_open_cpu(struct esp_kernels **kernels, struct esp_error *error);
int esp_kernels_open_cpu_as(enum esp_precision precision,
                            struct esp_kernels **kernels,
                            struct esp_error *error);
int esp_kernels_open_cpu_f64(struct esp_kernels **kernels, struct esp_error *error);

/* NULL is fine. */
static inline void esp_kernels_close(struct esp_kernels *kernels)
{
    if (kernels) {
        kernels->close(kernels);
    }
}

/* The one symbol of a backend's shared object: "esp_kernels_open". `device` is an ordinal.
 * -ENODEV: no such device; -ENOTSUP: one that this build cannot use; -ENOMEM. */
typedef int (*esp_kernels_open_function)(int device,
                                         struct esp_kernels **kernels,
                                         struct esp_error *error);

/* The same with the precision chosen (AUTO: bf16), "esp_kernels_open_as". */
typedef int (*esp_kernels_open_as_function)(int device,
                                            enum esp_precision precision,
                                            struct esp_kernels **kernels,
                                            struct esp_error *error);

#endif
