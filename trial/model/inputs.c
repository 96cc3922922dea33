/* The inputs of one micro-step: validation, and the copy to the device. */
#include "internal.h"

#include <errno.h>
#include <math.h>
#include <string.h>

int esp_model_check_tokens(const struct esp_model *model,
                           int member,
                           const char *what,
                           const int32_t *tokens,
                           int64_t count,
                           int32_t least,
                           struct esp_error *error)
{
    for (int64_t i = 0; i < count; i++) {
        if (tokens[i] < least || tokens[i] >= model->shape.vocabulary) {
            return esp_error_set(error,
                                 -EINVAL,
                                 "member %d: %s %d at position %lld is outside the vocabulary "
                                 "of %d: the data has larger ids than trainer.model.vocabulary",
                                 member,
                                 what,
                                 (int)tokens[i],
                                 (long long)i,
                                 model->shape.vocabulary);
        }
    }
    return 0;
}

static int frame_of(const struct esp_model *model, const struct esp_model_input *in)
{
    return in->frame ? in->frame : model->micro_batch;
}

/* The frame of the first active member. */
int esp_model_frame(const struct esp_model *model, const struct esp_model_input *inputs)
{
    int m = 0;
    while (m < model->members - 1 && !inputs[m].active) {
        m++;
    }
    return inputs[m].active ? frame_of(model, &inputs[m]) : model->micro_batch;
}

int esp_model_check_inputs(const struct esp_model *model,
                           const struct esp_model_input *inputs,
                           struct esp_error *error)
{
    for (int m = 0; m < model->members; m++) {
        const struct esp_model_input *in = &inputs[m];
        if (!in->active) {
            continue;
        }
        const int frame = frame_of(model, in);
        if (frame > model->micro_batch || frame != esp_model_frame(model, inputs)) {
            return esp_error_set(
                error,
                -EINVAL,
                "member %d: a frame of %d sequences where another member has %d, in a "
                "micro-batch of %d",
                m,
                frame,
                esp_model_frame(model, inputs),
                model->micro_batch);
        }
        if (in->sequences < 1 || in->sequences > frame) {
            return esp_error_set(error,
                                 -EINVAL,
                                 "member %d: %d sequences in a micro-batch of %d",
                                 m,
                                 in->sequences,
                                 frame);
        }
        if (!(in->dropout >= 0 && in->dropout < 1)) {
            return esp_error_set(
                error, -EINVAL, "member %d: dropout %g is not in [0, 1)", m, in->dropout);
        }
        const int64_t count = (int64_t)in->sequences * model->shape.context;
        int rc = esp_model_check_tokens(model, m, "token", in->tokens, count, 0, error);
        rc =
            rc ? rc : esp_model_check_tokens(model, m, "target", in->targets, count, -1, error);
        if (rc) {
            return rc;
        }
    }
    return 0;
}

/* The host copy of a member's tokens or targets, at the place where `view` has them on the
 * device. */
int32_t *
esp_model_staged(const struct esp_model *model, const struct esp_view *view, int member)
{
    const size_t offset = (size_t)((uintptr_t)view->data - (uintptr_t)model->plan.control);
    return (int32_t *)((char *)model->control + offset) + member * view->stride;
}

/* Rows that the member does not use get valid tokens and no targets, so they do not count. */
static void stage_member(struct esp_model *model, int m, const struct esp_model_input *in)
{
    const size_t rows = (size_t)frame_of(model, in) * (size_t)model->shape.context;
    const size_t used = (size_t)in->sequences * (size_t)model->shape.context;
    int32_t *tokens = esp_model_staged(model, &model->plan.tokens, m);
    int32_t *targets = esp_model_staged(model, &model->plan.targets, m);
    memcpy(tokens, in->tokens, used * sizeof(int32_t));
    memcpy(targets, in->targets, used * sizeof(int32_t));
    for (size_t i = used; i < rows; i++) {
        tokens[i] = 0;
        targets[i] = -1;
    }
}

/* Factor of a member's gradients in addition to fp16's dynamic scale. The gradients are those
 * of the summed loss: a token's logit has a gradient of up to 1, and 2^16 times that exceeds
 * fp16. In fp16 they are therefore scaled to about the mean loss, for which the dynamic scale
 * was chosen: divided by the largest power of two up to the batch's tokens, which changes no
 * bit that fp16 can hold. The optimizer divides by the counted tokens and by this factor, so
 * any value gives the same mean. */
static double loss_scale_of(const struct esp_model *model, const struct esp_model_input *in)
{
    if (model->kernels->precision != ESP_PRECISION_FP16 || in->batch_tokens < 1) {
        return 1;
    }
    return ldexp(1, -ilogb((double)in->batch_tokens));
}

int esp_model_upload_inputs(struct esp_model *model,
                            const struct esp_model_input *inputs,
                            bool gradient)
{
    const struct esp_kernels *k = model->kernels;
    const size_t bytes = esp_model_place_inputs(model, esp_model_frame(model, inputs));
    for (int m = 0; m < model->members; m++) {
        const struct esp_model_input *in = &inputs[m];
        struct esp_control *control = &model->control[m];
        *control = (struct esp_control){.loss_scale = 1};
        if (in->active) {
            control->active = 1;
            control->sequences = in->sequences;
            control->seed = in->seed;
            control->step = in->step;
            control->first_sequence = in->first_sequence;
            control->dropout = gradient ? in->dropout : 0;
            if (gradient) {
                model->loss_scale[m] = loss_scale_of(model, in);
                control->loss_scale = model->loss_scale[m];
            }
            stage_member(model, m, in);
        }
    }
    return k->upload(k, model->plan.control, model->control, bytes);
}

struct esp_batch esp_model_batch(const struct esp_model *model, int frame)
{
    uint64_t active = 0;
    for (int m = 0; m < model->members; m++) {
        active |= (uint64_t)(model->control[m].active != 0) << m;
    }
    return (struct esp_batch){
        .members = model->members,
        .sequences = frame,
        .context = model->shape.context,
        .control = model->plan.control,
        .active = active,
    };
}
