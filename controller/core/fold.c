/* The fold: what an event does to the state. Live running and resuming both use it, so it makes
 * no decision; it reports to the sampler and the scheduler what has happened. */
#include "fold.h"

#include "answers.h"
#include "settings.h"

#include <assert.h>
#include <errno.h>
#include <math.h>

/* An unknown setting is one of a newer version, and no contradiction. */
static int fold_changed(struct esp_core *core, const struct esp_event_changed *c)
{
    int setting = esp_live_setting_find(c->setting);
    if (setting >= 0 && isfinite(c->value) && fabs(c->value) < 0x1p53) {
        esp_core_setting_apply(core, (enum esp_live_setting)setting, c->value);
    }
    return 0;
}

static int
fold_ended(struct esp_core *core, const struct esp_event_ended *e, struct esp_error *error)
{
    if ((unsigned)e->state >= ESP_STUDY_STATE_COUNT) {
        return esp_error_set(error, -EPROTO, "the study ends in an unknown state");
    }
    core->state = e->state;
    core->exit_code = e->exit_code;
    core->ended = e->reason;
    return 0;
}

static int
fold_calibrated(struct esp_core *core, const struct esp_reals *scores, struct esp_error *error)
{
    if (scores->count > ESP_CALIBRATION_MAX || core->trial_count > 0) {
        return esp_error_set(error, -EPROTO, "a calibration that is too large or too late");
    }
    core->calibrated = true;
    core->calibration = scores->count;
    esp_scheduler_calibrated(core->scheduler, scores->data, (int)scores->count);
    return 0;
}

static int
fold_fit(struct esp_core *core, const struct esp_event_fit *fit, struct esp_error *error)
{
    const struct esp_reals *values = &fit->values;
    if (values->count > ESP_FIT_NUMBERS_MAX) {
        return esp_error_set(error, -EPROTO, "a refit of too many numbers");
    }
    switch (fit->which) {
    case ESP_FITTED_SAMPLER:
        esp_sampler_fitted(core->sampler, values->data, (int)values->count);
        return 0;
    case ESP_FITTED_SCHEDULER:
        esp_scheduler_fitted(core->scheduler, values->data, (int)values->count);
        return 0;
    }
    return esp_error_set(error, -EPROTO, "a refit of an unknown part %d", (int)fit->which);
}

static int fold(struct esp_core *core, const struct esp_event *e, struct esp_error *error)
{
    switch (e->kind) {
    case ESP_EVENT_OPENED:
        core->incarnation = e->opened.incarnation;
        core->consecutive_failures = 0; /* the user may have fixed their reason */
        return 0;
    case ESP_EVENT_ENDED:
        return fold_ended(core, &e->ended, error);
    case ESP_EVENT_CHANGED:
        return fold_changed(core, &e->changed);
    case ESP_EVENT_AGENT:
    case ESP_EVENT_SPAWNED:
    case ESP_EVENT_EXITED:
        return esp_fold_process(core, e, error);
    case ESP_EVENT_COMMAND:
        return esp_answer_keep(core,
                               e->command.id,
                               e->command.code,
                               e->trial >= 0 ? (uint32_t)e->trial : 0,
                               e->command.answer);
    case ESP_EVENT_FIT:
        return fold_fit(core, &e->fit, error);
    case ESP_EVENT_CALIBRATED:
        return fold_calibrated(core, &e->calibrated.scores, error);
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
    case ESP_EVENT_SPENT:
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
    int rc = fold(core, event, error);
    if (rc == 0) {
        core->seq = event->seq;
    }
    return rc;
}
