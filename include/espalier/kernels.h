/* The op table: the operations of a transformer's training step, for K models at once.
 *
 * A backend fills one `struct esp_kernels`. The CPU backend is linked in
 * (esp_kernels_open_cpu); the CUDA backend is a shared object that exports `esp_kernels_open`.
 * The model (trial/model) uses a backend only through this table.
 *
 * Members. Every operation works on `batch->members` models of one shape. A tensor is a `struct
 * esp_view`: the first member's address and the distance to the next member's in elements.
 * Values that differ between members are in `batch->control`, one struct per member in the
 * backend's memory, so that a captured graph reads new values without being built again.
 * Operations neither read nor write anything of a member whose control has active = 0.
 *
 * Types. R is the real type of parameters, gradients, optimizer state and statistics
 * (real_bytes: float, or double in the reference build of the same sources). A is the type of
 * activations and of the weights that products read (activation_bytes; equal to R on the CPU in
 * fp32). Integers are int32_t. Shapes are written without the leading [K].
 *
 * Rows. An activation tensor is [N, C] with N = sequences · context, row-major; row n =
 * sequence · context + position. A member may use fewer sequences than the batch has:
 * control.sequences. Rows from control.sequences · context on may hold anything; a backend may
 * compute them or not, and they never contribute to a sum, because their targets are −1.
 *
 * Gradients of parameters are added to the present value; gradients of activations are
 * overwritten. They are gradients of the *sum* of the counted tokens' losses (times
 * loss_scale). The optimizer divides by the count, so any split of a batch into micro-batches
 * gives the same mean.
 *
 * Operations are enqueued in order and return nothing. A failure of the device is recorded and
 * returned by the next `synchronise`, `download` or `upload`. No operation allocates, except
 * that a backend may enlarge its workspace when it first sees a shape. On one machine and
 * backend every result is the same bits on every run, and a member's results do not depend on
 * the other members, on their number, or on the member's index.
 *
 * Alignment: member addresses and strides of A and R tensors are multiples of 64 bytes unless
 * stated otherwise; esp_model lays its tensors out by `alignment`. */
#ifndef ESPALIER_KERNELS_H
#define ESPALIER_KERNELS_H

#include <espalier/error.h>
#include <espalier/trainer.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Raised whenever this file changes in a way that affects a separately built backend. */
#define ESP_KERNELS_VERSION 5

struct esp_kernels;
struct esp_graph;
struct esp_ring;

/* One tensor of all members: member k's elements start at data + k · stride elements. */
struct esp_view {
    void *data;
    int64_t stride;
};

/* Per-member inputs of the operations, in the backend's memory, [K]. */
struct esp_control {
    /* participation */
    uint32_t active;   /* 0: no operation touches this member */
    uint32_t update;   /* 0: the optimizer does not touch this member */
    int32_t sequences; /* used in this micro-batch, 0 … batch sequences */
    uint32_t pad;
    /* dropout: element e of tensor t is kept iff
     *   word(e % 4) of philox(seed, step · 2^16 + t, ESP_RANDOM_DROPOUT, e / 4) ≥ dropout ·
     * 2^32 where e counts over the whole batch: e = ((first_sequence · T + row) · C + column).
     * So the split into micro-batches does not change it. Kept elements are divided by 1 −
     * dropout. */
    uint64_t seed;
    uint64_t step;          /* number of the update that this micro-batch belongs to, < 2^48 */
    int64_t first_sequence; /* this micro-batch's first sequence within its batch */
    double dropout;         /* 0 ≤ dropout < 1; 0: everything is kept unchanged */
    double loss_scale;      /* factor of the gradients: in fp16 about 1 / the batch's tokens */
    /* optimizer */
    int64_t updates; /* number of this update, from 1; includes those that overflowed */
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

/* Record of the optimizer's updates of one member since this was last zeroed, in the backend's
 * memory, [K]. */
struct esp_update_result {
    double loss_sum; /* nats, over the counted tokens of all updates */
    int64_t count;
    double grad_norm;   /* ‖g‖ of the last update's mean gradient, before the clip */
    int64_t updates;    /* completed updates */
    int64_t skipped;    /* updates skipped because the loss or the norm was not finite */
    int64_t overflowed; /* updates skipped because fp16's gradient overflowed; each halved the
                           scale */
};

/* Dynamic loss scale of one member in fp16, in the backend's memory, [K], adjusted by the
 * optimizer on the device. It multiplies control.loss_scale. Starts at ESP_LOSS_SCALE_START; an
 * overflow halves it, ESP_LOSS_SCALE_CLEAN updates without one double it (Micikevicius et al.
 * 2018, section 3.2). At a scale of 1 an overflow counts as a gradient that is not finite.
 * AdamW's bias correction counts completed updates, as with torch's GradScaler. Only the device
 * knows their number, so `overflowed` counts the skipped ones. */
struct esp_loss_scale {
    double scale;
    int64_t clean;      /* updates since the last change */
    int64_t overflowed; /* updates skipped because of it since the member was initialised */
};

#define ESP_LOSS_SCALE_START 65536.0
#define ESP_LOSS_SCALE_MAX 16777216.0
#define ESP_LOSS_SCALE_CLEAN 2000

/* The size of one micro-step. `sequences` · `context` = N is the extent of activation tensors.
 */
struct esp_batch {
    int members;                       /* K, 1 … ESP_MEMBERS_MAX */
    int sequences;                     /* B */
    int context;                       /* T: tokens per sequence */
    const struct esp_control *control; /* [K], backend memory */
    /* Host copy of `active`, for library calls: bit k is set when member k's control has active
     * = 1. A device cannot choose which members a library's product computes. 0: every member.
     * The CPU backend reads only the control. In a captured graph this is fixed. */
    uint64_t active;
};

enum esp_kernel_activation {
    ESP_KERNEL_LINEAR,
    ESP_KERNEL_GELU,      /* x · Φ(x), Φ by erf (Hendrycks & Gimpel 2016, eq. 2) */
    ESP_KERNEL_GELU_TANH, /* x/2 · (1 + tanh(√(2/π)(x + 0.044715 x³))) (same, section 2) */
};

/* Dropout's tensor number `dropout_tensor` is < 2^16 and differs between the places in one
 * model. */

/* out = drop(token_table[token] + position_table[position]). The caller must ensure that all
 * tokens are in [0, vocabulary). */
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
 * Rows that the member does not use are skipped. */
struct esp_embed_backward {
    struct esp_view tokens;        /* [N], int32 */
    struct esp_view grad;          /* [N, C], A: gradient of `out` */
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

/* Gradients of esp_norm_forward:
 *   x̂ = (sum − mean) · rstd,  h = grad_out ⊙ weight
 *   grad_sum += rstd · (h − mean_C(h) − x̂ · mean_C(h ⊙ x̂))
 *   grad_branch = drop(grad_sum)
 *   grad_weight += Σ_n grad_out ⊙ x̂,  grad_bias += Σ_n grad_out
 * With `first` grad_sum is overwritten instead of added to. grad_branch.data NULL: not written
 * (a caller that uses no dropout reads grad_sum itself). */
struct esp_norm_backward {
    struct esp_view grad_out;               /* [N, C], A */
    struct esp_view sum;                    /* [N, C], A: as the forward pass wrote it */
    struct esp_view weight;                 /* [C], R */
    struct esp_view mean, rstd;             /* [N], R */
    struct esp_view grad_sum;               /* [N, C], A */
    struct esp_view grad_branch;            /* [N, C], A, or NULL */
    struct esp_view grad_weight, grad_bias; /* [C], R, added to */
    int width;
    int dropout_tensor;
    bool first;
};

/* Rows that a product works on: `count` rows from `first` on, of [N]. The views of a product
 * point to row 0 of the whole tensor; `packed` views (the logits of a chunk) start at row
 * `first`. */
struct esp_rows {
    int64_t first;
    int64_t count;
};

/* out = act(in · W + bias). W is [in, out] as GPT-2 stores it, or [out, in] when `transposed`
 * (the tied head). bias.data may be NULL. `pre` receives in · W + bias, which the backward pass
 * of an activation needs; pre.data NULL: not written. */
struct esp_linear_forward {
    struct esp_view in;     /* [N, Cin], A */
    struct esp_view weight; /* [Cin, Cout] or [Cout, Cin], A */
    struct esp_view bias;   /* [Cout], R, or NULL */
    /* [Cout], A: rounded bias, for products that add it; or NULL. */
    struct esp_view narrow_bias;
    struct esp_view out; /* [N, Cout], A; [rows, Cout] when out_packed */
    struct esp_view pre; /* [N, Cout], A, or NULL */
    struct esp_rows rows;
    int width_in, width_out;
    enum esp_kernel_activation activation;
    bool transposed;
    bool out_packed;
};

/* grad_in = (grad_out · Wᵀ) ⊙ act'(pre), where `pre` is what the activation that made `in` was
 * applied to. ESP_KERNEL_LINEAR: without that factor. */
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

/* out = act(in), elementwise, for recomputation. */
struct esp_activation_forward {
    struct esp_view in;  /* [N, C], A */
    struct esp_view out; /* [N, C], A */
    int width;
    enum esp_kernel_activation activation;
};

/* softmax(q kᵀ / √D) v for each sequence and head, without storing the scores (Dao et al. 2022,
 * FlashAttention, algorithm 1). A row of qkv is q, k, v side by side, each heads · D wide; C =
 * heads · D. causal: position i sees 0 … i, else all T. There is no dropout on the
 * probabilities: of GPT-2's three dropouts it is the one that is costly in flash attention.
 * Embedding and residual dropout exist. */
struct esp_attention_forward {
    struct esp_view qkv; /* [N, 3C], A */
    struct esp_view out; /* [N, C], A */
    struct esp_view lse; /* [B, heads, T], R: log Σ exp of the scaled scores of a row */
    int width, heads;
    bool causal;
};

/* FlashAttention, algorithm 4: probabilities are recomputed from qkv and lse, D_i = Σ grad_out
 * ⊙ out. */
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
 * logits[target], loss.count += 1. With `gradient` the logits become (softmax − onehot) ·
 * loss_scale, and 0 in rows that are not counted and in the columns vocabulary …
 * vocabulary_padded − 1. Those columns are never read. Without `gradient` the logits are
 * unchanged. */
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
 * update = 0 or active = 0 are not touched. For the others:
 *
 *   g ← grad / (loss.count · loss_scale)          (count 0: no gradient; skipped)
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
 * If the loss sum or the norm is not finite, the update is skipped: p, m and v stay as they
 * were. In every case grad and loss are zeroed for the next batch, and result is updated.
 *
 * A skipped update sets the member's `halted`, and the member stays as it is from then on:
 * later updates zero grad and loss and do nothing else. So the host may read the result many
 * updates later and finds the member as the first skipped update left it. */
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
    uint32_t *halted;             /* [K], backend memory, or NULL: no member is ever halted */
};

/* Partial sums of the norm per member: at most 1024 blocks. */
#define ESP_OPTIMIZE_SCRATCH 1024

/* Size of a snapshot: all members' update results and validation losses, 64 · (48 + 16) bytes =
 * 4 KiB. */
#define ESP_SNAPSHOT_BYTES 4096
#define ESP_SNAPSHOTS 64

struct esp_kernels {
    uint32_t version; /* ESP_KERNELS_VERSION of the headers it was built with */
    const char *name; /* "cpu", "cuda" */
    char device[128]; /* name of the processor or GPU, for people */
    size_t real_bytes;
    size_t activation_bytes;
    size_t alignment;        /* bytes, of every tensor within a slab: 64 or 256 */
    int vocabulary_multiple; /* the vocabulary is padded to a multiple of this: 1 or 128 */
    /* Preferred size of one chunk of a member's logits; 0: no preference. */
    int64_t chunk_elements;
    enum esp_precision precision; /* type that products compute in; never AUTO */
    bool host_memory;             /* the host may read memory of `allocate` directly */
    void *state;

    /* Memory. `allocate` returns zeroed memory or NULL. */
    void *(*allocate)(const struct esp_kernels *, size_t bytes);
    void (*release)(const struct esp_kernels *, void *memory);
    int (*memory)(const struct esp_kernels *, size_t *free_bytes, size_t *total_bytes);
    void (*zero)(const struct esp_kernels *, void *memory, size_t bytes);
    void (*copy)(const struct esp_kernels *, void *to, const void *from, size_t bytes);
    int (*upload)(const struct esp_kernels *, void *device, const void *host, size_t bytes);
    int (*download)(const struct esp_kernels *, void *host, const void *device, size_t bytes);
    /* Waits for everything enqueued. 0, or -EIO with a message about the first failure since
     * the last call. */
    int (*synchronise)(const struct esp_kernels *, struct esp_error *error);
    void (*close)(struct esp_kernels *);

    /* to[i] = from[i] rounded from R to A: the copy that products read, after parameters were
     * uploaded. NULL where A is R. */
    void (*narrow)(const struct esp_kernels *, void *to, const void *from, int64_t count);

    /* Graphs: NULL where a backend has none. Between begin and end, operations, zero and copy
     * are recorded instead of executed; upload, download and synchronise are not allowed. A
     * shape must have been run once before it is captured. A launch enqueues all recorded
     * operations: device memory is read at that time, arguments have their recorded values.
     * -EIO. */
    int (*capture_begin)(const struct esp_kernels *, struct esp_error *error);
    int (*capture_end)(const struct esp_kernels *,
                       struct esp_graph **graph,
                       struct esp_error *error);
    int (*graph_launch)(const struct esp_kernels *, struct esp_graph *graph);
    void (*graph_destroy)(const struct esp_kernels *, struct esp_graph *graph);

    /* A ring of snapshots, through which results are read without waiting. `begin` marks the
     * start of a piece of work. `push` enqueues a copy of at most ESP_SNAPSHOT_BYTES after all
     * work before it: -EAGAIN when ESP_SNAPSHOTS are unread, -EINVAL without a begin. `pop`
     * returns the oldest snapshot and the device's seconds from its begin to its push: -EAGAIN
     * when it has not arrived (with `wait` it waits), -ENOENT when there is none. Where
     * host_memory, it arrives at once. */
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

    /* Opens the same device again in another precision; NULL where there is only one. -ENOTSUP:
     * the device does not support it. Both have to be closed. */
    int (*open_as)(const struct esp_kernels *,
                   enum esp_precision,
                   struct esp_kernels **,
                   struct esp_error *);
};

/* Opens the CPU backend in fp32, or in double from the same sources, as the reference of tests.
 * It uses one thread, and sets the process's BLAS to one thread. -ENOMEM. Release with
 * esp_kernels_close. _as takes the precision: AUTO and TF32 mean fp32; BF16 means products in
 * bfloat16 over float32 activations, sums, parameters and gradients. -ENOTSUP: FP16, or a
 * processor or machine without what BF16 needs. */
int esp_kernels_open_cpu(struct esp_kernels **kernels, struct esp_error *error);
int esp_kernels_open_cpu_as(enum esp_precision precision,
                            struct esp_kernels **kernels,
                            struct esp_error *error);
int esp_kernels_open_cpu_f64(struct esp_kernels **kernels, struct esp_error *error);

/* NULL is allowed. */
static inline void esp_kernels_close(struct esp_kernels *kernels)
{
    if (kernels) {
        kernels->close(kernels);
    }
}

/* The symbol of a backend's shared object, "esp_kernels_open". `device` is an ordinal. -ENODEV:
 * no such device; -ENOTSUP: this build does not support the device; -ENOMEM. */
typedef int (*esp_kernels_open_function)(int device,
                                         struct esp_kernels **kernels,
                                         struct esp_error *error);

/* The same with a precision (AUTO: bf16), "esp_kernels_open_as". */
typedef int (*esp_kernels_open_as_function)(int device,
                                            enum esp_precision precision,
                                            struct esp_kernels **kernels,
                                            struct esp_error *error);

#endif
