/* Shared declarations of the model's files. */
#ifndef ESP_MODEL_INTERNAL_H
#define ESP_MODEL_INTERNAL_H

#include "block.h"
#include "model.h"

#include <espalier/kernels.h>
#include <espalier/limits.h>

/* Numbers of the embedding's tensors. Those of layers and final norm follow. */
enum {
    TOKEN_TABLE,
    POSITION_TABLE,
};

#define SLABS 4

/* Bytes of one member in a snapshot. */
#define SNAPSHOT_MEMBER (sizeof(struct esp_loss_sum) + sizeof(struct esp_update_result))

/* All addresses within the one allocation. */
struct plan {
    size_t bytes;
    struct esp_view slab[SLABS]; /* indexed by enum esp_model_slab; data NULL: none */
    /* Size of control, tokens and targets, which are adjacent and uploaded together. */
    size_t input_bytes;
    struct esp_view tokens, targets; /* [N], int32: of the current micro-batch */
    /* [N, C]: result of the current block, until the next norm adds it. */
    struct esp_view branch;
    struct esp_view last;  /* [N, C]: the stream that the final norm reads */
    struct esp_view final; /* [N, C]: the final norm's result */
    struct esp_view final_mean, final_rstd;
    struct esp_view logits;          /* [chunk, Vp] */
    struct esp_view grad_stream;     /* [N, C] */
    struct esp_view grad_branch;     /* [N, C]: used only with dropout */
    struct esp_view grad_narrow;     /* [N, C] */
    struct esp_view grad_wide;       /* [N, the widest block_kind.gradient_columns] */
    struct esp_control *control;     /* [K] */
    struct esp_loss_sum *train_loss; /* [K]: of the incomplete batch */
    struct esp_loss_sum *eval_loss;  /* [K] */
    /* [K], directly after eval_loss: one snapshot covers both. */
    struct esp_update_result *result;
    uint32_t *halted;             /* [K]: 1 after a skipped update */
    double *scratch;              /* [K · ESP_OPTIMIZE_SCRATCH] */
    struct esp_view narrow;       /* [slab], A: rounded parameters; none where A is R */
    struct esp_loss_scale *scale; /* [K]: of fp16; else NULL */
};

/* Captured graphs of steps, where the backend supports them: one for each combination of frame,
 * set of active members, with or without dropout, and training or validation. The largest
 * number of members, each with a different frame and validating alone, needs 2 · 64; the least
 * recently used one is evicted. */
#define GRAPHS (2 * ESP_MEMBERS_MAX)

struct step_graph {
    uint64_t active;
    int frame;
    bool gradient, dropout;
    bool seen;     /* has run once: shapes, algorithms and workspaces are known */
    uint64_t used; /* step count at its last use */
    struct esp_graph *graph;
};

struct esp_model {
    const struct esp_kernels *kernels;
    struct esp_model_shape shape;
    int members;
    int micro_batch;
    bool training;
    int vocabulary_padded;
    int64_t chunk_rows;               /* rows of logits at a time */
    int64_t count;                    /* parameters, without padding */
    int64_t slab_count;               /* elements of a slab, with padding */
    int64_t decayed;                  /* leading elements of the slab that are matrices */
    struct esp_model_tensor *tensors; /* [tensor_count] */
    const struct tensor_form **forms; /* [tensor_count]: form of each tensor */
    int tensor_count;
    int final_tensor;     /* number of the final norm's weight */
    struct block *blocks; /* [block_count]: layer by layer */
    int block_count;
    int layer_blocks;  /* blocks of one layer */
    int layer_tensors; /* tensors of one layer */
    struct plan plan;
    void *memory; /* the one allocation, in the backend's memory */
    struct step_graph graphs[GRAPHS];
    uint64_t graph_uses;
    struct esp_control *control; /* host copy of the inputs: [K], tokens, targets */
    double *loss_scale;          /* [K]: factor of the incomplete batch's gradients */
    struct esp_ring *ring;
};

/* shape.c: -EINVAL with the reason when the shape, number of members or micro-batch is not
 * possible. */
int esp_model_check_shape(const struct esp_model_shape *shape,
                          int members,
                          int micro_batch,
                          struct esp_error *error);

/* tensors.c: makes tensors, forms and blocks (without their buffers), and sets the counts.
 * -ENOMEM. */
int esp_model_table_fill(struct esp_model *model);

/* plan.c: lays everything out from address `base` (NULL: a dry run) and sets plan and the
 * blocks' buffers. */
void esp_model_lay_out(struct esp_model *model, void *base);

/* Bytes of the inputs of all members in frames of `sequences`; sets the views of tokens and
 * targets. */
size_t esp_model_place_inputs(struct esp_model *model, int sequences);

/* inputs.c: -EINVAL when an active member's input is out of range. */
int esp_model_check_inputs(const struct esp_model *model,
                           const struct esp_model_input *inputs,
                           struct esp_error *error);
/* -EINVAL when one of `count` token ids is below `least` or outside the vocabulary. */
int esp_model_check_tokens(const struct esp_model *model,
                           int member,
                           const char *what,
                           const int32_t *tokens,
                           int64_t count,
                           int32_t least,
                           struct esp_error *error);
/* The frame of the active members. */
int esp_model_frame(const struct esp_model *model, const struct esp_model_input *inputs);
/* Fills the host copy of control, tokens and targets, and uploads it. */
int esp_model_upload_inputs(struct esp_model *model,
                            const struct esp_model_input *inputs,
                            bool gradient);
/* The host copy of a member's tokens or targets, which `view` has on the device. */
int32_t *esp_model_staged(const struct esp_model *model, const struct esp_view *view, int m);
/* The batch that the host copy of control describes. */
struct esp_batch esp_model_batch(const struct esp_model *model, int frame);

/* graphs.c: runs one micro-step of the active members, as a graph if the backend has them. */
int esp_model_run_step(struct esp_model *model, int frame, bool gradient, bool dropout);
/* step.c: enqueues the operations of one micro-step. */
void esp_model_enqueue_step(struct esp_model *model,
                            const struct esp_batch *batch,
                            bool gradient,
                            bool dropout);

/* step.c: sets the error for a failed backend; 0 stays 0. */
int esp_model_device_error(const struct esp_model *model, int rc, struct esp_error *error);

/* slab.c: writes a part of one slab from host memory.
 *
 * Elements converted at a time: 256 KiB of doubles on the stack, so that a device does not get
 * thousands of small copies. */
#define SLAB_PART 32768
int esp_model_put_floats(struct esp_model *model,
                         int member,
                         enum esp_model_slab slab,
                         int64_t element,
                         const float *in,
                         int64_t count);
/* At most SLAB_PART values. */
int esp_model_put_doubles(struct esp_model *model,
                          int member,
                          enum esp_model_slab slab,
                          int64_t element,
                          const double *in,
                          int64_t count);
void esp_model_zero_slab(struct esp_model *model, int member, enum esp_model_slab slab);
int esp_model_put_scale(struct esp_model *model, int member, struct esp_loss_scale scale);

/* forward.c: the stream through all layers and the final norm, for the active members. */
void esp_model_forward(struct esp_model *model, const struct esp_batch *batch);
/* Runs one block with its norm. `joined`: the branch of the block before is already in
 * block->in. */
void esp_model_forward_block(struct esp_model *model,
                             const struct esp_batch *batch,
                             int block,
                             bool joined);

/* head.c: cross entropy over chunks into loss[K]; with `gradient` also the head's gradients,
 * and that of the final norm's result in grad_narrow. */
void esp_model_head(struct esp_model *model,
                    const struct esp_batch *batch,
                    struct esp_loss_sum *loss,
                    bool gradient);

/* backward.c: computes all gradients from that of the final norm's result, in grad_narrow;
 * `dropout` is false when no member uses any. */
void esp_model_backward(struct esp_model *model, const struct esp_batch *batch, bool dropout);

/* A tensor of all members in one of the slabs. */
static inline struct esp_view
esp_model_view(const struct esp_model *model, enum esp_model_slab slab, int tensor)
{
    struct esp_view view = model->plan.slab[slab];
    char *first = view.data;
    size_t bytes = (size_t)model->tensors[tensor].slab_offset * model->kernels->real_bytes;
    return (struct esp_view){.data = first + bytes, .stride = view.stride};
}

/* A tensor of all members in the type that products read. */
static inline struct esp_view esp_model_weight(const struct esp_model *model, int tensor)
{
    struct esp_view view = model->plan.narrow;
    if (!view.data) {
        return esp_model_view(model, ESP_MODEL_PARAMETERS, tensor);
    }
    char *first = view.data;
    view.data =
        first + (size_t)model->tensors[tensor].slab_offset * model->kernels->activation_bytes;
    return view;
}

/* A rounded bias for products that add it; none where A is R, since they add the bias itself.
 */
static inline struct esp_view esp_model_narrow_bias(const struct esp_model *model, int tensor)
{
    return model->plan.narrow.data ? esp_model_weight(model, tensor) : (struct esp_view){0};
}

/* Dropout's tensor numbers: the embedding, then each block's branch. */
#define DROPOUT_EMBEDDING 0
#define DROPOUT_FIRST_BLOCK 1

static inline enum esp_kernel_activation esp_model_activation(const struct esp_model *model)
{
    return model->shape.activation == ESP_ACTIVATION_GELU ? ESP_KERNEL_GELU
                                                          : ESP_KERNEL_GELU_TANH;
}

#endif
