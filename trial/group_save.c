/* Saving and loading a member. Tensors are the model's, under GPT-2's names; the optimizer's
 * moments have the same names after "m." and "v.". fp16's loss scale and the number of updates
 * that overflowed are in the header. */
#include "checkpoint.h"
#include "group_private.h"
#include "weights.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(ESP_MODEL_NAME_MAX + 2 <= ESP_CHECKPOINT_NAME_MAX, "a moment's name fits");

/* Slabs in a checkpoint, in order, and the prefixes of their tensors. */
static const struct {
    enum esp_model_slab slab;
    const char *prefix;
} slabs[] = {
    {ESP_MODEL_PARAMETERS, ""},
    {ESP_MODEL_MOMENT1, "m."},
    {ESP_MODEL_MOMENT2, "v."},
};

static int slab_count(const struct esp_group *group)
{
    return group->trainer.optimizer == ESP_OPTIMIZER_SGD ? 2 : 3;
}

static struct esp_checkpoint_tensor describe(const struct esp_group *group, int slab, int index)
{
    const struct esp_model_tensor *tensor = esp_model_tensor(group->model, index);
    struct esp_checkpoint_tensor out = {
        .rank = tensor->rank,
        .shape = {tensor->shape[0], tensor->shape[1], 1, 1},
    };
    snprintf(out.name, sizeof out.name, "%s%s", slabs[slab].prefix, tensor->name);
    return out;
}

/* State of saving a member: one slab at a time in host memory. */
struct saving {
    struct esp_group *group;
    int slot;
    int slab; /* number of the slab in `values`; −1: none yet */
    float *values;
};

static int source(void *context, int index, float *values, struct esp_error *error)
{
    struct saving *saving = context;
    int tensors = esp_model_tensor_count(saving->group->model);
    int slab = index / tensors;
    const struct esp_model_tensor *tensor =
        esp_model_tensor(saving->group->model, index % tensors);
    if (saving->slab != slab) {
        int rc = esp_model_read(
            saving->group->model, saving->slot, slabs[slab].slab, saving->values, error);
        if (rc != 0) {
            return rc;
        }
        saving->slab = slab;
    }
    memcpy(values, saving->values + tensor->offset, (size_t)tensor->count * sizeof *values);
    return 0;
}

/* Reads fp16's loss scale, if the model has one. */
static int read_scale(struct esp_group *group,
                      int slot,
                      struct esp_checkpoint_state *state,
                      struct esp_error *error)
{
    struct esp_model_scale scale;
    int rc = esp_model_read_scale(group->model, slot, &scale, error);
    if (rc == 0) {
        state->loss_scale = scale.scale;
        state->loss_scale_clean = scale.clean;
        state->overflowed = scale.overflowed;
    }
    return rc == -ENOENT ? 0 : rc;
}

/* Sets fp16's loss scale. Checkpoints of version 1 have none; then the fresh member's stays. */
static int load_scale(struct esp_group *group,
                      int slot,
                      const struct esp_checkpoint_state *state,
                      struct esp_error *error)
{
    if (!(state->loss_scale > 0)) {
        return 0;
    }
    const struct esp_model_scale scale = {.scale = state->loss_scale,
                                          .clean = state->loss_scale_clean,
                                          .overflowed = state->overflowed};
    int rc = esp_model_write_scale(group->model, slot, scale, error);
    return rc == -ENOENT ? 0 : rc;
}

static struct esp_checkpoint_state state_of(const struct esp_group *group,
                                            const struct member *member)
{
    return (struct esp_checkpoint_state){
        .trainer = member->trainer,
        .step = member->step,
        .sample = member->step * member->trainer.batch_size,
        .reported_step = member->reported_step,
        .loss_count = member->loss_count,
        .loss_sum = member->loss_sum,
        .device_seconds = member->device_seconds,
        .val_loss = member->val_loss,
        .train_loss = member->train_loss,
        .grad_norm = member->grad_norm,
        .data_tokens = esp_data_tokens(group->data),
        .vocabulary = esp_data_vocabulary(group->data),
    };
}

int esp_group_save(struct esp_group *group,
                   int slot,
                   const char *path,
                   int64_t *bytes,
                   uint64_t *hash,
                   struct esp_error *error)
{
    assert(slot >= 0 && slot < group->slots && group->members[slot].state != ESP_GROUP_EMPTY);
    int tensors = esp_model_tensor_count(group->model);
    int count = tensors * slab_count(group);
    int rc = esp_group_take_results(group, 0, error);
    if (rc != 0) {
        return rc;
    }
    struct saving saving = {.group = group, .slot = slot, .slab = -1};
    struct esp_checkpoint_state state = state_of(group, &group->members[slot]);
    struct esp_checkpoint_tensor *table = calloc((size_t)count, sizeof *table);

    saving.values = malloc((size_t)esp_model_count(group->model) * sizeof *saving.values);
    if (!table || !saving.values) {
        rc = esp_error_set(error, -ENOMEM, "checkpoint: no memory to copy the model");
        goto out;
    }
    for (int i = 0; i < count; i++) {
        table[i] = describe(group, i / tensors, i % tensors);
    }
    rc = read_scale(group, slot, &state, error);
    if (rc == 0) {
        rc = esp_checkpoint_write(
            path, &state, table, count, source, &saving, bytes, hash, error);
    }
out:
    free(saving.values);
    free(table);
    return rc;
}

static int load_slab(struct esp_group *group,
                     int slot,
                     int slab,
                     const struct esp_checkpoint *checkpoint,
                     float *values,
                     struct esp_error *error)
{
    int rc = 0;
    for (int i = 0; i < esp_model_tensor_count(group->model) && rc == 0; i++) {
        struct esp_checkpoint_tensor tensor = describe(group, slab, i);
        rc = esp_checkpoint_read(
            checkpoint, &tensor, values + esp_model_tensor(group->model, i)->offset, error);
    }
    return rc == 0 ? esp_model_write(group->model, slot, slabs[slab].slab, values, error) : rc;
}

static int load_slabs(struct esp_group *group,
                      int slot,
                      int count,
                      const struct esp_checkpoint *checkpoint,
                      struct esp_error *error)
{
    float *values = malloc((size_t)esp_model_count(group->model) * sizeof *values);
    if (!values) {
        return esp_error_set(error, -ENOMEM, "checkpoint: no memory to read the model");
    }
    int rc = 0;
    for (int slab = 0; slab < count && rc == 0; slab++) {
        rc = load_slab(group, slot, slab, checkpoint, values, error);
    }
    free(values);
    return rc;
}

static int check_data(const struct esp_group *group,
                      const struct esp_checkpoint_state *state,
                      const char *path,
                      struct esp_error *error)
{
    if (state->data_tokens == esp_data_tokens(group->data) &&
        state->vocabulary == esp_data_vocabulary(group->data)) {
        return 0;
    }
    return esp_error_set(error,
                         -EINVAL,
                         "checkpoint '%.1000s': it was trained on %" PRId64
                         " tokens of a vocabulary of %" PRId64 ", the data now has %" PRId64
                         " and %" PRId64
                         "; restore the old data or start without the checkpoint",
                         path,
                         state->data_tokens,
                         state->vocabulary,
                         esp_data_tokens(group->data),
                         esp_data_vocabulary(group->data));
}

int esp_group_load(struct esp_group *group, int slot, const char *path, struct esp_error *error)
{
    struct member *member = &group->members[slot];
    struct esp_checkpoint *checkpoint;
    struct esp_error why;
    int rc = esp_checkpoint_open(path, &checkpoint, error);
    if (rc != 0) {
        return rc;
    }
    const struct esp_checkpoint_state *state = esp_checkpoint_state(checkpoint);
    rc = esp_checkpoint_fits(state, &member->trainer, &why);
    if (rc == 0 && (state->step > member->steps ||
                    state->sample != state->step * member->trainer.batch_size)) {
        rc = esp_error_set(
            &why, -EINVAL, "its step %" PRId64 " does not fit these settings", state->step);
    }
    if (rc != 0) {
        esp_error_set(error, rc, "checkpoint '%.900s': %.900s", path, why.text);
    } else {
        rc = check_data(group, state, path, error);
    }
    if (rc == 0) {
        rc = load_slabs(group, slot, slab_count(group), checkpoint, error);
    }
    if (rc == 0) {
        rc = load_scale(group, slot, state, error);
    }
    if (rc == 0) {
        member->step = state->step;
        member->reported_step = state->reported_step;
        member->loss_sum = state->loss_sum;
        member->loss_count = state->loss_count;
        member->device_seconds = state->device_seconds;
        member->val_loss = state->val_loss;
        member->train_loss = state->train_loss;
        member->grad_norm = state->grad_norm;
    }
    esp_checkpoint_close(checkpoint);
    return rc;
}

int esp_group_load_weights(struct esp_group *group,
                           int slot,
                           const char *path,
                           struct esp_error *error)
{
    float *values = malloc((size_t)esp_model_count(group->model) * sizeof *values);
    int rc = values ? esp_weights_read(path, group->model, values, error)
                    : esp_error_set(error, -ENOMEM, "no memory to read '%s'", path);
    if (rc == 0) {
        rc = esp_model_write(group->model, slot, ESP_MODEL_PARAMETERS, values, error);
    }
    free(values);
    return rc;
}
