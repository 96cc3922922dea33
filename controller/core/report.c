/* Curve points: recorded when they are new, judged when they are recorded. */
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

/* Ten times the first value. A loss that has left the range of an untrained model by that much
 * does not come back: with cross-entropy an untrained model stands near ln(vocabulary), so ten
 * times that is worse than any distribution the model could sensibly hold. Metrics that may be
 * zero or negative at first, or are to be maximised, have no such scale: there only values that
 * are not finite count. */
#define DIVERGED_FACTOR 10.0

static bool has_diverged(const struct esp_core *core, const struct esp_trial *t, double value)
{
    if (!isfinite(value)) {
        return true;
    }
    return !core->study->maximize && t->first_value > 0 &&
           value > DIVERGED_FACTOR * t->first_value;
}

static void diverged(struct esp_core *core, struct esp_trial *t)
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

/* A trial must not idle because a scheduler has nothing to say. */
static void
obey(struct esp_core *core, struct esp_trial *t, struct esp_verdict verdict, bool waiting)
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
    bool judged = t->state == ESP_TRIAL_RUNNING || t->state == ESP_TRIAL_PAUSING;
    if (judged && t->reached_tokens >= t->attempt_horizon) {
        esp_trial_trigger(core, t, ESP_TRIGGER_HORIZON);
    }
    if (t->state == ESP_TRIAL_RUNNING && t->step >= 0 && core->mode == ESP_MODE_RUN) {
        struct esp_slot_view view = esp_slot_view(core, esp_device_of(core, t->process));
        uint32_t trial = esp_trial_index(core, t);
        obey(core, t, esp_scheduler_report(core->scheduler, trial, waiting, &view), waiting);
    }
}

void esp_report_take(struct esp_core *core, struct esp_trial *t, const struct esp_report *r)
{
    bool news = false;
    for (uint32_t i = 0; i < r->point_count; i++) {
        const struct esp_point *p = &r->points[i];
        if (t->reached_tokens < p->tokens) {
            t->reached_tokens = p->tokens;
        }
        if (p->step <= t->step && !ESP_PLANT("no-dedupe")) {
            continue; /* trained again: acknowledged, the first value stays */
        }
        struct esp_event event = esp_event_of(ESP_EVENT_REPORT);
        event.trial = r->at.trial;
        event.attempt = t->attempt;
        event.sequence = r->at.sequence;
        event.report = (struct esp_event_report){*p, r->waiting && i + 1 == r->point_count};
        esp_record(core, &event);
        news = true;
        if ((t->state == ESP_TRIAL_RUNNING || t->state == ESP_TRIAL_PAUSING) &&
            has_diverged(core, t, p->value)) {
            diverged(core, t);
        }
    }
    if (news || r->waiting) {
        esp_trial_decide(core, t, r->waiting);
    }
}
