/* Micro-steps: gradients, losses and rehearsal. */
#include "internal.h"

#include <assert.h>
#include <string.h>

int esp_model_device_error(const struct esp_model *model, int rc, struct esp_error *error)
{
    return rc ? esp_error_set(error, rc, "backend %s failed", model->kernels->name) : 0;
}

void esp_model_enqueue_step(struct esp_model *model,
                            const struct esp_batch *batch,
                            bool gradient,
                            bool dropout)
{
    const struct esp_kernels *k = model->kernels;
    if (!gradient) {
        k->zero(k, model->plan.eval_loss, (size_t)model->members * sizeof(struct esp_loss_sum));
    }
    esp_model_forward(model, batch);
    esp_model_head(
        model, batch, gradient ? model->plan.train_loss : model->plan.eval_loss, gradient);
    if (gradient) {
        esp_model_backward(model, batch, dropout);
    }
}

/* Runs with tokens 0 that do not count: zeros are added to gradients and losses. */
int esp_model_rehearse(struct esp_model *model, struct esp_error *error)
{
    const struct esp_kernels *k = model->kernels;
    const size_t bytes = esp_model_place_inputs(model, model->micro_batch);
    const int64_t rows = (int64_t)model->micro_batch * model->shape.context;
    memset(model->control, 0, bytes);
    for (int m = 0; m < model->members; m++) {
        model->control[m] =
            (struct esp_control){.active = 1, .sequences = model->micro_batch, .loss_scale = 1};
        for (int64_t i = 0; i < rows; i++) {
            esp_model_staged(model, &model->plan.targets, m)[i] = -1;
        }
    }
    int rc = k->upload(k, model->plan.control, model->control, bytes);
    if (rc == 0) {
        const struct esp_batch batch = esp_model_batch(model, model->micro_batch);
        esp_model_enqueue_step(model, &batch, false, false);
        esp_model_enqueue_step(model, &batch, model->training, false);
    }
    for (int m = 0; m < model->members && rc == 0 && model->training; m++) {
        esp_model_zero_gradients(model, m);
    }
    return rc ? esp_model_device_error(model, rc, error) : k->synchronise(k, error);
}

int esp_model_forward_backward(struct esp_model *model,
                               const struct esp_model_input *inputs,
                               struct esp_error *error)
{
    assert(model->training);
    bool dropout = false;
    int rc = esp_model_check_inputs(model, inputs, error);
    if (rc) {
        return rc;
    }
    for (int m = 0; m < model->members; m++) {
        dropout = dropout || (inputs[m].active && inputs[m].dropout > 0);
    }
    rc = esp_model_upload_inputs(model, inputs, true);
    if (!rc) {
        rc = esp_model_run_step(model, esp_model_frame(model, inputs), true, dropout);
    }
    return esp_model_device_error(model, rc, error);
}

int esp_model_evaluate(struct esp_model *model,
                       const struct esp_model_input *inputs,
                       struct esp_error *error)
{
    int rc = esp_model_check_inputs(model, inputs, error);
    if (rc) {
        return rc;
    }
    rc = esp_model_upload_inputs(model, inputs, false);
    if (!rc) {
        rc = esp_model_run_step(model, esp_model_frame(model, inputs), false, false);
    }
    return esp_model_device_error(model, rc, error);
}

int esp_model_loss(struct esp_model *model,
                   const struct esp_model_input *inputs,
                   struct esp_model_loss *losses,
                   struct esp_error *error)
{
    const struct esp_kernels *k = model->kernels;
    int rc = esp_model_evaluate(model, inputs, error);
    if (rc) {
        return rc;
    }
    for (int m = 0; m < model->members && !rc; m++) {
        struct esp_loss_sum sum = {0};
        if (inputs[m].active) {
            rc = k->download(k, &sum, model->plan.eval_loss + m, sizeof sum);
        }
        losses[m] = (struct esp_model_loss){.sum = sum.sum, .count = sum.count};
    }
    return esp_model_device_error(model, rc, error);
}
