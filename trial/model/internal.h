/* What the files of the model share. */
#ifndef ESP_MODEL_INTERNAL_H
#define ESP_MODEL_INTERNAL_H

#include "model.h"

#include <espalier/kernels.h>
#include <espalier/limits.h>

/* Tensors of one layer, in table order from its first. */
enum layer_tensor {
    LN1_WEIGHT,
    LN1_BIAS,
    ATTN_WEIGHT,
    ATTN_BIAS,
    ATTN_PROJ_WEIGHT,
    ATTN_PROJ_BIAS,
    LN2_WEIGHT,
    LN2_BIAS,
    FC_WEIGHT,
    FC_BIAS,
    FC_PROJ_WEIGHT,
    FC_PROJ_BIAS,
    LAYER_TENSORS
};

/* The table: token and position embeddings, the layers, the final norm. */
enum {
    TOKEN_TABLE,
    POSITION_TABLE,
    FIRST_LAYER,
};

#define SLABS 4

/* What the backward pass needs of one layer. With recomputation some are shared by all layers.
 */
struct layer {
    struct esp_view in;           /* [N, C]: the stream that the first norm saw */
    struct esp_view norm1;        /* [N, C] */
    struct esp_view mean1, rstd1; /* [N] */
    struct esp_view qkv;          /* [N, 3C] */
    struct esp_view mixed;        /* [N, C]: attention's result before its projection */
    struct esp_view lse;          /* [B, heads, T] */
    struct esp_view middle;       /* [N, C]: the stream that the second norm saw */
    struct esp_view norm2;        /* [N, C] */
    struct esp_view mean2, rstd2; /* [N] */
    struct esp_view pre;          /* [N, 4C]: before the activation */
    struct esp_view hidden;       /* [N, 4C]: after it */
};

/* What a snapshot holds of one member. */
#define SNAPSHOT_MEMBER (sizeof(struct esp_loss_sum) + sizeof(struct esp_update_result))

/* Every address of the one allocation. */
struct plan {
    size_t bytes;
    struct esp_view slab[SLABS];     /* enum esp_model_slab; data NULL: not there */
    size_t input_bytes;              /* from `control` on: control, tokens and targets, which go
                                      * to the device as one */
    struct esp_view tokens, targets; /* [N], int32: of the present micro-batch */
    struct esp_view branch;          /* [N, C]: a projection's result, until the next norm */
    struct esp_view last;            /* [N, C]: the stream that the final norm saw */
    struct esp_view final;           /* [N, C]: the final norm's result */
    struct esp_view final_mean, final_rstd;
    struct esp_view logits;           /* [chunk, Vp] */
    struct esp_view grad_stream;      /* [N, C] */
    struct esp_view grad_branch;      /* [N, C]: apart from grad_stream when there is dropout */
    struct esp_view grad_narrow;      /* [N, C] */
    struct esp_view grad_wide;        /* [N, 4C] */
    struct esp_control *control;      /* [K] */
    struct esp_loss_sum *train_loss;  /* [K]: of the batch being gathered */
    struct esp_loss_sum *eval_loss;   /* [K] */
    struct esp_update_result *result; /* [K], right behind eval_loss: one snapshot for both */
    uint32_t *halted;                 /* [K]: members whose update was left out */
    double *scratch;                  /* [K · ESP_OPTIMIZE_SCRATCH] */
    struct esp_view narrow;           /* [slab], A: parameters rounded; none where A is R */
    struct esp_loss_scale *scale;     /* [K]: fp16's; NULL otherwise */
};

/* Steps as graphs, where the backend has them: one for each frame and set of active members,
 * with and without dropout, for training and for validation. As many members as there may be,
 * each with a frame of its own and validating alone, come to 2 · 64; the one that was used
 * longest ago makes room. */
#define GRAPHS (2 * ESP_MEMBERS_MAX)

struct step_graph {
    uint64_t active;
    int frame;
    bool gradient, dropout;
    bool seen;     /* run once: shapes, algorithms and workspaces are known */
    uint64_t used; /* the last time, counted in steps */
    struct esp_graph *graph;
};

struct esp_model {
    const struct esp_kernels *kernels;
    struct esp_model_shape shape;
    int members;
    int micro_batch;
    bool training;
    int vocabulary_padded;
    int64_t chunk_rows; /* of logits at a time */
    int64_t count;      /* parameters, without padding */
    int64_t slab_count; /* elements of a slab, with it */
    int64_t decayed;    /* the slab's first elements, which are matrices */
    struct esp_model_tensor *tensors;
    int tensor_count;
    struct plan plan;
    struct layer *layers;
    void *memory; /* the backend's, all of it */
    struct step_graph graphs[GRAPHS];
    uint64_t graph_uses;
    struct esp_control *control; /* host's copy of the inputs: [K], tokens, targets */
    double *loss_scale;          /* [K]: of the batch that each member gathers */
    struct esp_ring *ring;
};

/* table.c: fills tensors, tensor_count, count, slab_count and decayed. -ENOMEM. */
int esp_model_table_fill(struct esp_model *model);

/* plan.c: lays everything out from address `base` (NULL for the dry run) and fills plan and
 * layers. */
void esp_model_lay_out(struct esp_model *model, void *base);

/* Bytes of the inputs of every member in frames of `sequences`, and where they are: sets the
 * views of tokens and targets. */
size_t esp_model_place_inputs(struct esp_model *model, int sequences);

/* forward.c: the stream through all layers and the final norm, for the active members;
 * `dropout` is false when no member has any. */
void esp_model_forward(struct esp_model *model, const struct esp_batch *batch);
/* One block from its norm1 on; the branch that flows into `in` has been added already when
 * `again`. */
void esp_model_forward_block(struct esp_model *model,
                             const struct esp_batch *batch,
                             int layer,
                             bool again);
/* Cross entropy over chunks into loss[K]; with `gradient` also the head's gradients, and that
 * of the final norm's result in grad_narrow. */
void esp_model_head(struct esp_model *model,
                    const struct esp_batch *batch,
                    struct esp_loss_sum *loss,
                    bool gradient);

/* backward.c: from grad_narrow down to the embeddings. */
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

static inline struct esp_view esp_model_layer_view(const struct esp_model *model,
                                                   enum esp_model_slab slab,
                                                   int layer,
                                                   int which)
{
    return esp_model_view(model, slab, FIRST_LAYER + layer * LAYER_TENSORS + which);
}

/* A tensor of all members as products read it. */
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

static inline struct esp_view
esp_model_layer_weight(const struct esp_model *model, int layer, int which)
{
    return esp_model_weight(model, FIRST_LAYER + layer * LAYER_TENSORS + which);
}

/* A bias rounded; none where A is R, because the bias itself will do. */
static inline struct esp_view
esp_model_narrow_bias(const struct esp_model *model, int layer, int which)
{
    return model->plan.narrow.data ? esp_model_layer_weight(model, layer, which)
                                   : (struct esp_view){0};
}

/* Numbers of the dropout places: the embedding, then each layer's two branches. */
#define DROPOUT_EMBEDDING 0
static inline int esp_model_dropout_branch(int layer, int branch)
{
    return 1 + 2 * layer + branch;
}

static inline enum esp_kernel_activation esp_model_activation(const struct esp_model *model)
{
    return model->shape.activation == ESP_ACTIVATION_GELU ? ESP_KERNEL_GELU
                                                          : ESP_KERNEL_GELU_TANH;
}

#endif
