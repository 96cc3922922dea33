/* Creating and destroying a core. */
#include "state.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

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
    core->exhausted_trial = ESP_NO_INDEX;
    core->answering_trial = ESP_NO_INDEX;
    core->timer = ESP_NO_INDEX;
    core->shutdown_due_ms = INT64_MAX;
    core->disk_due_ms = INT64_MIN;
    esp_list_init(&core->queue);
    esp_list_init(&core->alive);
    esp_list_init(&core->available);
    int rc = esp_sampler_create(study, &core->sampler, error);
    if (rc == 0) {
        rc = esp_scheduler_create(study, &core->scheduler, error);
    }
    if (rc) {
        esp_core_destroy(core);
        return rc;
    }
    *out = core;
    assert(core->mode == ESP_MODE_LOADED && core->state == ESP_STUDY_RUNNING);
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
        free(core->processes[i].fenced);
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
