/* A core's life, and the answers it has given to commands. */
#include "state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int64_t or_default(int64_t given, int64_t fallback)
{
    return given > 0 ? given : fallback;
}

int esp_core_create(const struct esp_study *study,
                    const struct esp_core_options *options,
                    struct esp_core **out,
                    struct esp_error *error)
{
    struct esp_core *core = calloc(1, sizeof *core);
    if (!core) {
        return esp_error_set(error, -ENOMEM, "out of memory");
    }
    core->study = study;
    core->options = *options;
    core->options.heartbeat_ms = or_default(options->heartbeat_ms, ESP_HEARTBEAT_MS);
    core->options.lease_ms = or_default(options->lease_ms, ESP_LEASE_MS);
    core->options.margin_ms = or_default(options->margin_ms, ESP_LEASE_MARGIN_MS);
    core->options.grace_ms = or_default(options->grace_ms, ESP_GRACE_MS);
    core->options.quarantine_ms = or_default(options->quarantine_ms, ESP_QUARANTINE_MS);
    core->options.answer_ms = or_default(options->answer_ms, ESP_ANSWER_MS);
    core->run_cap = study->run_cap;
    core->workers = study->workers;
    core->budget = study->budget;
    core->exhausted_at = ESP_NOWHERE;
    core->answering = ESP_NOWHERE;
    core->timer = ESP_NOWHERE;
    core->leave_due = INT64_MAX;
    core->disk_due = INT64_MIN;
    esp_list_init(&core->queue);
    esp_list_init(&core->alive);
    esp_list_init(&core->open);
    int rc = esp_sampler_create(study, &core->sampler, error);
    if (rc == 0) {
        rc = esp_scheduler_create(study, &core->scheduler, error);
    }
    if (rc) {
        esp_core_destroy(core);
        return rc;
    }
    *out = core;
    return 0;
}

void esp_core_destroy(struct esp_core *core)
{
    if (!core) {
        return;
    }
    for (uint32_t i = 0; i < core->trial_count; i++) {
        for (int c = 0; c < ESP_CHECKPOINTS_KEPT; c++) {
            free(core->trials[i].checkpoints[c].path);
        }
    }
    for (uint32_t i = 0; i < core->process_count; i++) {
        free(core->processes[i].stale);
    }
    for (uint32_t i = 0; i < core->answer_capacity; i++) {
        free(core->answers[i].text);
    }
    esp_sampler_destroy(core->sampler);
    esp_scheduler_destroy(core->scheduler);
    free(core->trials);
    free(core->values);
    free(core->processes);
    free(core->agents);
    free(core->answers);
    free(core->timers.heap);
    free(core);
}

/* Ids are random, so they are their own hash. */
static struct esp_answer *answer_place(struct esp_answer *table, uint32_t capacity, uint64_t id)
{
    uint32_t at = (uint32_t)id & (capacity - 1);
    while (table[at].id && table[at].id != id) {
        at = (at + 1) & (capacity - 1);
    }
    return &table[at];
}

const struct esp_answer *esp_answer_find(const struct esp_core *core, uint64_t id)
{
    if (core->answer_capacity == 0) {
        return NULL;
    }
    struct esp_answer *answer = answer_place(core->answers, core->answer_capacity, id);
    return answer->id ? answer : NULL;
}

int esp_answer_keep(
    struct esp_core *core, uint64_t id, int32_t code, uint32_t trial, const char *text)
{
    if (id == 0) {
        return 0;
    }
    if (2 * (core->answer_count + 1) > core->answer_capacity) {
        uint32_t capacity = core->answer_capacity ? core->answer_capacity * 2 : 64;
        struct esp_answer *larger = calloc(capacity, sizeof *larger);
        if (!larger) {
            return -ENOMEM;
        }
        for (uint32_t i = 0; i < core->answer_capacity; i++) {
            if (core->answers[i].id) {
                *answer_place(larger, capacity, core->answers[i].id) = core->answers[i];
            }
        }
        free(core->answers);
        core->answers = larger;
        core->answer_capacity = capacity;
    }
    char *copy = text ? strdup(text) : NULL;
    if (text && !copy) {
        return -ENOMEM;
    }
    struct esp_answer *answer = answer_place(core->answers, core->answer_capacity, id);
    core->answer_count += answer->id == 0;
    free(answer->text);
    *answer = (struct esp_answer){id, code, trial, copy};
    return 0;
}
