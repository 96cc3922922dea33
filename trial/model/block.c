/* Which blocks a layer has, and the linear operation that blocks are built from. See block.h.
 */
#include "block.h"

#include "internal.h"

/* GPT-2's layer (Radford et al. 2019). */
static const struct block_kind *const gpt2_layer[] = {&esp_block_attention, &esp_block_dense};

int esp_layer_blocks(const struct esp_model_shape *shape,
                     const struct block_kind *const **kinds)
{
    (void)shape; /* every shape has GPT-2's layers so far */
    *kinds = gpt2_layer;
    return (int)(sizeof gpt2_layer / sizeof *gpt2_layer);
}

int64_t esp_extent_width(const struct esp_model_shape *shape)
{
    return shape->width;
}

int64_t esp_tensor_form_count(const struct tensor_form *form,
                              const struct esp_model_shape *shape)
{
    return form->rows(shape) * (form->columns ? form->columns(shape) : 1);
}

int64_t esp_tensor_forms_count(const struct tensor_form *forms,
                               int count,
                               const struct esp_model_shape *shape)
{
    int64_t sum = 0;
    for (int i = 0; i < count; i++) {
        sum += esp_tensor_form_count(&forms[i], shape);
    }
    return sum;
}

void esp_block_linear_forward(struct esp_model *model,
                              const struct esp_batch *batch,
                              const struct block *block,
                              const struct block_linear *op)
{
    const struct esp_kernels *k = model->kernels;
    const int weight = block->first_tensor + op->weight, bias = weight + 1;
    k->linear_forward(k,
                      batch,
                      &(struct esp_linear_forward){
                          .in = op->in,
                          .weight = esp_model_weight(model, weight),
                          .bias = esp_model_view(model, ESP_MODEL_PARAMETERS, bias),
                          .narrow_bias = esp_model_narrow_bias(model, bias),
                          .out = op->out,
                          .pre = op->pre,
                          .rows = {.count = (int64_t)batch->sequences * batch->context},
                          .width_in = (int)op->width_in,
                          .width_out = (int)op->width_out,
                          .activation = op->activation});
}

void esp_block_linear_backward(struct esp_model *model,
                               const struct esp_batch *batch,
                               const struct block *block,
                               const struct block_linear_backward *op)
{
    const struct esp_kernels *k = model->kernels;
    const int weight = block->first_tensor + op->weight, bias = weight + 1;
    const struct esp_rows rows = {.count = (int64_t)batch->sequences * batch->context};
    k->linear_backward_weight(
        k,
        batch,
        &(struct esp_linear_backward_weight){
            .in = op->in,
            .grad_out = op->grad_out,
            .grad_weight = esp_model_view(model, ESP_MODEL_GRADIENTS, weight),
            .grad_bias = esp_model_view(model, ESP_MODEL_GRADIENTS, bias),
            .rows = rows,
            .width_in = (int)op->width_in,
            .width_out = (int)op->width_out});
    k->linear_backward_input(
        k,
        batch,
        &(struct esp_linear_backward_input){.grad_out = op->grad_out,
                                            .weight = esp_model_weight(model, weight),
                                            .grad_in = op->grad_in,
                                            .pre = op->pre,
                                            .rows = rows,
                                            .width_in = (int)op->width_in,
                                            .width_out = (int)op->width_out,
                                            .activation = op->pre.data ? op->activation
                                                                       : ESP_KERNEL_LINEAR});
}
