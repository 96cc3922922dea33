/* Creating a group; members joining and leaving. See group.h. */
#include "batch.h"
#include "group_private.h"

#include <assert.h>
#include <errno.h>
#include <espalier/kernels.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Rows of the largest micro-batch when none is set. On a CPU the activations of a few hundred
 * rows of a small model stay in the L2 cache (measured on one core: at width 128, 256 rows are
 * 9 % faster than 512 and 24 % faster than 1,024). A wide model's weights and gradients should
 * be read for more rows at a time: in fp32, whose products pack the weights each time, 2,048
 * rows are 2.7 % faster than 512 at width 384, in bf16 7 % slower. On a device more rows are
 * faster, up to its memory. This depends only on the shapes, so that a trial's numbers do not
 * depend on the batch size of the member that joined first; the part of it that a member uses,
 * esp_group_frame, depends on the member's own batch size. */
#define CPU_ROWS 256
#define CPU_ROWS_WIDE 2048
#define CPU_ROWS_WIDE_BF16 512
#define CPU_WIDE 256
#define DEVICE_ROWS 16384

/* Share of the device's free memory that a plan may use; the rest is for the libraries. */
#define MEMORY_SHARE 0.9

static int choose_micro_batch(const struct esp_kernels *kernels,
                              const struct esp_trainer *trainer)
{
    if (trainer->micro_batch > 0) {
        return (int)trainer->micro_batch;
    }
    int64_t rows = DEVICE_ROWS;
    if (kernels->host_memory && trainer->width < CPU_WIDE) {
        rows = CPU_ROWS;
    } else if (kernels->host_memory) {
        rows = kernels->precision == ESP_PRECISION_BF16 ? CPU_ROWS_WIDE_BF16 : CPU_ROWS_WIDE;
    }
    int64_t sequences = rows / trainer->context;
    return (int)(sequences < 1 ? 1 : sequences);
}

/* Opens the same device in the trainer's precision: sets *own if that differs from the
 * precision of `kernels`. float32 is accepted for tf32 on the CPU. */
static int choose_precision(const struct esp_kernels *kernels,
                            const struct esp_trainer *trainer,
                            struct esp_kernels **own,
                            struct esp_error *error)
{
    enum esp_precision wanted = (enum esp_precision)trainer->precision;
    *own = NULL;
    if (wanted == ESP_PRECISION_AUTO || wanted == kernels->precision) {
        return 0;
    }
    if (wanted == ESP_PRECISION_TF32 && kernels->host_memory &&
        kernels->precision == ESP_PRECISION_FP32) {
        return 0;
    }
    if (kernels->open_as) {
        return kernels->open_as(kernels, wanted, own, error);
    }
    struct esp_value name = esp_trainer_get(trainer, esp_trainer_field("precision"));
    return esp_error_set(error,
                         -ENOTSUP,
                         "precision %s is not what the device %s (%s) computes in; use auto",
                         name.text,
                         kernels->name,
                         kernels->device);
}

int esp_group_capacity(const struct esp_kernels *kernels, const struct esp_trainer *trainer)
{
    size_t free_bytes, total_bytes;
    struct esp_kernels *own;
    if (kernels->host_memory || kernels->memory(kernels, &free_bytes, &total_bytes) != 0 ||
        choose_precision(kernels, trainer, &own, NULL) != 0) {
        return 1;
    }
    /* the data may have a larger vocabulary than is known here; GPT-2's is the most common */
    struct esp_model_shape shape = esp_model_shape_of(trainer, 50257);
    int micro_batch = choose_micro_batch(kernels, trainer);
    int fits = 1;
    while (fits < ESP_MEMBERS_MAX &&
           (double)esp_model_plan(own ? own : kernels, &shape, 2 * fits, micro_batch, true) <=
               MEMORY_SHARE * (double)free_bytes) {
        fits *= 2;
    }
    esp_kernels_close(own);
    return fits;
}

int64_t esp_group_frame(const struct esp_group *group, int64_t count)
{
    const int64_t most = group->micro_batch;
    if (group->kernels->host_memory) {
        return most; /* unused rows cost nothing */
    }
    const int64_t parts = (count + most - 1) / most;
    return (count + parts - 1) / parts;
}

/* The largest micro-batch whose plan leaves the libraries their share of free memory: the
 * preferred one, halved as often as necessary. */
static int fitting_micro_batch(const struct esp_group *group,
                               const struct esp_model_shape *shape,
                               int micro_batch)
{
    const struct esp_kernels *k = group->kernels;
    size_t free_bytes, total_bytes;
    if (k->host_memory || k->memory(k, &free_bytes, &total_bytes) != 0) {
        return micro_batch;
    }
    while (micro_batch > 1 &&
           (double)esp_model_plan(k, shape, group->slots, micro_batch, true) >
               MEMORY_SHARE * (double)free_bytes) {
        micro_batch /= 2;
    }
    return micro_batch;
}

/* One attempt. On a device everything is allocated now, since running out of memory later would
 * end the members. */
static int
try_model(struct esp_group *group, const struct esp_model_shape *shape, struct esp_error *error)
{
    const struct esp_kernels *k = group->kernels;
    struct esp_error why = {""};
    int rc = esp_model_create(
        k, shape, group->slots, group->micro_batch, true, &group->model, error);
    if (rc != 0 || k->host_memory) {
        return rc;
    }
    rc = esp_model_rehearse(group->model, &why);
    if (rc != 0) {
        const size_t bytes = esp_model_plan(k, shape, group->slots, group->micro_batch, true);
        esp_error_set(
            error,
            rc,
            "%.300s (in addition to %zu bytes for %d members with a micro-batch of %d)",
            why.text,
            bytes,
            group->slots,
            group->micro_batch);
        esp_model_destroy(group->model);
        group->model = NULL;
    }
    return rc;
}

/* When memory is not sufficient, halves the micro-batch and then the number of members. The
 * last error states the bytes that one member with one sequence needs. */
static int create_model(struct esp_group *group, struct esp_error *error)
{
    const int wanted = group->micro_batch;
    struct esp_model_shape shape = esp_model_shape_of(
        &group->trainer, (int)esp_batch_vocabulary(group->data, group->trainer.objective));
    group->micro_batch = fitting_micro_batch(group, &shape, wanted);
    int rc = try_model(group, &shape, error);
    while (rc == -ENOMEM && (group->micro_batch > 1 || group->slots > 1)) {
        if (group->micro_batch > 1) {
            group->micro_batch /= 2;
        } else {
            group->slots /= 2;
            group->micro_batch = fitting_micro_batch(group, &shape, wanted);
        }
        rc = try_model(group, &shape, error);
    }
    return rc;
}

static int allocate(struct esp_group *group, struct esp_error *error)
{
    size_t slots = (size_t)group->slots;
    size_t values = slots * (size_t)group->micro_batch * (size_t)group->context;
    group->members = calloc(slots, sizeof *group->members);
    group->inputs = calloc(slots, sizeof *group->inputs);
    group->updates = calloc(slots, sizeof *group->updates);
    group->losses = calloc(slots, sizeof *group->losses);
    group->results = calloc(slots, sizeof *group->results);
    group->tokens = calloc(values, sizeof *group->tokens);
    group->targets = calloc(values, sizeof *group->targets);
    group->parts = calloc(slots * ESP_GROUP_AHEAD, sizeof *group->parts);
    if (!group->members || !group->inputs || !group->updates || !group->losses ||
        !group->results || !group->tokens || !group->targets || !group->parts) {
        return esp_error_set(error, -ENOMEM, "no memory for a batch of %zu tokens", values);
    }
    return 0;
}

int esp_group_create(const struct esp_kernels *kernels,
                     const struct esp_trainer *trainer,
                     int capacity,
                     struct esp_group **group,
                     struct esp_error *error)
{
    assert(capacity >= 1 && capacity <= ESP_MEMBERS_MAX);
    int rc = esp_trainer_validate(trainer, error);
    if (rc != 0) {
        return rc;
    }
    struct esp_group *created = calloc(1, sizeof *created);
    if (!created) {
        return esp_error_set(error, -ENOMEM, "no memory for a group");
    }
    rc = choose_precision(kernels, trainer, &created->own_kernels, error);
    if (rc != 0) {
        goto out;
    }
    kernels = created->own_kernels ? created->own_kernels : kernels;
    created->kernels = kernels;
    created->trainer = *trainer;
    created->context = trainer->context;
    created->slots = capacity;
    created->micro_batch = choose_micro_batch(kernels, trainer);
    rc = esp_data_open(trainer->data,
                       (enum esp_corpus_dtype)trainer->dtype,
                       trainer->vocabulary,
                       trainer->context,
                       &created->data,
                       error);
    if (rc != 0) {
        goto out;
    }
    created->windows = esp_data_validation_windows(created->data);
    rc = create_model(created, error);
    if (rc == 0) {
        rc = allocate(created, error);
    }
out:
    if (rc != 0) {
        esp_group_destroy(created);
        return rc;
    }
    *group = created;
    return 0;
}

void esp_group_destroy(struct esp_group *group)
{
    if (!group) {
        return;
    }
    free(group->parts);
    free(group->targets);
    free(group->tokens);
    free(group->results);
    free(group->losses);
    free(group->updates);
    free(group->inputs);
    free(group->members);
    esp_model_destroy(group->model);
    esp_data_close(group->data);
    esp_kernels_close(group->own_kernels);
    free(group);
}

bool esp_group_accepts(const struct esp_group *group, const struct esp_trainer *trainer)
{
    return esp_trainer_group(&group->trainer) == esp_trainer_group(trainer);
}

static int check_member(const struct esp_group *group,
                        const struct esp_trainer *trainer,
                        struct esp_error *error)
{
    int rc = esp_trainer_validate(trainer, error);
    if (rc == 0 && !esp_group_accepts(group, trainer)) {
        rc = esp_error_set(
            error,
            -EINVAL,
            "these settings change shapes, precision, optimizer or data, so they need "
            "another group");
    }
    return rc;
}

int esp_group_join(struct esp_group *group,
                   int slot,
                   const struct esp_trainer *trainer,
                   const char *resume,
                   struct esp_error *error)
{
    assert(slot >= 0 && slot < group->slots && group->members[slot].state == ESP_GROUP_EMPTY);
    int rc = check_member(group, trainer, error);
    if (rc != 0) {
        return rc;
    }
    struct member *member = &group->members[slot];
    int64_t steps = esp_trainer_steps(trainer);
    *member = (struct member){
        .generation = ++group->generations,
        .trainer = *trainer,
        .steps = steps,
        .step_tokens = trainer->batch_size * trainer->context,
        .until = esp_trainer_horizon_tokens(trainer),
        .reported_step = -1,
        .val_loss = NAN,
        .train_loss = NAN,
        .grad_norm = NAN,
        .tokens_per_second = NAN,
    };
    rc = esp_model_init_member(group->model, slot, (uint64_t)trainer->seed, error);
    if (rc == 0 && resume) {
        rc = esp_group_load(group, slot, resume, error);
    } else if (rc == 0 && trainer->init_from[0]) {
        rc = esp_group_load_weights(group, slot, trainer->init_from, error);
    }
    if (rc == 0) {
        member->mark_tokens = esp_group_member_tokens(member);
        member->mark_seconds = member->device_seconds;
        member->state = ESP_GROUP_ACTIVE;
    }
    return rc;
}

void esp_group_until(struct esp_group *group, int slot, int64_t tokens)
{
    assert(slot >= 0 && slot < group->slots);
    struct member *member = &group->members[slot];
    if (member->state != ESP_GROUP_ACTIVE && member->state != ESP_GROUP_HELD) {
        return;
    }
    int64_t horizon = member->steps * member->step_tokens;
    member->until = tokens <= 0 || tokens > horizon ? horizon : tokens;
    member->state = ESP_GROUP_ACTIVE; /* the next step call sets it to HELD when `until` is
                                         already reached */
}

void esp_group_leave(struct esp_group *group, int slot)
{
    assert(slot >= 0 && slot < group->slots);
    struct member *member = &group->members[slot];
    if (member->state == ESP_GROUP_EMPTY) {
        return;
    }
    esp_model_zero_gradients(group->model, slot);
    memset(member, 0, sizeof *member);
    member->state = ESP_GROUP_EMPTY;
}

int esp_group_slots(const struct esp_group *group)
{
    return group->slots;
}

int esp_group_active(const struct esp_group *group)
{
    int active = 0;
    for (int slot = 0; slot < group->slots; slot++) {
        const struct member *member = &group->members[slot];
        active += member->state == ESP_GROUP_ACTIVE || member->pending != 0;
    }
    return active;
}

enum esp_group_state esp_group_state(const struct esp_group *group, int slot)
{
    assert(slot >= 0 && slot < group->slots);
    return group->members[slot].state;
}

const struct esp_trainer *esp_group_trainer(const struct esp_group *group, int slot)
{
    assert(slot >= 0 && slot < group->slots);
    return &group->members[slot].trainer;
}

int64_t esp_group_horizon(const struct esp_group *group, int slot)
{
    assert(slot >= 0 && slot < group->slots);
    return group->members[slot].steps * group->members[slot].step_tokens;
}

struct esp_model *esp_group_model(const struct esp_group *group)
{
    return group->model;
}

const struct esp_kernels *esp_group_kernels(const struct esp_group *group)
{
    return group->kernels;
}
