/* Logits of the next token, for sampling. */
#include "internal.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <string.h>

/* Logits downloaded at a time: 8 KiB of doubles on the stack. */
#define LOGITS_PART 1024

/* Element `at` of an array in the backend's activation type. */
static float activation_at(const struct esp_kernels *k, const void *from, int at)
{
    if (k->activation_bytes == sizeof(double)) {
        return (float)((const double *)from)[at];
    }
    if (k->activation_bytes == sizeof(float)) {
        return ((const float *)from)[at];
    }
    const uint16_t bits = ((const uint16_t *)from)[at];
    if (k->precision == ESP_PRECISION_FP16) {
        const int exponent = bits >> 10 & 31, fraction = bits & 1023;
        const float sign = bits >> 15 ? -1.0f : 1.0f;
        if (exponent == 31) {
            return fraction ? NAN : sign * INFINITY;
        }
        return sign * (exponent ? ldexpf((float)(fraction + 1024), exponent - 25)
                                : ldexpf((float)fraction, -24));
    }
    const uint32_t word = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &word, sizeof value);
    return value;
}

int esp_model_logits(struct esp_model *model,
                     int member,
                     const int32_t *tokens,
                     int count,
                     float *out,
                     struct esp_error *error)
{
    const struct esp_kernels *k = model->kernels;
    assert(member >= 0 && member < model->members);
    if (count < 1 || count > model->shape.context) {
        return esp_error_set(error,
                             -EINVAL,
                             "%d tokens: 1 to %d (the context) are possible",
                             count,
                             model->shape.context);
    }
    int rc = esp_model_check_tokens(model, member, "token", tokens, count, 0, error);
    if (rc) {
        return rc;
    }
    memset(model->control, 0, (size_t)model->members * sizeof *model->control);
    model->control[member].active = 1;
    model->control[member].sequences = 1;
    model->control[member].loss_scale = 1;
    const size_t bytes = esp_model_place_inputs(model, 1);
    memcpy(esp_model_staged(model, &model->plan.tokens, member),
           tokens,
           (size_t)count * sizeof *tokens);
    rc = k->upload(k, model->plan.control, model->control, bytes);
    if (rc) {
        return esp_model_device_error(model, rc, error);
    }
    const struct esp_batch batch = {.members = model->members,
                                    .sequences = 1,
                                    .context = count,
                                    .control = model->plan.control,
                                    .active = (uint64_t)1 << member};
    esp_model_forward(model, &batch);
    k->linear_forward(
        k,
        &batch,
        &(struct esp_linear_forward){.in = model->plan.final,
                                     .weight = esp_model_weight(model, TOKEN_TABLE),
                                     .out = model->plan.logits,
                                     .rows = {.first = count - 1, .count = 1},
                                     .width_in = model->shape.width,
                                     .width_out = model->vocabulary_padded,
                                     .transposed = true,
                                     .out_packed = true});
    const char *logits = (const char *)model->plan.logits.data +
                         (size_t)(member * model->plan.logits.stride) * k->activation_bytes;
    const size_t size = k->activation_bytes;
    for (int v = 0; v < model->shape.vocabulary && !rc; v += LOGITS_PART) {
        const int rest = model->shape.vocabulary - v;
        const int some = rest < LOGITS_PART ? rest : LOGITS_PART;
        double part[LOGITS_PART];
        rc = k->download(k, part, logits + (size_t)v * size, (size_t)some * size);
        for (int i = 0; i < some && !rc; i++) {
            out[v + i] = activation_at(k, part, i);
        }
    }
    return esp_model_device_error(model, rc, error);
}
