/* The dense multi-layer perceptron of GPT-2, four times as wide inside:
 *
 *   pre    = norm · W + b              [N, 4C]
 *   hidden = GELU(pre)                 [N, 4C]
 *   branch = hidden · W' + b'          [N, C] */
#include "block.h"
#include "internal.h"

/* The hidden layer's width in widths of the model (Vaswani et al. 2017, section 3.3). */
#define EXPANSION 4

enum {
    UP_WEIGHT = BLOCK_TENSORS,
    UP_BIAS,
    DOWN_WEIGHT,
    DOWN_BIAS,
    TENSORS,
};

enum {
    PRE,    /* [N, 4C]: before the activation */
    HIDDEN, /* [N, 4C]: after it */
    BUFFERS,
};

static int64_t hidden_width(const struct esp_model_shape *shape)
{
    return EXPANSION * (int64_t)shape->width;
}

static const struct tensor_form tensors[TENSORS] = {
    [NORM_WEIGHT] = {.name = "ln_2.weight", .rows = esp_extent_width, .init = INIT_ONE},
    [NORM_BIAS] = {.name = "ln_2.bias", .rows = esp_extent_width},
    [UP_WEIGHT] = {.name = "mlp.c_fc.weight",
                   .rows = esp_extent_width,
                   .columns = hidden_width,
                   .init = INIT_NORMAL,
                   .decay = true},
    [UP_BIAS] = {.name = "mlp.c_fc.bias", .rows = hidden_width},
    [DOWN_WEIGHT] = {.name = "mlp.c_proj.weight",
                     .rows = hidden_width,
                     .columns = esp_extent_width,
                     .init = INIT_RESIDUAL,
                     .decay = true},
    [DOWN_BIAS] = {.name = "mlp.c_proj.bias", .rows = esp_extent_width},
};

static const struct block_buffer buffers[BUFFERS] = {
    [PRE] = {.columns = hidden_width, .training = true},
    [HIDDEN] = {.columns = hidden_width, .recomputed = true},
};

/* Each parameter is used once per token: 2 FLOPs forward, 4 backward (Kaplan et al. 2020,
 * section 2.1). */
static double flops(const struct esp_model_shape *shape)
{
    return 6 * (double)esp_tensor_forms_count(tensors, TENSORS, shape);
}

static void
forward(struct esp_model *model, const struct esp_batch *batch, const struct block *block)
{
    const int width = model->shape.width;
    esp_block_linear_forward(model,
                             batch,
                             block,
                             &(struct block_linear){.weight = UP_WEIGHT,
                                                    .width_in = width,
                                                    .width_out = hidden_width(&model->shape),
                                                    .in = block->norm,
                                                    .out = block->buffer[HIDDEN],
                                                    .pre = block->buffer[PRE],
                                                    .activation = esp_model_activation(model)});
    esp_block_linear_forward(model,
                             batch,
                             block,
                             &(struct block_linear){.weight = DOWN_WEIGHT,
                                                    .width_in = hidden_width(&model->shape),
                                                    .width_out = width,
                                                    .in = block->buffer[HIDDEN],
                                                    .out = model->plan.branch});
}

static void
recompute(struct esp_model *model, const struct esp_batch *batch, const struct block *block)
{
    const struct esp_kernels *k = model->kernels;
    k->activation_forward(
        k,
        batch,
        &(struct esp_activation_forward){.in = block->buffer[PRE],
                                         .out = block->buffer[HIDDEN],
                                         .width = (int)hidden_width(&model->shape),
                                         .activation = esp_model_activation(model)});
}

static void backward(struct esp_model *model,
                     const struct esp_batch *batch,
                     const struct block *block,
                     struct esp_view grad_out)
{
    const int width = model->shape.width;
    esp_block_linear_backward(
        model,
        batch,
        block,
        &(struct block_linear_backward){.weight = DOWN_WEIGHT,
                                        .width_in = hidden_width(&model->shape),
                                        .width_out = width,
                                        .in = block->buffer[HIDDEN],
                                        .grad_out = grad_out,
                                        .grad_in = model->plan.grad_wide,
                                        .pre = block->buffer[PRE],
                                        .activation = esp_model_activation(model)});
    esp_block_linear_backward(
        model,
        batch,
        block,
        &(struct block_linear_backward){.weight = UP_WEIGHT,
                                        .width_in = width,
                                        .width_out = hidden_width(&model->shape),
                                        .in = block->norm,
                                        .grad_out = model->plan.grad_wide,
                                        .grad_in = model->plan.grad_narrow});
}

const struct block_kind esp_block_dense = {
    .name = "dense",
    .tensors = tensors,
    .tensor_count = TENSORS,
    .buffers = buffers,
    .buffer_count = BUFFERS,
    .gradient_columns = hidden_width,
    .flops = flops,
    .forward = forward,
    .recompute = recompute,
    .backward = backward,
};
