/* Results of enqueued work. See group.h.
 *
 * Each step call enqueues one piece of work and records here which members take part. Results
 * arrive through the model's ring, in order, and are taken when they have arrived: no update
 * waits for the host. Only where the host must decide, at a report point or for a checkpoint,
 * does it wait for pending work.
 *
 * After an update that was not finite, the device leaves the member unchanged (struct
 * esp_optimize, halted). When its result arrives, several pieces later, the member is ended at
 * the step of that update, and its other enqueued work is discarded. */
#include "group_private.h"

#include <assert.h>
#include <math.h>

struct piece *esp_group_new_piece(struct esp_group *group)
{
    assert(group->piece_count < ESP_GROUP_AHEAD);
    const int at = (group->first_piece + group->piece_count) % ESP_GROUP_AHEAD;
    struct piece *piece = &group->pieces[at];
    piece->workers = 0;
    piece->parts = group->parts + (size_t)at * (size_t)group->slots;
    for (int slot = 0; slot < group->slots; slot++) {
        piece->parts[slot] = (struct part){0};
    }
    return piece;
}

void esp_group_close_report(struct member *member, double val_loss)
{
    int64_t tokens = esp_group_member_tokens(member) - member->mark_tokens;
    double seconds = member->device_seconds - member->mark_seconds;
    member->val_loss = val_loss;
    member->train_loss =
        member->loss_count > 0 ? member->loss_sum / (double)member->loss_count : NAN;
    member->tokens_per_second = tokens > 0 && seconds > 0 ? (double)tokens / seconds : NAN;
    member->reported_step = member->step;
    member->loss_sum = 0;
    member->loss_count = 0;
    member->mark_tokens += tokens;
    member->mark_seconds += seconds;
}

static void take_update(struct member *member, int64_t step, const struct esp_model_result *r)
{
    member->loss_sum += r->loss_sum;
    member->loss_count += r->count;
    if (r->overflowed == 0) {
        member->grad_norm = r->grad_norm; /* an update that fp16 skipped has no useful norm */
    }
    if (r->skipped > 0 || !isfinite(r->loss_sum) || !isfinite(r->grad_norm)) {
        member->step = step; /* later updates were enqueued and skipped */
        member->accumulated = 0;
        member->validating = false;
        esp_group_close_report(member, NAN);
        member->state = ESP_GROUP_ENDED;
        member->pending = ESP_GROUP_REPORT | ESP_GROUP_NOT_FINITE;
    }
}

static void
take_part(struct esp_group *group, int slot, const struct piece *piece, double share)
{
    struct member *member = &group->members[slot];
    const struct part *part = &piece->parts[slot];
    if (part->generation == 0 || part->generation != member->generation ||
        member->state == ESP_GROUP_ENDED) {
        return;
    }
    member->device_seconds += share;
    if (part->validates) {
        member->validation.sum += group->losses[slot].sum;
        member->validation.count += group->losses[slot].count;
    }
    if (part->step > 0) {
        take_update(member, part->step, &group->results[slot]);
    }
}

int esp_group_take_results(struct esp_group *group, int most, struct esp_error *error)
{
    while (group->piece_count > 0) {
        const struct piece *piece = &group->pieces[group->first_piece];
        double seconds;
        int rc = esp_model_pop(group->model,
                               group->piece_count > most,
                               group->results,
                               group->losses,
                               &seconds,
                               error);
        if (rc != 0) {
            return rc < 0 ? rc : 0;
        }
        for (int slot = 0; slot < group->slots; slot++) {
            take_part(group, slot, piece, piece->workers > 0 ? seconds / piece->workers : 0);
        }
        group->first_piece = (group->first_piece + 1) % ESP_GROUP_AHEAD;
        group->piece_count--;
    }
    return 0;
}

void esp_group_emit_pending(struct esp_group *group,
                            struct esp_group_event *events,
                            int *event_count)
{
    for (int slot = 0; slot < group->slots; slot++) {
        struct member *member = &group->members[slot];
        if (member->pending != 0) {
            events[(*event_count)++] = (struct esp_group_event){
                .slot = slot, .what = member->pending, .point = esp_group_point(group, slot)};
            member->pending = 0;
        }
    }
}

int esp_group_collect(struct esp_group *group,
                      struct esp_group_event *events,
                      int *event_count,
                      struct esp_error *error)
{
    *event_count = 0;
    int rc = esp_group_take_results(group, 0, error);
    if (rc == 0) {
        esp_group_emit_pending(group, events, event_count);
    }
    return rc;
}
