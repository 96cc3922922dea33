/* Fresh weights of a member. */
#include "internal.h"
#include "normal.h"

#include <assert.h>
#include <math.h>

/* GPT-2's standard deviation of fresh weights (Radford et al. 2019, section 2.3; nanoGPT). */
#define INIT_DEVIATION 0.02

_Static_assert(SLAB_PART % 2 == 0, "pairs of normal draws stay together");

/* Elements first … first + count − 1 of a tensor of normal draws, to the device. */
static int put_normal(struct esp_model *model,
                      int member,
                      int tensor,
                      uint64_t seed,
                      int64_t first,
                      int64_t count)
{
    const bool residual = model->forms[tensor]->init == INIT_RESIDUAL;
    const double shrink = residual ? sqrt(2.0 * model->shape.layers) : 1;
    const struct esp_normal_tensor normal = {
        .seed = seed, .tensor = (uint64_t)tensor, .deviation = INIT_DEVIATION / shrink};
    const int64_t at = model->tensors[tensor].slab_offset + first;
    if (model->kernels->real_bytes == sizeof(float)) {
        float narrow[SLAB_PART];
        esp_normal_floats(&normal, first, count, narrow);
        return esp_model_put_floats(model, member, ESP_MODEL_PARAMETERS, at, narrow, count);
    }
    double wide[SLAB_PART];
    esp_normal_doubles(&normal, first, count, wide);
    return esp_model_put_doubles(model, member, ESP_MODEL_PARAMETERS, at, wide, count);
}

/* Elements first … first + count − 1 of a tensor, all of one value, to the device. */
static int put_constant(
    struct esp_model *model, int member, int tensor, double value, int64_t first, int64_t count)
{
    const int64_t at = model->tensors[tensor].slab_offset + first;
    double wide[SLAB_PART];
    for (int64_t i = 0; i < count; i++) {
        wide[i] = value;
    }
    return esp_model_put_doubles(model, member, ESP_MODEL_PARAMETERS, at, wide, count);
}

static int put_fresh(struct esp_model *model,
                     int member,
                     int tensor,
                     uint64_t seed,
                     int64_t first,
                     int64_t count)
{
    switch (model->forms[tensor]->init) {
    case INIT_NORMAL:
    case INIT_RESIDUAL:
        return put_normal(model, member, tensor, seed, first, count);
    case INIT_ONE:
        return put_constant(model, member, tensor, 1, first, count);
    case INIT_ZERO:
        break;
    }
    return put_constant(model, member, tensor, 0, first, count);
}

int esp_model_init_member(struct esp_model *model,
                          int member,
                          uint64_t seed,
                          struct esp_error *error)
{
    const struct esp_kernels *k = model->kernels;
    int rc = 0;
    assert(member >= 0 && member < model->members);
    for (int slab = 0; slab < SLABS; slab++) {
        esp_model_zero_slab(model, member, (enum esp_model_slab)slab);
    }
    for (int i = 0; i < model->tensor_count && !rc; i++) {
        const struct esp_model_tensor *t = &model->tensors[i];
        for (int64_t at = 0; at < t->count && !rc; at += SLAB_PART) {
            const int64_t some = t->count - at < SLAB_PART ? t->count - at : SLAB_PART;
            rc = put_fresh(model, member, i, seed, at, some);
        }
    }
    esp_model_zero_gradients(model, member);
    k->zero(k, model->plan.result + member, sizeof *model->plan.result);
    k->zero(k, model->plan.halted + member, sizeof *model->plan.halted);
    if (model->plan.scale && !rc) {
        rc = esp_model_put_scale(
            model, member, (struct esp_loss_scale){.scale = ESP_LOSS_SCALE_START});
    }
    return rc ? esp_error_set(error, rc, "backend %s failed to take fresh weights", k->name)
              : 0;
}

void esp_model_zero_gradients(struct esp_model *model, int member)
{
    const struct esp_kernels *k = model->kernels;
    assert(member >= 0 && member < model->members);
    esp_model_zero_slab(model, member, ESP_MODEL_GRADIENTS);
    k->zero(k, model->plan.train_loss + member, sizeof *model->plan.train_loss);
}
