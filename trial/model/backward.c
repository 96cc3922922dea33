/* The backward pass, with the recomputation that the plan asks for. */
#include "internal.h"

/* What flows into a block's two branches: the stream's own gradient, or a copy with dropout. */
static struct esp_view branch_gradient(const struct esp_model *model, bool dropout)
{
    return dropout ? model->plan.grad_branch : model->plan.grad_stream;
}

/* One product's backward pass: grad_out [N, out] → weights, bias and grad_in [N, in]. */
struct product {
    int layer;
    int weight; /* enum layer_tensor; its bias is the next */
    struct esp_view in, grad_out, grad_in;
    struct esp_view pre; /* of the activation that made `in`, or none */
    int width_in, width_out;
};

static void backward_product(struct esp_model *model,
                             const struct esp_batch *batch,
                             const struct product *p)
{
    const struct esp_kernels *k = model->kernels;
    const struct esp_rows rows = {.count = (int64_t)batch->sequences * batch->context};
    k->linear_backward_weight(k,
                              batch,
                              &(struct esp_linear_backward_weight){
                                  .in = p->in,
                                  .grad_out = p->grad_out,
                                  .grad_weight = esp_model_layer_view(
                                      model, ESP_MODEL_GRADIENTS, p->layer, p->weight),
                                  .grad_bias = esp_model_layer_view(
                                      model, ESP_MODEL_GRADIENTS, p->layer, p->weight + 1),
                                  .rows = rows,
                                  .width_in = p->width_in,
                                  .width_out = p->width_out});
    k->linear_backward_input(
        k,
        batch,
        &(struct esp_linear_backward_input){
            .grad_out = p->grad_out,
            .weight = esp_model_layer_weight(model, p->layer, p->weight),
            .grad_in = p->grad_in,
            .pre = p->pre,
            .rows = rows,
            .width_in = p->width_in,
            .width_out = p->width_out,
            .activation = p->pre.data ? esp_model_activation(model) : ESP_KERNEL_LINEAR});
}

/* A norm's place: its tensors, what it saw, and the dropout of the branch that flowed into it.
 */
struct norm_place {
    int weight; /* tensor number; its bias is the next */
    struct esp_view sum, mean, rstd;
    int dropout_tensor;
    bool branch; /* a branch flowed into it */
    bool first;  /* the final norm: nothing has reached grad_stream yet */
};

/* grad_narrow holds the gradient of the norm's result. */
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

/* A norm's result anew, from the stream that it saw. */
static void repeat_norm(struct esp_model *model,
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
backward_mlp(struct esp_model *model, const struct esp_batch *batch, int l, bool dropout)
{
    const struct esp_kernels *k = model->kernels;
    const struct layer *layer = &model->layers[l];
    const int width = model->shape.width;
    const struct norm_place norm = {.weight = FIRST_LAYER + l * LAYER_TENSORS + LN2_WEIGHT,
                                    .sum = layer->middle,
                                    .mean = layer->mean2,
                                    .rstd = layer->rstd2,
                                    .dropout_tensor = esp_model_dropout_branch(l, 0),
                                    .branch = true};
    if (model->shape.recompute == ESP_RECOMPUTE_GELU_NORM) {
        repeat_norm(model, batch, &norm, layer->norm2);
        k->activation_forward(
            k,
            batch,
            &(struct esp_activation_forward){.in = layer->pre,
                                             .out = layer->hidden,
                                             .width = 4 * width,
                                             .activation = esp_model_activation(model)});
    }
    backward_product(model,
                     batch,
                     &(struct product){.layer = l,
                                       .weight = FC_PROJ_WEIGHT,
                                       .in = layer->hidden,
                                       .grad_out = branch_gradient(model, dropout),
                                       .grad_in = model->plan.grad_wide,
                                       .pre = layer->pre,
                                       .width_in = 4 * width,
                                       .width_out = width});
    backward_product(model,
                     batch,
                     &(struct product){.layer = l,
                                       .weight = FC_WEIGHT,
                                       .in = layer->norm2,
                                       .grad_out = model->plan.grad_wide,
                                       .grad_in = model->plan.grad_narrow,
                                       .width_in = width,
                                       .width_out = 4 * width});
    backward_norm(model, batch, &norm, dropout);
}

static void
backward_attention(struct esp_model *model, const struct esp_batch *batch, int l, bool dropout)
{
    const struct esp_kernels *k = model->kernels;
    const struct layer *layer = &model->layers[l];
    const int width = model->shape.width;
    const struct norm_place norm = {.weight = FIRST_LAYER + l * LAYER_TENSORS + LN1_WEIGHT,
                                    .sum = layer->in,
                                    .mean = layer->mean1,
                                    .rstd = layer->rstd1,
                                    .dropout_tensor =
                                        l ? esp_model_dropout_branch(l - 1, 1) : 0,
                                    .branch = l > 0};
    if (model->shape.recompute == ESP_RECOMPUTE_GELU_NORM) {
        repeat_norm(model, batch, &norm, layer->norm1);
    }
    backward_product(model,
                     batch,
                     &(struct product){.layer = l,
                                       .weight = ATTN_PROJ_WEIGHT,
                                       .in = layer->mixed,
                                       .grad_out = branch_gradient(model, dropout),
                                       .grad_in = model->plan.grad_narrow,
                                       .width_in = width,
                                       .width_out = width});
    k->attention_backward(k,
                          batch,
                          &(struct esp_attention_backward){.qkv = layer->qkv,
                                                           .out = layer->mixed,
                                                           .lse = layer->lse,
                                                           .grad_out = model->plan.grad_narrow,
                                                           .grad_qkv = model->plan.grad_wide,
                                                           .width = width,
                                                           .heads = model->shape.heads,
                                                           .causal = model->shape.objective ==
                                                                     ESP_OBJECTIVE_CAUSAL});
    backward_product(model,
                     batch,
                     &(struct product){.layer = l,
                                       .weight = ATTN_WEIGHT,
                                       .in = layer->norm1,
                                       .grad_out = model->plan.grad_wide,
                                       .grad_in = model->plan.grad_narrow,
                                       .width_in = width,
                                       .width_out = 3 * width});
    backward_norm(model, batch, &norm, dropout);
}

void esp_model_backward(struct esp_model *model, const struct esp_batch *batch, bool dropout)
{
    const struct esp_kernels *k = model->kernels;
    const int layers = model->shape.layers;
    backward_norm(
        model,
        batch,
        &(struct norm_place){.weight = model->tensor_count - 2,
                             .sum = model->plan.last,
                             .mean = model->plan.final_mean,
                             .rstd = model->plan.final_rstd,
                             .dropout_tensor = esp_model_dropout_branch(layers - 1, 1),
                             .branch = true,
                             .first = true},
        dropout);
    for (int l = layers - 1; l >= 0; l--) {
        if (model->shape.recompute == ESP_RECOMPUTE_BLOCK) {
            esp_model_forward_block(model, batch, l, true);
        }
        backward_mlp(model, batch, l, dropout);
        backward_attention(model, batch, l, dropout);
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
