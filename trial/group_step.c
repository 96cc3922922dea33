/* The work of a group: micro-steps, validation, report points. See group.h.
 *
 * A member's next piece of work follows from its integers alone:
 *   its step must be reported and is not      a part of the validation, then the report
 *   else `until` or the last step is reached  none: it is held or ended
 *   else                                      a micro-step; the last one of a batch updates */
#include "batch.h"
#include "group_private.h"
#include "schedule.h"

#include <assert.h>
#include <espalier/kernels.h>
#include <math.h>

/* Number of reports over one horizon when report_every is 0. */
#define REPORTS 25

/* Number of reports due up to `step`: one for each multiple of report_every, or for each 25th
 * of the horizon. Products stay below 2^63: steps · 25 < 2^53 · 25. */
static int64_t reports_by(const struct member *member, int64_t step)
{
    return member->trainer.report_every > 0
               ? step * member->step_tokens / member->trainer.report_every
               : step * REPORTS / member->steps;
}

/* Whether the last step passed a report point. */
static bool passed_multiple(const struct member *member)
{
    return member->step > 0 &&
           reports_by(member, member->step) > reports_by(member, member->step - 1);
}

static bool report_due(const struct member *member)
{
    return member->reported_step != member->step &&
           (member->step == 0 || member->step == member->steps || passed_multiple(member) ||
            esp_group_member_tokens(member) >= member->until);
}

struct esp_group_point esp_group_point(const struct esp_group *group, int slot)
{
    assert(slot >= 0 && slot < group->slots);
    const struct member *member = &group->members[slot];
    int64_t last = member->step > 0 ? member->step - 1 : 0;
    return (struct esp_group_point){
        .step = member->step,
        .tokens = esp_group_member_tokens(member),
        .device_seconds = member->device_seconds,
        .val_loss = member->val_loss,
        .train_loss = member->train_loss,
        .grad_norm = member->grad_norm,
        .learning_rate =
            member->state == ESP_GROUP_EMPTY ? NAN : esp_schedule_rate(&member->trainer, last),
        .tokens_per_second = member->tokens_per_second,
    };
}

/* Sets the new state of a member that has reached a place to stop, and returns the event's
 * bits. */
static unsigned stop_if_due(struct member *member)
{
    if (member->step == member->steps) {
        member->state = ESP_GROUP_ENDED;
        return ESP_GROUP_HORIZON;
    }
    if (esp_group_member_tokens(member) >= member->until) {
        member->state = ESP_GROUP_HELD;
        return ESP_GROUP_UNTIL;
    }
    return 0;
}

/* Events of one step call, one per slot at most. */
struct events {
    struct esp_group *group;
    struct esp_group_event *list;
    int count;
};

static void emit(struct events *events, int slot, unsigned what)
{
    events->list[events->count++] = (struct esp_group_event){
        .slot = slot, .what = what, .point = esp_group_point(events->group, slot)};
}

static int64_t at_most(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Fills slot's input from its rows of the host buffers: the next frame of the `whole` samples
 * of its batch, or of the windows; `first` is the next sample or window. */
static int set_input(struct esp_group *group,
                     int slot,
                     bool validation,
                     int64_t first,
                     int64_t whole,
                     struct esp_error *error)
{
    const struct member *member = &group->members[slot];
    size_t offset = (size_t)slot * (size_t)group->micro_batch * (size_t)group->context;
    uint64_t seed = (uint64_t)member->trainer.seed;
    int64_t frame = esp_group_frame(group, whole);
    int64_t done = validation ? member->window : member->accumulated;
    int64_t count = at_most(frame, whole - done);
    group->inputs[slot] = (struct esp_model_input){
        .active = true,
        .sequences = (int)count,
        .frame = (int)frame,
        .tokens = group->tokens + offset,
        .targets = group->targets + offset,
        .dropout = validation ? 0 : member->trainer.dropout,
        .seed = seed,
        .step = (uint64_t)member->step,
        .first_sequence = validation ? 0 : member->accumulated,
        .batch_tokens = validation ? 0 : member->step_tokens,
    };
    return validation ? esp_batch_validation(group->data,
                                             group->trainer.objective,
                                             group->context,
                                             first,
                                             count,
                                             group->tokens + offset,
                                             group->targets + offset,
                                             error)
                      : esp_batch_train(group->data,
                                        group->trainer.objective,
                                        group->context,
                                        seed,
                                        first,
                                        count,
                                        group->tokens + offset,
                                        group->targets + offset,
                                        error);
}

/* Ends a validation whose windows are all done and whose losses are known. */
static void finish_validation(struct events *events, int slot)
{
    struct member *member = &events->group->members[slot];
    double loss = member->validation.sum / (double)member->validation.count;
    member->validating = false;
    if (!isfinite(loss)) {
        esp_group_close_report(member, NAN);
        member->state = ESP_GROUP_ENDED;
        emit(events, slot, ESP_GROUP_REPORT | ESP_GROUP_NOT_FINITE);
        return;
    }
    esp_group_close_report(member, loss);
    emit(events, slot, ESP_GROUP_REPORT | stop_if_due(member));
}

/* Enqueues one micro-batch of windows for every validating member. */
static int validate(struct esp_group *group, struct piece *piece, struct esp_error *error)
{
    bool any = false;
    for (int slot = 0; slot < group->slots; slot++) {
        struct member *member = &group->members[slot];
        group->inputs[slot].active = false;
        if (!member->validating) {
            continue;
        }
        any = true;
        int rc = set_input(group, slot, true, member->window, group->windows, error);
        if (rc != 0) {
            return rc;
        }
        member->window += group->inputs[slot].sequences;
        piece->parts[slot].validates = true;
    }
    return any ? esp_model_evaluate(group->model, group->inputs, error) : 0;
}

static struct esp_model_update update_of(const struct member *member)
{
    const struct esp_trainer *trainer = &member->trainer;
    return (struct esp_model_update){
        .active = member->accumulated == trainer->batch_size,
        .updates = member->step + 1,
        .learning_rate = esp_schedule_rate(trainer, member->step),
        .beta1 = trainer->beta1,
        .beta2 = trainer->beta2,
        .epsilon = trainer->epsilon,
        .momentum = trainer->momentum,
        .weight_decay = trainer->weight_decay,
        .clip = trainer->clip,
    };
}

/* Enqueues one micro-batch of gradients for every training member: members with the same frame
 * together, one frame after another. */
static int accumulate(struct esp_group *group, const bool *trains, struct esp_error *error)
{
    bool done[ESP_MEMBERS_MAX] = {false};
    for (int leader = 0; leader < group->slots; leader++) {
        if (!trains[leader] || done[leader]) {
            continue;
        }
        int64_t frame = esp_group_frame(group, group->members[leader].trainer.batch_size);
        for (int slot = 0; slot < group->slots; slot++) {
            struct member *member = &group->members[slot];
            int64_t batch = member->trainer.batch_size;
            group->inputs[slot].active = false;
            if (!trains[slot] || esp_group_frame(group, batch) != frame) {
                continue;
            }
            done[slot] = true;
            int rc = set_input(
                group, slot, false, member->step * batch + member->accumulated, batch, error);
            if (rc != 0) {
                return rc;
            }
        }
        int rc = esp_model_forward_backward(group->model, group->inputs, error);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

/* Enqueues the updates of the members whose batch is complete. */
static int update(struct esp_group *group,
                  const bool *trains,
                  struct piece *piece,
                  struct esp_error *error)
{
    bool any = false;
    for (int slot = 0; slot < group->slots; slot++) {
        struct member *member = &group->members[slot];
        group->updates[slot] = (struct esp_model_update){0};
        if (!trains[slot]) {
            continue;
        }
        member->accumulated += group->inputs[slot].sequences;
        group->updates[slot] = update_of(member);
        if (group->updates[slot].active) {
            any = true;
            member->accumulated = 0;
            piece->parts[slot].step = ++member->step;
        }
    }
    return any ? esp_model_update(group->model, group->updates, error) : 0;
}

/* Decides what each active member does next. Emits an event at once for members at a place to
 * stop that is reported already (resumed there, or `until` was lowered). */
static void plan(struct esp_group *group, bool *trains, struct events *events)
{
    for (int slot = 0; slot < group->slots; slot++) {
        struct member *member = &group->members[slot];
        trains[slot] = false;
        if (member->state != ESP_GROUP_ACTIVE) {
            continue;
        }
        if (!member->validating && report_due(member)) {
            member->validating = true;
            member->window = 0;
            member->validation = (struct esp_model_loss){0};
        }
        if (!member->validating) {
            unsigned what = stop_if_due(member);
            if (what != 0) {
                emit(events, slot, what);
            } else {
                trains[slot] = true;
            }
        }
    }
}

/* Enqueues one piece of work: the next work of every member. */
static int work(struct esp_group *group, const bool *trains, struct esp_error *error)
{
    struct piece *piece = esp_group_new_piece(group);
    bool any_trains = false;
    for (int slot = 0; slot < group->slots; slot++) {
        const struct member *member = &group->members[slot];
        if (trains[slot] || member->validating) {
            piece->parts[slot].generation = member->generation;
            piece->workers++;
            any_trains = any_trains || trains[slot];
        }
    }
    if (piece->workers == 0) {
        return 0;
    }
    int rc = esp_model_begin(group->model, error);
    if (rc == 0) {
        rc = validate(group, piece, error);
    }
    if (rc == 0 && any_trains) {
        rc = accumulate(group, trains, error);
    }
    if (rc == 0 && any_trains) {
        rc = update(group, trains, piece, error);
    }
    if (rc == 0) {
        rc = esp_model_push(group->model, error);
    }
    group->piece_count += rc == 0;
    return rc;
}

/* Whether a validation is complete, or operations finish when they are enqueued. */
static bool must_wait(const struct esp_group *group)
{
    bool wait = group->kernels->host_memory;
    for (int slot = 0; slot < group->slots; slot++) {
        const struct member *member = &group->members[slot];
        wait = wait || (member->validating && member->window == group->windows);
    }
    return wait;
}

int esp_group_step(struct esp_group *group,
                   struct esp_group_event *events,
                   int *event_count,
                   struct esp_error *error)
{
    struct events out = {.group = group, .list = events};
    bool trains[ESP_MEMBERS_MAX];

    *event_count = 0;
    int active = esp_group_active(group);
    plan(group, trains, &out);
    int rc = work(group, trains, error);
    if (rc == 0) {
        rc = esp_group_take_results(group, must_wait(group) ? 0 : ESP_GROUP_AHEAD - 1, error);
    }
    for (int slot = 0; slot < group->slots && rc == 0; slot++) {
        const struct member *member = &group->members[slot];
        if (member->validating && member->window == group->windows) {
            finish_validation(&out, slot);
        }
    }
    esp_group_emit_pending(group, events, &out.count);
    *event_count = out.count;
    return rc != 0 ? rc : active == 0 ? 1 : 0;
}
