/* The forward pass and the head. */
#include "internal.h"

static void forward_attention(struct esp_model *model, const struct esp_batch *batch, int l)
{
    const struct esp_kernels *k = model->kernels;
    const struct layer *layer = &model->layers[l];
    const int width = model->shape.width;
    const struct esp_rows rows = {.count = (int64_t)batch->sequences * batch->context};
    k->linear_forward(
        k,
        batch,
        &(struct esp_linear_forward){
            .in = layer->norm1,
            .weight = esp_model_layer_weight(model, l, ATTN_WEIGHT),
            .bias = esp_model_layer_view(model, ESP_MODEL_PARAMETERS, l, ATTN_BIAS),
            .narrow_bias = esp_model_narrow_bias(model, l, ATTN_BIAS),
            .out = layer->qkv,
            .rows = rows,
            .width_in = width,
            .width_out = 3 * width});
    k->attention_forward(k,
                         batch,
                         &(struct esp_attention_forward){.qkv = layer->qkv,
                                                         .out = layer->mixed,
                                                         .lse = layer->lse,
                                                         .width = width,
                                                         .heads = model->shape.heads,
                                                         .causal = model->shape.objective ==
                                                                   ESP_OBJECTIVE_CAUSAL});
    k->linear_forward(
        k,
        batch,
        &(struct esp_linear_forward){
            .in = layer->mixed,
            .weight = esp_model_layer_weight(model, l, ATTN_PROJ_WEIGHT),
            .bias = esp_model_layer_view(model, ESP_MODEL_PARAMETERS, l, ATTN_PROJ_BIAS),
            .narrow_bias = esp_model_narrow_bias(model, l, ATTN_PROJ_BIAS),
            .out = model->plan.branch,
            .rows = rows,
            .width_in = width,
            .width_out = width});
}

static void forward_mlp(struct esp_model *model, const struct esp_batch *batch, int l)
{
    const struct esp_kernels *k = model->kernels;
    const struct layer *layer = &model->layers[l];
    const int width = model->shape.width;
    const struct esp_rows rows = {.count = (int64_t)batch->sequences * batch->context};
    k->linear_forward(k,
                      batch,
                      &(struct esp_linear_forward){
                          .in = layer->norm2,
                          .weight = esp_model_layer_weight(model, l, FC_WEIGHT),
                          .bias = esp_model_layer_view(model, ESP_MODEL_PARAMETERS, l, FC_BIAS),
                          .narrow_bias = esp_model_narrow_bias(model, l, FC_BIAS),
                          .out = layer->hidden,
                          .pre = layer->pre,
                          .rows = rows,
                          .width_in = width,
                          .width_out = 4 * width,
                          .activation = esp_model_activation(model)});
    k->linear_forward(
        k,
        batch,
        &(struct esp_linear_forward){
            .in = layer->hidden,
            .weight = esp_model_layer_weight(model, l, FC_PROJ_WEIGHT),
            .bias = esp_model_layer_view(model, ESP_MODEL_PARAMETERS, l, FC_PROJ_BIAS),
            .narrow_bias = esp_model_narrow_bias(model, l, FC_PROJ_BIAS),
            .out = model->plan.branch,
            .rows = rows,
            .width_in = 4 * width,
            .width_out = width});
}

void esp_model_forward_block(struct esp_model *model,
                             const struct esp_batch *batch,
                             int l,
                             bool again)
{
    const struct esp_kernels *k = model->kernels;
    const struct layer *layer = &model->layers[l];
    const bool joined = l == 0 || again;
    k->norm_forward(
        k,
        batch,
        &(struct esp_norm_forward){
            .stream = joined ? layer->in : model->layers[l - 1].middle,
            .branch = joined ? (struct esp_view){0} : model->plan.branch,
            .sum = layer->in,
            .out = layer->norm1,
            .weight = esp_model_layer_view(model, ESP_MODEL_PARAMETERS, l, LN1_WEIGHT),
            .bias = esp_model_layer_view(model, ESP_MODEL_PARAMETERS, l, LN1_BIAS),
            .mean = layer->mean1,
            .rstd = layer->rstd1,
            .width = model->shape.width,
            .dropout_tensor = joined ? 0 : esp_model_dropout_branch(l - 1, 1)});
    forward_attention(model, batch, l);
    k->norm_forward(
        k,
        batch,
        &(struct esp_norm_forward){
            .stream = layer->in,
            .branch = model->plan.branch,
            .sum = layer->middle,
            .out = layer->norm2,
            .weight = esp_model_layer_view(model, ESP_MODEL_PARAMETERS, l, LN2_WEIGHT),
            .bias = esp_model_layer_view(model, ESP_MODEL_PARAMETERS, l, LN2_BIAS),
            .mean = layer->mean2,
            .rstd = layer->rstd2,
            .width = model->shape.width,
            .dropout_tensor = esp_model_dropout_branch(l, 0)});
    forward_mlp(model, batch, l);
}

void esp_model_forward(struct esp_model *model, const struct esp_batch *batch)
{
    const struct esp_kernels *k = model->kernels;
    const int layers = model->shape.layers;
    const int final = model->tensor_count - 2;
    k->embed_forward(
        k,
        batch,
        &(struct esp_embed_forward){
            .tokens = model->plan.tokens,
            .token_table = esp_model_view(model, ESP_MODEL_PARAMETERS, TOKEN_TABLE),
            .position_table = esp_model_view(model, ESP_MODEL_PARAMETERS, POSITION_TABLE),
            .out = model->layers[0].in,
            .width = model->shape.width,
            .vocabulary = model->shape.vocabulary,
            .dropout_tensor = DROPOUT_EMBEDDING});
    for (int l = 0; l < layers; l++) {
        esp_model_forward_block(model, batch, l, false);
    }
    k->norm_forward(k,
                    batch,
                    &(struct esp_norm_forward){
                        .stream = model->layers[layers - 1].middle,
                        .branch = model->plan.branch,
                        .sum = model->plan.last,
                        .out = model->plan.final,
                        .weight = esp_model_view(model, ESP_MODEL_PARAMETERS, final),
                        .bias = esp_model_view(model, ESP_MODEL_PARAMETERS, final + 1),
                        .mean = model->plan.final_mean,
                        .rstd = model->plan.final_rstd,
                        .width = model->shape.width,
                        .dropout_tensor = esp_model_dropout_branch(layers - 1, 1)});
}

/* Gradients of the tied table and of the final norm's result, from one chunk's logits. */
static void
head_backward(struct esp_model *model, const struct esp_batch *batch, struct esp_rows rows)
{
    const struct esp_kernels *k = model->kernels;
    k->linear_backward_input(
        k,
        batch,
        &(struct esp_linear_backward_input){.grad_out = model->plan.logits,
                                            .weight = esp_model_weight(model, TOKEN_TABLE),
                                            .grad_in = model->plan.grad_narrow,
                                            .rows = rows,
                                            .width_in = model->shape.width,
                                            .width_out = model->vocabulary_padded,
                                            .transposed = true,
                                            .grad_packed = true});
    k->linear_backward_weight(
        k,
        batch,
        &(struct esp_linear_backward_weight){
            .in = model->plan.final,
            .grad_out = model->plan.logits,
            .grad_weight = esp_model_view(model, ESP_MODEL_GRADIENTS, TOKEN_TABLE),
            .rows = rows,
            .width_in = model->shape.width,
            .width_out = model->vocabulary_padded,
            .transposed = true,
            .grad_packed = true});
}

void esp_model_head(struct esp_model *model,
                    const struct esp_batch *batch,
                    struct esp_loss_sum *loss,
                    bool gradient)
{
    const struct esp_kernels *k = model->kernels;
    const int64_t all = (int64_t)batch->sequences * batch->context;
    for (int64_t first = 0; first < all; first += model->chunk_rows) {
        struct esp_rows rows = {.first = first, .count = all - first};
        rows.count = rows.count < model->chunk_rows ? rows.count : model->chunk_rows;
        k->linear_forward(
            k,
            batch,
            &(struct esp_linear_forward){.in = model->plan.final,
                                         .weight = esp_model_weight(model, TOKEN_TABLE),
                                         .out = model->plan.logits,
                                         .rows = rows,
                                         .width_in = model->shape.width,
                                         .width_out = model->vocabulary_padded,
                                         .transposed = true,
                                         .out_packed = true});
        k->cross_entropy(
            k,
            batch,
            &(struct esp_cross_entropy){.logits = model->plan.logits,
                                        .targets = model->plan.targets,
                                        .loss = loss,
                                        .rows = rows,
                                        .vocabulary = model->shape.vocabulary,
                                        .vocabulary_padded = model->vocabulary_padded,
                                        .gradient = gradient,
                                        .scale = gradient ? model->plan.scale : NULL});
        if (gradient) {
            head_backward(model, batch, rows);
        }
    }
}
