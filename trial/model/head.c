/* The head: logits by the tied token table, cross entropy, and their gradients. */
#include "internal.h"

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
