/* Multi-head self-attention (Vaswani et al. 2017, section 3.2; GPT-2's layout):
 *
 *   qkv    = norm · W + b              [N, 3C]
 *   mixed  = attention(q, k, v)        [N, C]
 *   branch = mixed · W' + b'           [N, C] */
#include "block.h"
#include "internal.h"

#include <errno.h>

enum {
    QKV_WEIGHT = BLOCK_TENSORS,
    QKV_BIAS,
    PROJECTION_WEIGHT,
    PROJECTION_BIAS,
    TENSORS,
};

enum {
    QKV,   /* [N, 3C] */
    MIXED, /* [N, C]: attention's result before its projection */
    LSE,   /* [B, heads, T]: log-sum-exp of each row of scores */
    BUFFERS,
};

static int64_t qkv_width(const struct esp_model_shape *shape)
{
    return 3 * (int64_t)shape->width;
}

static int64_t head_count(const struct esp_model_shape *shape)
{
    return shape->heads;
}

static const struct tensor_form tensors[TENSORS] = {
    [NORM_WEIGHT] = {.name = "ln_1.weight", .rows = esp_extent_width, .init = INIT_ONE},
    [NORM_BIAS] = {.name = "ln_1.bias", .rows = esp_extent_width},
    [QKV_WEIGHT] = {.name = "attn.c_attn.weight",
                    .rows = esp_extent_width,
                    .columns = qkv_width,
                    .init = INIT_NORMAL,
                    .decay = true},
    [QKV_BIAS] = {.name = "attn.c_attn.bias", .rows = qkv_width},
    [PROJECTION_WEIGHT] = {.name = "attn.c_proj.weight",
                           .rows = esp_extent_width,
                           .columns = esp_extent_width,
                           .init = INIT_RESIDUAL,
                           .decay = true},
    [PROJECTION_BIAS] = {.name = "attn.c_proj.bias", .rows = esp_extent_width},
};

static const struct block_buffer buffers[BUFFERS] = {
    [QKV] = {.columns = qkv_width},
    [MIXED] = {.columns = esp_extent_width},
    [LSE] = {.columns = head_count, .statistic = true},
};

/* The causal mask and its large number, which older GPT-2 files contain. */
static const char *const ignored[] = {"attn.bias", "attn.masked_bias", NULL};

static int check(const struct esp_model_shape *shape, struct esp_error *error)
{
    if (shape->width % shape->heads != 0) {
        return esp_error_set(
            error,
            -EINVAL,
            "the model's width (%d) is not divisible by its heads (%d): choose "
            "a multiple",
            shape->width,
            shape->heads);
    }
    return 0;
}

/* 6 for each parameter, and 12 · C for each pair of positions; a causal mask leaves half of the
 * pairs (Kaplan et al. 2020, section 2.1). */
static double flops(const struct esp_model_shape *shape)
{
    const double parameters = (double)esp_tensor_forms_count(tensors, TENSORS, shape);
    const double pair = shape->objective == ESP_OBJECTIVE_CAUSAL ? 6 : 12;
    return 6 * parameters + pair * shape->width * shape->context;
}

static void
forward(struct esp_model *model, const struct esp_batch *batch, const struct block *block)
{
    const struct esp_kernels *k = model->kernels;
    const int width = model->shape.width;
    esp_block_linear_forward(model,
                             batch,
                             block,
                             &(struct block_linear){.weight = QKV_WEIGHT,
                                                    .width_in = width,
                                                    .width_out = qkv_width(&model->shape),
                                                    .in = block->norm,
                                                    .out = block->buffer[QKV]});
    k->attention_forward(k,
                         batch,
                         &(struct esp_attention_forward){.qkv = block->buffer[QKV],
                                                         .out = block->buffer[MIXED],
                                                         .lse = block->buffer[LSE],
                                                         .width = width,
                                                         .heads = model->shape.heads,
                                                         .causal = model->shape.objective ==
                                                                   ESP_OBJECTIVE_CAUSAL});
    esp_block_linear_forward(model,
                             batch,
                             block,
                             &(struct block_linear){.weight = PROJECTION_WEIGHT,
                                                    .width_in = width,
                                                    .width_out = width,
                                                    .in = block->buffer[MIXED],
                                                    .out = model->plan.branch});
}

static void backward(struct esp_model *model,
                     const struct esp_batch *batch,
                     const struct block *block,
                     struct esp_view grad_out)
{
    const struct esp_kernels *k = model->kernels;
    const int width = model->shape.width;
    esp_block_linear_backward(
        model,
        batch,
        block,
        &(struct block_linear_backward){.weight = PROJECTION_WEIGHT,
                                        .width_in = width,
                                        .width_out = width,
                                        .in = block->buffer[MIXED],
                                        .grad_out = grad_out,
                                        .grad_in = model->plan.grad_narrow});
    k->attention_backward(k,
                          batch,
                          &(struct esp_attention_backward){.qkv = block->buffer[QKV],
                                                           .out = block->buffer[MIXED],
                                                           .lse = block->buffer[LSE],
                                                           .grad_out = model->plan.grad_narrow,
                                                           .grad_qkv = model->plan.grad_wide,
                                                           .width = width,
                                                           .heads = model->shape.heads,
                                                           .causal = model->shape.objective ==
                                                                     ESP_OBJECTIVE_CAUSAL});
    esp_block_linear_backward(
        model,
        batch,
        block,
        &(struct block_linear_backward){.weight = QKV_WEIGHT,
                                        .width_in = width,
                                        .width_out = qkv_width(&model->shape),
                                        .in = block->norm,
                                        .grad_out = model->plan.grad_wide,
                                        .grad_in = model->plan.grad_narrow});
}

const struct block_kind esp_block_attention = {
    .name = "attention",
    .tensors = tensors,
    .tensor_count = TENSORS,
    .buffers = buffers,
    .buffer_count = BUFFERS,
    .gradient_columns = qkv_width,
    .ignored = ignored,
    .check = check,
    .flops = flops,
    .forward = forward,
    .backward = backward,
};
