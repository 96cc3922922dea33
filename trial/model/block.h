/* Blocks: the parts that a layer of the transformer is made of.
 *
 * A block reads the residual stream through a layer norm and adds a branch to it:
 *
 *   in     = stream + drop(branch of the block before)      forward.c
 *   norm   = layer norm of in                               forward.c
 *   branch = kind->forward(norm)                            the block's file
 *
 * A kind of block is one file, which defines one `struct block_kind`: its tensors, the buffers
 * that it keeps for the backward pass, both passes, and its FLOPs. block.c lists the blocks of
 * a layer. The tensor table, the allocation plan, fresh weights, checkpoints, imported and
 * exported weights, weight decay and the FLOP count are made from these rows: no other file
 * knows which tensors or buffers a block has.
 *
 * To add a kind: write block_NAME.c with its row, declare the row below, and return it from
 * esp_layer_blocks for the shapes that use it. */
#ifndef ESP_MODEL_BLOCK_H
#define ESP_MODEL_BLOCK_H

#include "model.h"

#include <espalier/kernels.h>

struct block;

/* An extent of a tensor or buffer in elements, computed from the model's shape. */
typedef int64_t block_extent(const struct esp_model_shape *shape);

/* C */
block_extent esp_extent_width;

/* How fresh elements of a tensor are set. */
enum tensor_init {
    INIT_ZERO,
    INIT_ONE,
    INIT_NORMAL,   /* N(0, 0.02) */
    INIT_RESIDUAL, /* N(0, 0.02 / √(2 · layers)): a projection into the residual stream */
};

/* One tensor. A block's names follow "h.LAYER.". */
struct tensor_form {
    const char *name;
    block_extent *rows;
    block_extent *columns; /* NULL: a vector */
    enum tensor_init init;
    bool decay;      /* weight decay applies */
    bool vocabulary; /* the slab has room for the padded vocabulary's rows */
};

/* The first two tensors of every block are the weight and the bias of its norm. */
enum {
    NORM_WEIGHT,
    NORM_BIAS,
    BLOCK_TENSORS, /* the block's own start here */
};

/* One buffer of N rows, written by the forward pass and read by the backward pass. */
struct block_buffer {
    block_extent *columns;
    bool statistic; /* of type R; else A (kernels.h) */
    /* `recompute` computes it again from other buffers, so that with recomputation gelu_norm
     * one buffer serves all layers. */
    bool recomputed;
    bool training; /* only the backward pass reads it */
};

#define BLOCK_BUFFERS_MAX 8
#define LAYER_BLOCKS_MAX 4

struct block_kind {
    const char *name;
    const struct tensor_form *tensors;
    int tensor_count;
    const struct block_buffer *buffers;
    int buffer_count;
    /* Columns of plan.grad_wide that the backward pass uses. */
    block_extent *gradient_columns;
    /* Names in other programs' weight files, after "h.LAYER.", which hold no parameter of this
     * block and are ignored. Ends with NULL; NULL: there are none. */
    const char *const *ignored;

    /* -EINVAL with the reason when the block cannot have this shape. NULL: it can have any. */
    int (*check)(const struct esp_model_shape *shape, struct esp_error *error);

    /* FLOPs per trained token, forward and backward. */
    double (*flops)(const struct esp_model_shape *shape);

    /* Reads block->norm, writes plan.branch [N, C] and the block's buffers. */
    void (*forward)(struct esp_model *model,
                    const struct esp_batch *batch,
                    const struct block *block);

    /* Computes the `recomputed` buffers again, after block->norm. NULL: there are none. */
    void (*recompute)(struct esp_model *model,
                      const struct esp_batch *batch,
                      const struct block *block);

    /* grad_out [N, C] is the gradient of the branch. Adds the gradients of the block's own
     * tensors to theirs, and writes that of block->norm to plan.grad_narrow. May use
     * plan.grad_wide. */
    void (*backward)(struct esp_model *model,
                     const struct esp_batch *batch,
                     const struct block *block,
                     struct esp_view grad_out);
};

extern const struct block_kind esp_block_attention;
extern const struct block_kind esp_block_dense;

/* One block of one layer. With recomputation, blocks of several layers share buffers. */
struct block {
    const struct block_kind *kind;
    int first_tensor;           /* number of its first tensor */
    int dropout_tensor;         /* dropout's tensor number for its branch */
    struct esp_view in;         /* [N, C]: the stream that its norm reads */
    struct esp_view norm;       /* [N, C]: the norm's result */
    struct esp_view mean, rstd; /* [N]: of the norm */
    struct esp_view buffer[BLOCK_BUFFERS_MAX];
};

/* The blocks of each layer of a model of this shape, in order, 1 … LAYER_BLOCKS_MAX. */
int esp_layer_blocks(const struct esp_model_shape *shape,
                     const struct block_kind *const **kinds);

/* The embedding's tensors, before all layers: token table, position table. */
#define EMBEDDING_TENSORS 2
extern const struct tensor_form esp_embedding_forms[EMBEDDING_TENSORS];

/* The final norm's tensors, behind all layers: weight and bias. */
#define FINAL_TENSORS 2
extern const struct tensor_form esp_final_forms[FINAL_TENSORS];

/* Elements of one tensor, and of several. */
int64_t esp_tensor_form_count(const struct tensor_form *form,
                              const struct esp_model_shape *shape);
int64_t esp_tensor_forms_count(const struct tensor_form *forms,
                               int count,
                               const struct esp_model_shape *shape);

/* A linear operation within a block: out = act(in · W + bias). The tensor after the weight is
 * its bias. */
struct block_linear {
    int weight; /* number of the weight within the block */
    int64_t width_in, width_out;
    struct esp_view in;  /* [N, width_in] */
    struct esp_view out; /* [N, width_out] */
    struct esp_view pre; /* [N, width_out]: receives in · W + bias, or none */
    enum esp_kernel_activation activation;
};

void esp_block_linear_forward(struct esp_model *model,
                              const struct esp_batch *batch,
                              const struct block *block,
                              const struct block_linear *op);

/* Its backward pass: adds to the gradients of weight and bias, and writes that of `in`. */
struct block_linear_backward {
    int weight;
    int64_t width_in, width_out;
    struct esp_view in;       /* [N, width_in]: as in the forward pass */
    struct esp_view grad_out; /* [N, width_out] */
    struct esp_view grad_in;  /* [N, width_in] */
    /* [N, width_in]: what went into the activation that made `in`; then grad_in is the gradient
     * of `pre`. Without data `in` was made without activation. */
    struct esp_view pre;
    enum esp_kernel_activation activation;
};

void esp_block_linear_backward(struct esp_model *model,
                               const struct esp_batch *batch,
                               const struct block *block,
                               const struct block_linear_backward *op);

#endif
