/* The transformer: K members of one shape, over the op table.
 *
 * GPT-2's architecture (Radford et al. 2019): pre-norm, learned positions, GELU, tied
 * embeddings, a final layer norm. Each member owns one contiguous slab of parameters, one of
 * gradients and two of optimizer state. Slabs, activations and everything else are allocated
 * once, in esp_model_create; no later call allocates memory.
 *
 * A training step of a member is esp_model_forward_backward for each of its micro-batches, then
 * esp_model_update. A call does not touch members that are not active in it. Nothing in another
 * member, NaN included, affects a member: it trains to the same bits as alone. */
#ifndef ESPALIER_TRIAL_MODEL_H
#define ESPALIER_TRIAL_MODEL_H

#include <espalier/error.h>
#include <espalier/trainer.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct esp_kernels;
struct esp_model;

/* The shape that all members of a group share. */
struct esp_model_shape {
    int layers;
    int width; /* divisible by heads */
    int heads;
    int context;
    int vocabulary;
    enum esp_activation activation;
    /* CAUSAL: each position sees itself and before; MASKED: all. */
    enum esp_objective objective;
    enum esp_optimizer optimizer;
    enum esp_recompute recompute;
};

/* One parameter tensor. Tensors have GPT-2's order and names ("wte.weight",
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
    ESP_MODEL_MOMENT2, /* AdamW's v; not allocated for SGD */
    ESP_MODEL_GRADIENTS,
};

/* One member's part of a micro-batch. Pointers are to host memory, [sequences, context]. */
struct esp_model_input {
    bool active;   /* false: nothing else is read */
    int sequences; /* 1 … frame */
    /* Sequences that are computed, used or not: sequences … micro_batch, 0: micro_batch. The
     * same for all active members of a call. A member's bits may depend on its frame. */
    int frame;
    const int32_t *tokens;
    const int32_t *targets; /* the token to predict at each position; −1: not counted */
    double dropout;         /* 0 in esp_model_loss */
    uint64_t seed;          /* of dropout */
    uint64_t step;          /* of dropout: number of the update that this belongs to, from 0 */
    int64_t first_sequence; /* this micro-batch's first sequence within the member's batch */
    /* Tokens of the member's whole batch, the same for all of its micro-batches; 0: unknown.
     * fp16 scales the gradients by about 1 / this number, which keeps them in its range. */
    int64_t batch_tokens;
};

struct esp_model_loss {
    double sum;    /* nats */
    int64_t count; /* counted tokens */
};

struct esp_model_update {
    bool active;     /* false: this member's batch is not complete yet, or it is paused */
    int64_t updates; /* number of this update, from 1 (AdamW's bias correction) */
    double learning_rate;
    double beta1, beta2, epsilon;
    double momentum; /* SGD */
    double weight_decay;
    double clip; /* 0: none */
};

/* Results since the member's last esp_model_results, or since its initialisation. */
struct esp_model_result {
    double loss_sum; /* nats, of all tokens counted in its updates */
    int64_t count;
    double grad_norm; /* of its last update: mean gradient, before the clip; 0: no update */
    int64_t updates;  /* completed updates */
    int64_t skipped;  /* skipped updates: loss or gradient was not finite (parameters are
                         unchanged) */
    /* Skipped updates: fp16's gradient overflowed, and its scale was halved. */
    int64_t overflowed;
};

/* fp16's dynamic loss scale, which is part of a member's state like its moments (struct
 * esp_loss_scale). */
struct esp_model_scale {
    double scale;       /* 1 … ESP_LOSS_SCALE_MAX */
    int64_t clean;      /* updates since it last changed */
    int64_t overflowed; /* all updates skipped because of overflow; AdamW does not count them */
};

/* Bytes that esp_model_create would allocate on the device, from a dry run of the same plan.
 * Without `training` there are no gradients, no optimizer state and no kept activations.
 * SIZE_MAX: the shape is not possible. */
size_t esp_model_plan(const struct esp_kernels *kernels,
                      const struct esp_model_shape *shape,
                      int members,
                      int micro_batch,
                      bool training);

/* -EINVAL: an impossible shape; -ENOMEM: the error states the bytes needed. `kernels` is
 * borrowed. Members start with all-zero parameters and state. */
int esp_model_create(const struct esp_kernels *kernels,
                     const struct esp_model_shape *shape,
                     int members,
                     int micro_batch,
                     bool training,
                     struct esp_model **model,
                     struct esp_error *error);

/* Runs one micro-step of every kind for all members, before any is initialised, and discards
 * the results, so that the backend allocates now what it allocates when it first sees a shape.
 * -ENOMEM: there is not enough memory for that; the model can only be destroyed. */
int esp_model_rehearse(struct esp_model *model, struct esp_error *error);

/* NULL is allowed. */
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
 * member and value, and nothing was done. -EIO: the device failed. */
int esp_model_forward_backward(struct esp_model *model,
                               const struct esp_model_input *inputs,
                               struct esp_error *error);

/* Forward only: losses[members] receives each active member's sums (0, 0 for the others).
 * Accumulated gradients are unchanged. */
int esp_model_loss(struct esp_model *model,
                   const struct esp_model_input *inputs,
                   struct esp_model_loss *losses,
                   struct esp_error *error);

/* The same without waiting: the sums arrive with the next esp_model_push. */
int esp_model_evaluate(struct esp_model *model,
                       const struct esp_model_input *inputs,
                       struct esp_error *error);

/* One optimizer step for every member whose update is active: mean over the tokens counted
 * since its last one, clip, AdamW or SGD; its gradients start from zero again. After a skipped
 * update a member takes no further one, and no result counts it, until the member is
 * initialised again. updates[members]. */
int esp_model_update(struct esp_model *model,
                     const struct esp_model_update *updates,
                     struct esp_error *error);

/* Waits for the device and reads all members' sums into results[members]. The next call starts
 * from zero. */
int esp_model_results(struct esp_model *model,
                      struct esp_model_result *results,
                      struct esp_error *error);

/* Work whose results are read later, so that a device never waits for the host. The calls
 * between a begin and a push are one piece of work; at most ESP_MODEL_AHEAD pieces may be
 * pushed and not yet popped. Members may be initialised and read in between; that does not
 * change the results of the pieces. */
#define ESP_MODEL_AHEAD 64
int esp_model_begin(struct esp_model *model, struct esp_error *error);
int esp_model_push(struct esp_model *model, struct esp_error *error);

/* Results of the oldest piece: results[members] of its updates (zeros without one),
 * losses[members] of its last evaluation (for members that took part; otherwise of an older
 * one), and the device's seconds. 1: it is not done yet (never with `wait`, which waits for
 * it). -ENOENT: no piece is pushed. */
int esp_model_pop(struct esp_model *model,
                  bool wait,
                  struct esp_model_result *results,
                  struct esp_model_loss *losses,
                  double *seconds,
                  struct esp_error *error);

/* Discards the gradients accumulated since the member's last update, when a member leaves or
 * its incomplete batch is dropped. */
void esp_model_zero_gradients(struct esp_model *model, int member);

/* A member's slab as float32 without padding, tensor after tensor in table order
 * (esp_model_count elements). -ENOENT: this model has no such slab. A checkpoint is loaded by
 * writing parameters and state; reading them back gives the same bits. A double build rounds
 * values to float. */
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

/* Reads the member's loss scale after everything enqueued before, or sets it, for checkpoints.
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
/* NULL: there is no tensor of that number. The tensors of a layer have consecutive numbers,
 * layer after layer, in the same order in each layer. */
const struct esp_model_tensor *esp_model_tensor(const struct esp_model *model, int index);
int esp_model_layer_tensors(const struct esp_model *model); /* tensors of one layer */
/* [vocabulary, width]: the embedding, and the tied head. */
const struct esp_model_tensor *esp_model_token_table(const struct esp_model *model);
/* Whether a tensor of this name in another program's file holds no parameter of this model and
 * may be ignored. */
bool esp_model_ignores(const struct esp_model *model, const char *name);

/* The shape given by a trainer's settings. `vocabulary` is the data's, used when the trainer's
 * is 0. */
struct esp_model_shape esp_model_shape_of(const struct esp_trainer *trainer, int vocabulary);

/* FLOPs per trained token, forward and backward: 6 N + 6 L C T (causal), 6 N + 12 L C T (all
 * pairs), with N the parameters (Kaplan et al. 2020, section 2.1, with attention's lower half
 * only). */
double esp_model_flops_per_token(const struct esp_model_shape *shape);

#endif
