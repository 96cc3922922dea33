/* The optimizer step, and reading its results: at once, or through the ring without waiting. */
#include "internal.h"

#include <assert.h>
#include <errno.h>
#include <espalier/limits.h>
#include <string.h>

static int upload_control(struct esp_model *model)
{
    const struct esp_kernels *k = model->kernels;
    const size_t bytes = (size_t)model->members * sizeof *model->control;
    return k->upload(k, model->plan.control, model->control, bytes);
}

int esp_model_update(struct esp_model *model,
                     const struct esp_model_update *updates,
                     struct esp_error *error)
{
    const struct esp_kernels *k = model->kernels;
    assert(model->training);
    for (int m = 0; m < model->members; m++) {
        const struct esp_model_update *u = &updates[m];
        model->control[m] = (struct esp_control){.loss_scale = 1};
        if (u->active) {
            model->control[m] = (struct esp_control){
                .active = 1,
                .update = 1,
                .loss_scale = model->loss_scale[m] > 0 ? model->loss_scale[m] : 1,
                .updates = u->updates,
                .learning_rate = u->learning_rate,
                .beta1 = u->beta1,
                .beta2 = u->beta2,
                .epsilon = u->epsilon,
                .momentum = u->momentum,
                .weight_decay = u->weight_decay,
                .clip = u->clip,
            };
        }
    }
    int rc = upload_control(model);
    if (!rc) {
        const struct esp_batch batch = esp_model_batch(model, model->micro_batch);
        const struct esp_optimize op = {
            .param = model->plan.slab[ESP_MODEL_PARAMETERS],
            .grad = model->plan.slab[ESP_MODEL_GRADIENTS],
            .m = model->plan.slab[ESP_MODEL_MOMENT1],
            .v = model->plan.slab[ESP_MODEL_MOMENT2],
            .loss = model->plan.train_loss,
            .result = model->plan.result,
            .scratch = model->plan.scratch,
            .narrow = model->plan.narrow,
            .scale = model->plan.scale,
            .halted = model->plan.halted,
            .count = model->slab_count,
            .decayed = model->decayed,
        };
        if (model->shape.optimizer == ESP_OPTIMIZER_ADAMW) {
            k->adamw(k, &batch, &op);
        } else {
            k->sgd(k, &batch, &op);
        }
    }
    return esp_model_device_error(model, rc, error);
}

static struct esp_model_result result_of(const struct esp_update_result *r)
{
    return (struct esp_model_result){
        .loss_sum = r->loss_sum,
        .count = r->count,
        .grad_norm = r->grad_norm,
        .updates = r->updates,
        .skipped = r->skipped,
        .overflowed = r->overflowed,
    };
}

static void zero_results(struct esp_model *model)
{
    const struct esp_kernels *k = model->kernels;
    k->zero(k, model->plan.result, (size_t)model->members * sizeof(struct esp_update_result));
}

int esp_model_results(struct esp_model *model,
                      struct esp_model_result *results,
                      struct esp_error *error)
{
    const struct esp_kernels *k = model->kernels;
    int rc = k->synchronise(k, error);
    if (rc) {
        return rc;
    }
    for (int m = 0; m < model->members && !rc; m++) {
        struct esp_update_result r;
        rc = k->download(k, &r, model->plan.result + m, sizeof r);
        if (!rc) {
            results[m] = result_of(&r);
        }
    }
    if (!rc) {
        zero_results(model);
    }
    return esp_model_device_error(model, rc, error);
}

_Static_assert(ESP_MEMBERS_MAX *SNAPSHOT_MEMBER <= ESP_SNAPSHOT_BYTES, "a snapshot holds all");
_Static_assert(ESP_MODEL_AHEAD <= ESP_SNAPSHOTS, "the ring has a place for every piece");

int esp_model_begin(struct esp_model *model, struct esp_error *error)
{
    return esp_model_device_error(
        model, model->kernels->ring_begin(model->kernels, model->ring), error);
}

int esp_model_push(struct esp_model *model, struct esp_error *error)
{
    const struct esp_kernels *k = model->kernels;
    const size_t bytes = (size_t)model->members * SNAPSHOT_MEMBER;
    const int rc = k->ring_push(k, model->ring, model->plan.eval_loss, bytes);
    if (rc == 0) {
        zero_results(model);
    }
    return esp_model_device_error(model, rc, error);
}

int esp_model_pop(struct esp_model *model,
                  bool wait,
                  struct esp_model_result *results,
                  struct esp_model_loss *losses,
                  double *seconds,
                  struct esp_error *error)
{
    const struct esp_kernels *k = model->kernels;
    const size_t members = (size_t)model->members;
    unsigned char snapshot[ESP_SNAPSHOT_BYTES];
    const int rc =
        k->ring_pop(k, model->ring, snapshot, members * SNAPSHOT_MEMBER, wait, seconds);
    if (rc == -EAGAIN) {
        return 1;
    }
    for (size_t m = 0; m < members && rc == 0; m++) {
        struct esp_loss_sum sum;
        struct esp_update_result r;
        memcpy(&sum, snapshot + m * sizeof sum, sizeof sum);
        memcpy(&r, snapshot + members * sizeof sum + m * sizeof r, sizeof r);
        losses[m] = (struct esp_model_loss){.sum = sum.sum, .count = sum.count};
        results[m] = result_of(&r);
    }
    return esp_model_device_error(model, rc, error);
}
