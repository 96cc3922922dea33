/* The backward pass, with recomputation of what the forward pass did not keep. */
#include "internal.h"

/* The gradient that flows into a block's branch: the stream's own, or a copy with dropout. */
static struct esp_view branch_gradient(const struct esp_model *model, bool dropout)
{
    return dropout ? model->plan.grad_branch : model->plan.grad_stream;
}

/* One norm: its tensors, its inputs, and the dropout of the branch that was added before it. */
struct norm_place {
    int weight; /* tensor number; its bias is the next */
    struct esp_view sum, mean, rstd;
    int dropout_tensor;
    bool branch; /* a branch was added before it */
    bool first;  /* the final norm: grad_stream is overwritten */
};

/* Expects the gradient of the norm's result in grad_narrow. */
static void backward_norm(struct esp_model *model,
                          const struct esp_batch *batch,
                          const struct norm_place *place,
                          bool dropout)
{
    const struct esp_kernels *k = model->kernels;
    k->norm_backward(
        k,
        batch,
        &(struct esp_norm_backward){
            .grad_out = model->plan.grad_narrow,
            .sum = place->sum,
            .weight = esp_model_view(model, ESP_MODEL_PARAMETERS, place->weight),
            .mean = place->mean,
            .rstd = place->rstd,
            .grad_sum = model->plan.grad_stream,
            .grad_branch =
                dropout && place->branch ? model->plan.grad_branch : (struct esp_view){0},
            .grad_weight = esp_model_view(model, ESP_MODEL_GRADIENTS, place->weight),
            .grad_bias = esp_model_view(model, ESP_MODEL_GRADIENTS, place->weight + 1),
            .width = model->shape.width,
            .dropout_tensor = place->dropout_tensor,
            .first = place->first});
}

/* Computes a norm's result again from the stream that it read. */
static void recompute_norm(struct esp_model *model,
                           const struct esp_batch *batch,
                           const struct norm_place *place,
                           struct esp_view out)
{
    const struct esp_kernels *k = model->kernels;
    k->norm_forward(k,
                    batch,
                    &(struct esp_norm_forward){
                        .stream = place->sum,
                        .sum = place->sum,
                        .out = out,
                        .weight = esp_model_view(model, ESP_MODEL_PARAMETERS, place->weight),
                        .bias = esp_model_view(model, ESP_MODEL_PARAMETERS, place->weight + 1),
                        .mean = place->mean,
                        .rstd = place->rstd,
                        .width = model->shape.width});
}

static void
backward_block(struct esp_model *model, const struct esp_batch *batch, int index, bool dropout)
{
    const struct block *block = &model->blocks[index];
    const struct norm_place norm = {.weight = block->first_tensor + NORM_WEIGHT,
                                    .sum = block->in,
                                    .mean = block->mean,
                                    .rstd = block->rstd,
                                    .dropout_tensor =
                                        index ? model->blocks[index - 1].dropout_tensor : 0,
                                    .branch = index > 0};
    if (model->shape.recompute == ESP_RECOMPUTE_GELU_NORM) {
        recompute_norm(model, batch, &norm, block->norm);
        if (block->kind->recompute) {
            block->kind->recompute(model, batch, block);
        }
    }
    block->kind->backward(model, batch, block, branch_gradient(model, dropout));
    backward_norm(model, batch, &norm, dropout);
}

/* Runs the forward pass of a layer again from its first block's `in`. */
static void recompute_layer(struct esp_model *model, const struct esp_batch *batch, int layer)
{
    for (int b = 0; b < model->layer_blocks; b++) {
        esp_model_forward_block(model, batch, layer * model->layer_blocks + b, b == 0);
    }
}

void esp_model_backward(struct esp_model *model, const struct esp_batch *batch, bool dropout)
{
    const struct esp_kernels *k = model->kernels;
    backward_norm(model,
                  batch,
                  &(struct norm_place){.weight = model->final_tensor + NORM_WEIGHT,
                                       .sum = model->plan.last,
                                       .mean = model->plan.final_mean,
                                       .rstd = model->plan.final_rstd,
                                       .dropout_tensor =
                                           model->blocks[model->block_count - 1].dropout_tensor,
                                       .branch = true,
                                       .first = true},
                  dropout);
    for (int l = model->shape.layers - 1; l >= 0; l--) {
        if (model->shape.recompute == ESP_RECOMPUTE_BLOCK) {
            recompute_layer(model, batch, l);
        }
        for (int b = model->layer_blocks - 1; b >= 0; b--) {
            backward_block(model, batch, l * model->layer_blocks + b, dropout);
        }
    }
    k->embed_backward(
        k,
        batch,
        &(struct esp_embed_backward){
            .tokens = model->plan.tokens,
            .grad = model->plan.grad_stream,
            .grad_token = esp_model_view(model, ESP_MODEL_GRADIENTS, TOKEN_TABLE),
            .grad_position = esp_model_view(model, ESP_MODEL_GRADIENTS, POSITION_TABLE),
            .width = model->shape.width,
            .vocabulary = model->shape.vocabulary,
            .dropout_tensor = DROPOUT_EMBEDDING});
}
