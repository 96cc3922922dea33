/* Reports of attempts: points are recorded when they are new, and judged once recorded. */
#include "report.h"

#include "ask.h"
#include "process_table.h"
#include "record.h"
#include "shutdown.h"
#include "transition.h"
#include "trial.h"

#include <assert.h>
#include <espalier/plant.h>
#include <math.h>

/* A loss of ten times its first value has diverged: it does not recover. With cross-entropy an
 * untrained model is near ln(vocabulary), and ten times that is worse than any distribution
 * that a model could sensibly have. Metrics that may be zero or negative at first, or are
 * maximised, have no such scale: there only values that are not finite count. */
#define DIVERGED_FACTOR 10.0

static bool has_diverged(const struct esp_core *core, const struct esp_trial *t, double value)
{
    if (!isfinite(value)) {
        return true;
    }
    return !core->study->maximize && t->first_value > 0 &&
           value > DIVERGED_FACTOR * t->first_value;
}

/* Stops the trial. */
static void stop_diverged(struct esp_core *core, struct esp_trial *t)
{
    struct esp_verdict verdict = {.action = ESP_VERDICT_PRUNE,
                                  .trial = esp_trial_index(core, t),
                                  .until = t->tokens,
                                  .reason = esp_reason_none(ESP_RULE_DIVERGED)};
    verdict.reason.at = t->tokens;
    verdict.reason.value = esp_loss(core, t->value);
    if (!core->study->maximize && t->first_value > 0) {
        verdict.reason.threshold = DIVERGED_FACTOR * t->first_value;
    }
    esp_record_verdict(core, &verdict);
    esp_trial_trigger(core, t, ESP_TRIGGER_DIVERGED);
}

/* Follows the scheduler's verdict on a trial. A trial that waits and gets no further from it
 * trains to its horizon: it must not idle. */
static void
follow(struct esp_core *core, struct esp_trial *t, struct esp_verdict verdict, bool waiting)
{
    if (verdict.action == ESP_VERDICT_CONTINUE && verdict.until > t->attempt_horizon) {
        verdict.until = t->attempt_horizon;
    }
    bool further = verdict.action == ESP_VERDICT_CONTINUE && verdict.until > t->until;
    bool idles = waiting && !further &&
                 (verdict.action == ESP_VERDICT_NONE || verdict.action == ESP_VERDICT_CONTINUE);
    if (idles && t->until < t->attempt_horizon) {
        verdict.action = ESP_VERDICT_CONTINUE;
        verdict.trial = esp_trial_index(core, t);
        verdict.until = t->attempt_horizon;
        further = true;
    }
    switch (verdict.action) {
    case ESP_VERDICT_CONTINUE:
        if (further) {
            esp_record_verdict(core, &verdict);
            esp_trial_direct(core, t, ESP_DIRECT_CONTINUE, verdict.until, false);
        }
        break;
    case ESP_VERDICT_PAUSE:
        esp_record_verdict(core, &verdict);
        esp_trial_trigger(core, t, ESP_TRIGGER_PAUSE);
        break;
    case ESP_VERDICT_PRUNE:
        esp_record_verdict(core, &verdict);
        esp_trial_trigger(core, t, ESP_TRIGGER_PRUNE);
        break;
    case ESP_VERDICT_END:
        esp_end_search(core, &verdict);
        break;
    default:
        break;
    }
}

void esp_trial_decide(struct esp_core *core, struct esp_trial *t, bool waiting)
{
    bool trains = t->state == ESP_TRIAL_RUNNING || t->state == ESP_TRIAL_PAUSING;
    assert(esp_trial_state_live(t->state));
    if (trains && t->reached_tokens >= t->attempt_horizon) {
        esp_trial_trigger(core, t, ESP_TRIGGER_HORIZON);
    }
    struct esp_verdict end;
    if (trains && core->mode == ESP_MODE_RUN && esp_scheduler_target(core->scheduler, &end)) {
        esp_end_search(core, &end);
        return;
    }
    if (t->state == ESP_TRIAL_RUNNING && t->step >= 0 && core->mode == ESP_MODE_RUN) {
        struct esp_slot_view view = esp_slot_view(core, esp_device_of(core, t->process));
        uint32_t trial = esp_trial_index(core, t);
        follow(core, t, esp_scheduler_report(core->scheduler, trial, waiting, &view), waiting);
    }
}

void esp_report_handle(struct esp_core *core, struct esp_trial *t, const struct esp_report *r)
{
    bool recorded = false;
    const struct esp_point *again = NULL; /* the furthest point that was trained again */
    assert(t->state != ESP_TRIAL_ASSIGNED && esp_trial_state_live(t->state));
    for (uint32_t i = 0; i < r->point_count; i++) {
        const struct esp_point *p = &r->points[i];
        if (t->reached_tokens < p->tokens) {
            t->reached_tokens = p->tokens;
        }
        if (p->step <= t->step && !ESP_PLANT("no-dedupe")) {
            again = p;
            continue; /* trained again: the step keeps its first value */
        }
        struct esp_event event = esp_event_of_trial(core, t, ESP_EVENT_REPORT);
        event.sequence = r->at.sequence;
        event.report = (struct esp_event_report){*p, r->waiting && i + 1 == r->point_count};
        esp_record(core, &event);
        recorded = true;
        if ((t->state == ESP_TRIAL_RUNNING || t->state == ESP_TRIAL_PAUSING) &&
            has_diverged(core, t, p->value)) {
            stop_diverged(core, t);
        }
    }
    if (again && !recorded) { /* a recorded point counts all before it */
        struct esp_event event = esp_event_of_trial(core, t, ESP_EVENT_SPENT);
        event.sequence = r->at.sequence;
        event.spent = (struct esp_event_spent){again->tokens, again->device_seconds};
        esp_record(core, &event);
    }
    if (recorded || r->waiting) {
        esp_trial_decide(core, t, r->waiting);
    }
}
