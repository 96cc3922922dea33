/* The forward pass: the residual stream through all blocks. */
#include "internal.h"

/* A norm, and the branch that is added to the stream before it. */
struct join {
    struct esp_view stream;
    bool branch; /* plan.branch is added to the stream, with the result in `sum` */
    int dropout_tensor;
    struct esp_view sum, out, mean, rstd;
    int weight; /* tensor number; the bias is the next */
};

static void
forward_norm(struct esp_model *model, const struct esp_batch *batch, const struct join *join)
{
    const struct esp_kernels *k = model->kernels;
    const int bias = join->weight + 1;
    k->norm_forward(k,
                    batch,
                    &(struct esp_norm_forward){
                        .stream = join->stream,
                        .branch = join->branch ? model->plan.branch : (struct esp_view){0},
                        .sum = join->sum,
                        .out = join->out,
                        .weight = esp_model_view(model, ESP_MODEL_PARAMETERS, join->weight),
                        .bias = esp_model_view(model, ESP_MODEL_PARAMETERS, bias),
                        .mean = join->mean,
                        .rstd = join->rstd,
                        .width = model->shape.width,
                        .dropout_tensor = join->branch ? join->dropout_tensor : 0});
}

void esp_model_forward_block(struct esp_model *model,
                             const struct esp_batch *batch,
                             int index,
                             bool joined)
{
    const struct block *block = &model->blocks[index];
    const struct block *before = joined ? NULL : &model->blocks[index - 1];
    forward_norm(model,
                 batch,
                 &(struct join){.stream = joined ? block->in : before->in,
                                .branch = !joined,
                                .dropout_tensor = joined ? 0 : before->dropout_tensor,
                                .sum = block->in,
                                .out = block->norm,
                                .mean = block->mean,
                                .rstd = block->rstd,
                                .weight = block->first_tensor + NORM_WEIGHT});
    block->kind->forward(model, batch, block);
}

void esp_model_forward(struct esp_model *model, const struct esp_batch *batch)
{
    const struct esp_kernels *k = model->kernels;
    const struct block *last = &model->blocks[model->block_count - 1];
    k->embed_forward(
        k,
        batch,
        &(struct esp_embed_forward){
            .tokens = model->plan.tokens,
            .token_table = esp_model_view(model, ESP_MODEL_PARAMETERS, TOKEN_TABLE),
            .position_table = esp_model_view(model, ESP_MODEL_PARAMETERS, POSITION_TABLE),
            .out = model->blocks[0].in,
            .width = model->shape.width,
            .vocabulary = model->shape.vocabulary,
            .dropout_tensor = DROPOUT_EMBEDDING});
    for (int i = 0; i < model->block_count; i++) {
        esp_model_forward_block(model, batch, i, i == 0);
    }
    forward_norm(model,
                 batch,
                 &(struct join){.stream = last->in,
                                .branch = true,
                                .dropout_tensor = last->dropout_tensor,
                                .sum = model->plan.last,
                                .out = model->plan.final,
                                .mean = model->plan.final_mean,
                                .rstd = model->plan.final_rstd,
                                .weight = model->final_tensor + NORM_WEIGHT});
}
