/* The fold: what an event does to the state. Live running and resuming both pass here, so this
 * decides nothing and asks nobody; it tells the sampler and the scheduler what has happened. */
#include "state.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static int fold_changed(struct esp_core *core, const struct esp_event *e)
{
    const struct {
        const char *name;
        double *real;
        int64_t *integer;
        double scale;
    } settings[] = {
        {"run_cap", NULL, &core->run_cap, 1},
        {"workers", NULL, &core->workers, 1},
        {"budget.tokens", &core->budget.tokens, NULL, 1},
        {"budget.hours", &core->budget.seconds, NULL, 3600},
        {"budget.usd", &core->budget.usd, NULL, 1},
    };
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        if (e->text && strcmp(e->text, settings[i].name) == 0 && isfinite(e->real) &&
            fabs(e->real) < 0x1p53) {
            if (settings[i].integer) {
                *settings[i].integer = (int64_t)e->real;
            } else {
                *settings[i].real = e->real * settings[i].scale;
            }
        }
    }
    return 0; /* a setting of a newer version is no contradiction */
}

static int fold_ended(struct esp_core *core, const struct esp_event *e, struct esp_error *error)
{
    if (e->number < 0 || e->number > ESP_STUDY_BUDGET) {
        return esp_error_set(error, -EPROTO, "the study ends in an unknown state");
    }
    core->state = (enum esp_study_state)e->number;
    core->exit_code = (int)e->extra;
    return 0;
}

static int
fold_calibrated(struct esp_core *core, const struct esp_event *e, struct esp_error *error)
{
    if (e->value_count > ESP_CALIBRATION_MAX || core->trial_count > 0) {
        return esp_error_set(error, -EPROTO, "a calibration that is too large or too late");
    }
    core->calibrated = true;
    core->calibration = e->value_count;
    esp_scheduler_calibrated(core->scheduler, e->values, (int)e->value_count);
    return 0;
}

static int fold_fit(struct esp_core *core, const struct esp_event *e, struct esp_error *error)
{
    if (e->value_count > ESP_FIT_NUMBERS_MAX) {
        return esp_error_set(error, -EPROTO, "a refit of too many numbers");
    }
    if (e->number == 0) {
        esp_sampler_fitted(core->sampler, e->values, (int)e->value_count);
    } else {
        esp_scheduler_fitted(core->scheduler, e->values, (int)e->value_count);
    }
    return 0;
}

int esp_fold(struct esp_core *core, const struct esp_event *e, struct esp_error *error)
{
    switch (e->kind) {
    case ESP_EVENT_OPENED:
        core->incarnation = (uint64_t)e->number;
        core->failed = 0; /* what was wrong may have been seen to */
        return 0;
    case ESP_EVENT_ENDED:
        return fold_ended(core, e, error);
    case ESP_EVENT_CHANGED:
        return fold_changed(core, e);
    case ESP_EVENT_AGENT:
    case ESP_EVENT_SPAWNED:
    case ESP_EVENT_EXITED:
        return esp_fold_process(core, e, error);
    case ESP_EVENT_COMMAND:
        return esp_answer_keep(core,
                               (uint64_t)e->number,
                               e->code,
                               e->trial >= 0 ? (uint32_t)e->trial : 0,
                               e->text);
    case ESP_EVENT_FIT:
        return fold_fit(core, e, error);
    case ESP_EVENT_CALIBRATED:
        return fold_calibrated(core, e, error);
    case ESP_EVENT_CREATED:
    case ESP_EVENT_VERDICT:
    case ESP_EVENT_MOVED:
    case ESP_EVENT_STARTED_AT:
    case ESP_EVENT_REPORT:
    case ESP_EVENT_SAVED:
    case ESP_EVENT_DROPPED:
    case ESP_EVENT_DIRECTED:
    case ESP_EVENT_FAILED:
    case ESP_EVENT_PROTOCOL:
        return esp_fold_trial(core, e, error);
    case ESP_EVENT_NOTE:
        return 0;
    case ESP_EVENT_NONE:
    case ESP_EVENT_KIND_COUNT:
        break;
    }
    return esp_error_set(error, -EPROTO, "an event of unknown kind %d", (int)e->kind);
}

int esp_core_apply(struct esp_core *core,
                   const struct esp_event *event,
                   struct esp_error *error)
{
    if (event->seq != core->seq + 1) {
        return esp_error_set(error,
                             -EPROTO,
                             "event %llu follows event %llu",
                             (unsigned long long)event->seq,
                             (unsigned long long)core->seq);
    }
    int rc = esp_fold(core, event, error);
    if (rc == 0) {
        core->seq = event->seq;
    }
    return rc;
}
