/* START: a controller begins its incarnation. */
#include "startup.h"

#include "ask.h"
#include "budget.h"
#include "process.h"
#include "record.h"
#include "shutdown.h"
#include "transition.h"

#include <assert.h>
#include <espalier/exit.h>
#include <espalier/live_setting.h>

/* Whether there is work: an ended study has some again when a limit was raised or a trial
 * continued. */
static bool goes_on(struct esp_core *core)
{
    if (core->state == ESP_STUDY_RUNNING || core->queue.count > 0) {
        return true;
    }
    if (esp_budget_spent(core) || esp_budget_committed(core)) {
        return false;
    }
    struct esp_verdict verdict = esp_ask_slot(core);
    double values[ESP_PARAMS_MAX];
    struct esp_reason reason;
    return verdict.action == ESP_VERDICT_CONTINUE || verdict.action == ESP_VERDICT_REPEAT ||
           (verdict.action == ESP_VERDICT_START && esp_propose(core, values, &reason));
}

/* The trial was paused by the core, for a reason that the start removes. */
static bool interrupted(const struct esp_trial *t)
{
    bool by_core = t->pause_rule == ESP_RULE_INTERRUPT || t->pause_rule == ESP_RULE_BUDGET ||
                   t->pause_rule == ESP_RULE_RESTART;
    /* A trial that has reached `until` waits for the scheduler instead. */
    return t->state == ESP_TRIAL_PAUSED && !t->held && by_core && t->tokens < t->until;
}

void esp_startup(struct esp_core *core, const char *version)
{
    assert(core->mode == ESP_MODE_LOADED && core->available.count == 0);
    struct esp_event event = esp_event_of(ESP_EVENT_OPENED);
    event.opened = (struct esp_event_opened){core->incarnation + 1, version};
    esp_record(core, &event);
    if (core->options.workers > 0 && core->options.workers != core->workers) {
        esp_record_changed(
            core, esp_live_settings[ESP_LIVE_WORKERS].name, (double)core->options.workers);
    }
    esp_processes_await(core);
    if (!goes_on(core)) {
        bool by_run_cap = core->state == ESP_STUDY_COMPLETE &&
                          core->exit_code == ESP_EXIT_DONE &&
                          (core->ended == ESP_END_RUN_CAP || core->ended == ESP_END_NONE);
        if (by_run_cap && core->exhausted_trial == core->trial_count) {
            /* It was raised, but there is nothing left to search. */
            esp_record_ended(core, ESP_STUDY_COMPLETE, ESP_END_EXHAUSTED);
        }
        core->mode = ESP_MODE_CLOSING;
        core->pending_exit_code = core->exit_code;
        return;
    }
    if (core->state != ESP_STUDY_RUNNING) {
        esp_record_ended(core, ESP_STUDY_RUNNING, ESP_END_NONE);
    }
    core->mode = ESP_MODE_RUN;
    for (uint32_t i = 0; i < core->trial_count && !esp_budget_spent(core); i++) {
        if (interrupted(&core->trials[i])) {
            esp_trial_restart(core, &core->trials[i]);
        }
    }
    assert(core->failure || core->state == ESP_STUDY_RUNNING);
}
