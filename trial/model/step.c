/* What the training loop calls: micro-batches, losses, updates, logits. */
#include "internal.h"

#include <assert.h>
#include <errno.h>
#include <espalier/limits.h>
#include <math.h>
#include <string.h>

static int device_failed(const struct esp_model *model, int rc, struct esp_error *error)
{
    return rc ? esp_error_set(error, rc, "backend %s failed", model->kernels->name) : 0;
}

static int check_tokens(const struct esp_model *model,
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

/* That of the first active member. */
static int common_frame(const struct esp_model *model, const struct esp_model_input *inputs)
{
    int m = 0;
    while (m < model->members - 1 && !inputs[m].active) {
        m++;
    }
    return inputs[m].active ? frame_of(model, &inputs[m]) : model->micro_batch;
}

static int check_inputs(const struct esp_model *model,
                        const struct esp_model_input *inputs,
                        struct esp_error *error)
{
    for (int m = 0; m < model->members; m++) {
        const struct esp_model_input *in = &inputs[m];
        if (!in->active) {
            continue;
        }
        const int frame = frame_of(model, in);
        if (frame > model->micro_batch || frame != common_frame(model, inputs)) {
            return esp_error_set(error,
                                 -EINVAL,
                                 "member %d: a frame of %d sequences beside one of %d, in a "
                                 "micro-batch of %d",
                                 m,
                                 frame,
                                 common_frame(model, inputs),
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
        int rc = check_tokens(model, m, "token", in->tokens, count, 0, error);
        rc = rc ? rc : check_tokens(model, m, "target", in->targets, count, -1, error);
        if (rc) {
            return rc;
        }
    }
    return 0;
}

/* The host's copy of a member's tokens or targets, where `view` has them on the device. */
static int32_t *staged(const struct esp_model *model, const struct esp_view *view, int member)
{
    const size_t offset = (size_t)((uintptr_t)view->data - (uintptr_t)model->plan.control);
    return (int32_t *)((char *)model->control + offset) + member * view->stride;
}

/* Rows that the member does not use are valid tokens, which count for nothing. */
static void stage_member(struct esp_model *model, int m, const struct esp_model_input *in)
{
    const size_t rows = (size_t)frame_of(model, in) * (size_t)model->shape.context;
    const size_t used = (size_t)in->sequences * (size_t)model->shape.context;
    int32_t *tokens = staged(model, &model->plan.tokens, m);
    int32_t *targets = staged(model, &model->plan.targets, m);
    memcpy(tokens, in->tokens, used * sizeof(int32_t));
    memcpy(targets, in->targets, used * sizeof(int32_t));
    for (size_t i = used; i < rows; i++) {
        tokens[i] = 0;
        targets[i] = -1;
    }
}

static int upload_control(struct esp_model *model)
{
    const struct esp_kernels *k = model->kernels;
    const size_t bytes = (size_t)model->members * sizeof *model->control;
    return k->upload(k, model->plan.control, model->control, bytes);
}

/* What multiplies a member's gradients besides fp16's dynamic scale. They are of the summed
 * loss: a token's logit has a gradient of up to 1, and 2^16 times that is beyond fp16. So there
 * they are of about the mean loss, whose gradients are what that scale was chosen for: divided
 * by a power of two at most the batch's tokens, which changes no bit that fp16 can hold. The
 * optimizer divides by the counted tokens and by this, so any value gives the same mean. */
static double loss_scale_of(const struct esp_model *model, const struct esp_model_input *in)
{
    if (model->kernels->precision != ESP_PRECISION_FP16 || in->batch_tokens < 1) {
        return 1;
    }
    return ldexp(1, -ilogb((double)in->batch_tokens));
}

static int
upload_inputs(struct esp_model *model, const struct esp_model_input *inputs, bool gradient)
{
    const struct esp_kernels *k = model->kernels;
    const size_t bytes = esp_model_place_inputs(model, common_frame(model, inputs));
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

static struct esp_batch batch_of(const struct esp_model *model, int frame)
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

static void enqueue_step(struct esp_model *model,
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

static struct step_graph *
find_graph(struct esp_model *model, const struct esp_batch *batch, bool gradient, bool dropout)
{
    struct step_graph *oldest = &model->graphs[0];
    for (int i = 0; i < GRAPHS; i++) {
        struct step_graph *g = &model->graphs[i];
        oldest = g->used < oldest->used ? g : oldest;
        if (g->seen && g->active == batch->active && g->frame == batch->sequences &&
            g->gradient == gradient && g->dropout == dropout) {
            g->used = ++model->graph_uses;
            return g;
        }
    }
    if (oldest->graph) {
        model->kernels->graph_destroy(model->kernels, oldest->graph);
    }
    *oldest = (struct step_graph){.active = batch->active,
                                  .frame = batch->sequences,
                                  .gradient = gradient,
                                  .dropout = dropout,
                                  .used = ++model->graph_uses};
    return oldest;
}

/* The first time of its kind operation by operation, the second time into a graph, from then on
 * by launching that. */
static int run_step(struct esp_model *model, int frame, bool gradient, bool dropout)
{
    const struct esp_kernels *k = model->kernels;
    const struct esp_batch batch = batch_of(model, frame);
    if (!batch.active) {
        return 0; /* to a backend no bit means every member */
    }
    if (!k->capture_begin) {
        enqueue_step(model, &batch, gradient, dropout);
        return 0;
    }
    struct step_graph *g = find_graph(model, &batch, gradient, dropout);
    if (!g->seen) {
        g->seen = true;
        enqueue_step(model, &batch, gradient, dropout);
        return 0;
    }
    int rc = 0;
    if (!g->graph) {
        rc = k->capture_begin(k, NULL);
        if (!rc) {
            enqueue_step(model, &batch, gradient, dropout);
            rc = k->capture_end(k, &g->graph, NULL);
        }
    }
    return rc ? rc : k->graph_launch(k, g->graph);
}

/* Tokens 0 that count for nothing: gradients and losses are added zeros. */
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
            staged(model, &model->plan.targets, m)[i] = -1;
        }
    }
    int rc = k->upload(k, model->plan.control, model->control, bytes);
    if (rc == 0) {
        const struct esp_batch batch = batch_of(model, model->micro_batch);
        enqueue_step(model, &batch, false, false);
        enqueue_step(model, &batch, model->training, false);
    }
    for (int m = 0; m < model->members && rc == 0 && model->training; m++) {
        esp_model_zero_gradients(model, m);
    }
    return rc ? device_failed(model, rc, error) : k->synchronise(k, error);
}

int esp_model_forward_backward(struct esp_model *model,
                               const struct esp_model_input *inputs,
                               struct esp_error *error)
{
    assert(model->training);
    bool dropout = false;
    int rc = check_inputs(model, inputs, error);
    if (rc) {
        return rc;
    }
    for (int m = 0; m < model->members; m++) {
        dropout = dropout || (inputs[m].active && inputs[m].dropout > 0);
    }
    rc = upload_inputs(model, inputs, true);
    if (!rc) {
        rc = run_step(model, common_frame(model, inputs), true, dropout);
    }
    return device_failed(model, rc, error);
}

int esp_model_evaluate(struct esp_model *model,
                       const struct esp_model_input *inputs,
                       struct esp_error *error)
{
    int rc = check_inputs(model, inputs, error);
    if (rc) {
        return rc;
    }
    rc = upload_inputs(model, inputs, false);
    if (!rc) {
        rc = run_step(model, common_frame(model, inputs), false, false);
    }
    return device_failed(model, rc, error);
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
    return device_failed(model, rc, error);
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
        const struct esp_batch batch = batch_of(model, model->micro_batch);
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
    return device_failed(model, rc, error);
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
    return device_failed(model, rc, error);
}

_Static_assert(ESP_MEMBERS_MAX *SNAPSHOT_MEMBER <= ESP_SNAPSHOT_BYTES, "a snapshot holds all");
_Static_assert(ESP_MODEL_AHEAD <= ESP_SNAPSHOTS, "the ring has a place for every piece");

int esp_model_begin(struct esp_model *model, struct esp_error *error)
{
    return device_failed(model, model->kernels->ring_begin(model->kernels, model->ring), error);
}

int esp_model_push(struct esp_model *model, struct esp_error *error)
{
    const struct esp_kernels *k = model->kernels;
    const size_t bytes = (size_t)model->members * SNAPSHOT_MEMBER;
    const int rc = k->ring_push(k, model->ring, model->plan.eval_loss, bytes);
    if (rc == 0) {
        zero_results(model);
    }
    return device_failed(model, rc, error);
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
    return device_failed(model, rc, error);
}

/* Logits taken from the device at a time: 8 KiB of doubles on the stack. */
#define LOGITS_PART 1024

/* Element `at` of what a backend keeps its activations in. */
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
    int rc = check_tokens(model, member, "token", tokens, count, 0, error);
    if (rc) {
        return rc;
    }
    memset(model->control, 0, (size_t)model->members * sizeof *model->control);
    model->control[member].active = 1;
    model->control[member].sequences = 1;
    model->control[member].loss_scale = 1;
    const size_t bytes = esp_model_place_inputs(model, 1);
    memcpy(staged(model, &model->plan.tokens, member), tokens, (size_t)count * sizeof *tokens);
    rc = k->upload(k, model->plan.control, model->control, bytes);
    if (rc) {
        return device_failed(model, rc, error);
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
    return device_failed(model, rc, error);
}
