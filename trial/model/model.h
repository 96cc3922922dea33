/* The transformer: K members of one shape over the op table (DESIGN 6 and 8).
 *
 * GPT-2's block order (Radford et al. 2019): pre-norm, learned positions, GELU, tied
 * embeddings, a final layer norm. Each member owns one contiguous slab of parameters, one of
 * gradients and two of optimizer state; activations and everything else are allocated once, in
 * esp_model_create. No call after it allocates memory.
 *
 * A training step of a member: esp_model_forward_backward for each of its micro-batches, then
 * esp_model_update. Members that are not active in a call are not touched by it, and what
 * another member does, NaN included, never reaches this one: it trains to the same bits alone.
 */
#ifndef ESPALIER_TRIAL_MODEL_H
#define ESPALIER_TRIAL_MODEL_H

#include <espalier/error.h>
#include <espalier/trainer.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct esp_kernels;
struct esp_model;

/* What members of one group have in common. */
struct esp_model_shape {
    int layers;
    int width; /* divisible by heads */
    int heads;
    int context;
    int vocabulary;
    enum esp_activation activation;
    enum esp_objective
        objective; /* CAUSAL: each position sees itself and before; MASKED: all */
    enum esp_optimizer optimizer;
    enum esp_recompute recompute;
};

/* One tensor of the parameters. Tensors are in GPT-2's order and under its names ("wte.weight",
 * "h.0.attn.c_attn.weight", …); weights of products are [in, out]. */
#define ESP_MODEL_NAME_MAX 64
struct esp_model_tensor {
    char name[ESP_MODEL_NAME_MAX];
    int64_t shape[2]; /* shape[1] is 1 for vectors (rank 1) */
    int rank;
    int64_t count;  /* elements */
    int64_t offset; /* in the packed order of esp_model_read: the sum of the counts before */
    int64_t slab_offset; /* in the member's slab, in elements; matrices first */
    int layer;           /* −1: outside of the layers */
    bool decay;          /* weight decay applies */
};

enum esp_model_slab {
    ESP_MODEL_PARAMETERS,
    ESP_MODEL_MOMENT1, /* AdamW's m, SGD's momentum */
    ESP_MODEL_MOMENT2, /* AdamW's v; not there for SGD */
    ESP_MODEL_GRADIENTS,
};

/* One member's part of a micro-batch. Pointers are to host memory, [sequences, context]. */
struct esp_model_input {
    bool active;   /* false: nothing else is read */
    int sequences; /* 1 … frame */
    /* Sequences that are computed, used or not: sequences … micro_batch, 0: micro_batch. One
     * for all active members of a call. A member's bits may depend on its frame. */
    int frame;
    const int32_t *tokens;
    const int32_t *targets; /* the token to predict at each position; −1: not counted */
    double dropout;         /* 0 in esp_model_loss */
    uint64_t seed;          /* of dropout */
    uint64_t step;          /* of dropout: the update this belongs to, from 0 */
    int64_t first_sequence; /* of this micro-batch within the member's batch */
    /* Tokens of the member's whole batch, the same for all of its micro-batches; 0: not known.
     * fp16 takes their share in the mean into the gradients, which keeps those in its range. */
    int64_t batch_tokens;
};

struct esp_model_loss {
    double sum;    /* nats */
    int64_t count; /* counted tokens */
};

struct esp_model_update {
    bool active;     /* false: this member's batch is not complete yet, or it is paused */
    int64_t updates; /* done with this one: 1 at the first (AdamW's bias correction) */
    double learning_rate;
    double beta1, beta2, epsilon;
    double momentum; /* SGD */
    double weight_decay;
    double clip; /* 0: none */
};

/* Since the member's last esp_model_results (or initialisation). */
struct esp_model_result {
    double loss_sum; /* nats, of all tokens counted in its updates */
    int64_t count;
    double grad_norm; /* of its last update, mean gradient, before the clip; 0 when none */
    int64_t updates;  /* done */
    int64_t
        skipped; /* not done: loss or gradient was not finite (parameters are as before it) */
    int64_t overflowed; /* not done: fp16's gradient overflowed, and its scale was halved */
};

/* fp16's dynamic loss scale: part of a member's state as its moments are (struct
 * esp_loss_scale). */
struct esp_model_scale {
    double scale;       /* 1 … ESP_LOSS_SCALE_MAX */
    int64_t clean;      /* updates since it last changed */
    int64_t overflowed; /* updates left out for it, of all; AdamW does not count them */
};

/* Bytes that esp_model_create would allocate on the device: a dry run of the same plan. Without
 * `training` there are no gradients, no optimizer state and no kept activations. */
size_t esp_model_plan(const struct esp_kernels *kernels,
                      const struct esp_model_shape *shape,
                      int members,
                      int micro_batch,
                      bool training);

/* -EINVAL: a shape that contradicts itself; -ENOMEM: the error says the bytes needed. `kernels`
 * is borrowed. Members start with all-zero parameters and state. */
int esp_model_create(const struct esp_kernels *kernels,
                     const struct esp_model_shape *shape,
                     int members,
                     int micro_batch,
                     bool training,
                     struct esp_model **model,
                     struct esp_error *error);

/* Does one micro-step of everything for all members, before any is initialised, and forgets it:
 * what a backend allocates when it first sees a shape is allocated then. -ENOMEM: there is no
 * room for that; the model can only be destroyed. */
int esp_model_rehearse(struct esp_model *model, struct esp_error *error);

/* NULL is fine. */
void esp_model_destroy(struct esp_model *model);

/* Fresh weights for one member: N(0, 0.02), projections into the residual stream scaled by
 * 1/√(2·layers), biases 0, norm weights 1; optimizer state, gradients and results zero. Element
 * e of tensor t is a function of (seed, t, e) alone. */
int esp_model_init_member(struct esp_model *model,
                          int member,
                          uint64_t seed,
                          struct esp_error *error);

/* Adds the gradients of one micro-batch of every active member to its slab. inputs[members].
 * -EINVAL: a token or target outside the vocabulary, or sequences out of range: the error names
 * member and value, nothing was done. -EIO: the device failed. */
int esp_model_forward_backward(struct esp_model *model,
                               const struct esp_model_input *inputs,
                               struct esp_error *error);

/* Forward only: losses[members] receives each active member's sums (0, 0 for the others).
 * Gradients gathered so far stay as they are. */
int esp_model_loss(struct esp_model *model,
                   const struct esp_model_input *inputs,
                   struct esp_model_loss *losses,
                   struct esp_error *error);

/* The same without waiting: the sums come with the next esp_model_push. */
int esp_model_evaluate(struct esp_model *model,
                       const struct esp_model_input *inputs,
                       struct esp_error *error);

/* One optimizer step for every member whose update is active: mean over the tokens counted
 * since its last one, clip, AdamW or SGD; its gradients start from zero again. A member whose
 * update was skipped takes no other, and no result tells of one, until it is initialised anew.
 * updates[members]. */
int esp_model_update(struct esp_model *model,
                     const struct esp_model_update *updates,
                     struct esp_error *error);

/* Waits for the device and takes every member's sums: results[members]. The next call starts
 * from zero. */
int esp_model_results(struct esp_model *model,
                      struct esp_model_result *results,
                      struct esp_error *error);

/* Work ahead of its results, so that a device never waits for the host. A piece of work is what
 * is called between a begin and a push; at most ESP_MODEL_AHEAD pieces may be pushed and not
 * yet popped. Members may be initialised and read in between; results then are those of the
 * pieces all the same. */
#define ESP_MODEL_AHEAD 64
int esp_model_begin(struct esp_model *model, struct esp_error *error);
int esp_model_push(struct esp_model *model, struct esp_error *error);

/* What the oldest piece came to: results[members] of its updates (zeros without one),
 * losses[members] of its last evaluation (for members that it took; else of an older one), and
 * the device's seconds. 1: it is not done yet (never with `wait`, which waits for it). -ENOENT:
 * nothing was pushed. */
int esp_model_pop(struct esp_model *model,
                  bool wait,
                  struct esp_model_result *results,
                  struct esp_model_loss *losses,
                  double *seconds,
                  struct esp_error *error);

/* Forgets the gradients gathered since the member's last update (a member that leaves, or whose
 * half-gathered batch is dropped). */
void esp_model_zero_gradients(struct esp_model *model, int member);

/* A member's slab as float32 without padding, tensor after tensor in table order
 * (esp_model_count elements). -ENOENT: this model has no such slab. Writing parameters or state
 * is how a checkpoint is loaded; read back, it gives the same bits. In a double build values
 * are rounded to float. */
int esp_model_read(struct esp_model *model,
                   int member,
                   enum esp_model_slab slab,
                   float *out,
                   struct esp_error *error);
int esp_model_write(struct esp_model *model,
                    int member,
                    enum esp_model_slab slab,
                    const float *in,
                    struct esp_error *error);

/* The same in double, for gradient checks and references. */
int esp_model_read_f64(struct esp_model *model,
                       int member,
                       enum esp_model_slab slab,
                       double *out,
                       struct esp_error *error);
int esp_model_write_f64(struct esp_model *model,
                        int member,
                        enum esp_model_slab slab,
                        const double *in,
                        struct esp_error *error);

/* The member's loss scale behind everything enqueued before, and setting it, for checkpoints.
 * -ENOENT: this model has none, because its precision is not fp16 or it does not train. */
int esp_model_read_scale(struct esp_model *model,
                         int member,
                         struct esp_model_scale *out,
                         struct esp_error *error);
int esp_model_write_scale(struct esp_model *model,
                          int member,
                          struct esp_model_scale in,
                          struct esp_error *error);

/* Logits of the last of `count` tokens (1 … context): out[vocabulary]. */
int esp_model_logits(struct esp_model *model,
                     int member,
                     const int32_t *tokens,
                     int count,
                     float *out,
                     struct esp_error *error);

/* Queries. */
const struct esp_model_shape *esp_model_shape(const struct esp_model *model);
int esp_model_micro_batch(const struct esp_model *model);
int64_t esp_model_count(const struct esp_model *model); /* parameters of one member */
int esp_model_tensor_count(const struct esp_model *model);
/* NULL: there is no tensor of that number. The tensors of a layer are numbered one after
 * another, layer after layer, each layer's in the same order. */
const struct esp_model_tensor *esp_model_tensor(const struct esp_model *model, int index);
int esp_model_layer_tensors(const struct esp_model *model); /* tensors of one layer */
/* [vocabulary, width]: the embedding, and the tied head. */
const struct esp_model_tensor *esp_model_token_table(const struct esp_model *model);
/* Whether a tensor of this name in another program's file holds no parameter of this model and
 * may be ignored. */
bool esp_model_ignores(const struct esp_model *model, const char *name);

/* The shape that a trainer's settings ask for; `vocabulary` is the data's, used when the
 * trainer leaves it 0. */
struct esp_model_shape esp_model_shape_of(const struct esp_trainer *trainer, int vocabulary);

/* FLOPs per trained token, forward and backward: 6 N + 6 L C T (causal), 6 N + 12 L C T (all
 * pairs), with N the parameters (Kaplan et al. 2020, section 2.1, with attention's lower half
 * only). */
double esp_model_flops_per_token(const struct esp_model_shape *shape);

#endif
