/* Recording events. */
#include "record.h"

#include "outcome.h"
#include "trial.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <string.h>

/* PROTOCOL events of one incarnation: a faulty peer must not fill the disk. */
#define PROTOCOL_EVENTS_MAX 100

struct esp_event esp_event_of(enum esp_event_kind kind)
{
    return (struct esp_event){.kind = kind, .trial = -1};
}

struct esp_event esp_event_of_trial(const struct esp_core *core,
                                    const struct esp_trial *t,
                                    enum esp_event_kind kind)
{
    return (struct esp_event){
        .kind = kind, .trial = esp_trial_index(core, t), .attempt = t->attempt};
}

static int keep_measures(struct esp_outcome *outcome, struct esp_point *point)
{
    if (point->measure_count == 0) {
        return 0;
    }
    struct esp_measure *copy = esp_outcome_keep(
        outcome, point->measures, point->measure_count * sizeof *point->measures);
    if (!copy) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < point->measure_count; i++) {
        copy[i].name = esp_outcome_text(outcome, copy[i].name, ESP_NAME_MAX);
    }
    point->measures = copy;
    return 0;
}

/* Copies what the event borrows from a peer's message or the study, to live as long as the
 * outcome. */
static int keep_all(struct esp_outcome *outcome, struct esp_event *event)
{
    struct esp_event_string strings[ESP_EVENT_STRINGS_MAX];
    int count = esp_event_strings(event, strings);
    for (int i = 0; i < count; i++) {
        *strings[i].at = esp_outcome_text(outcome, *strings[i].at, strings[i].size_max);
    }
    struct esp_reals *reals = esp_event_reals(event);
    if (reals && reals->count > 0) {
        reals->data =
            esp_outcome_keep(outcome, reals->data, reals->count * sizeof *reals->data);
        if (!reals->data) {
            return -ENOMEM;
        }
    }
    return event->kind == ESP_EVENT_REPORT ? keep_measures(outcome, &event->report.point) : 0;
}

void esp_record(struct esp_core *core, struct esp_event *event)
{
    assert(core->outcome && event->trial < (int64_t)ESP_TRIALS_MAX);
    event->seq = core->seq + 1;
    event->time_ms = core->time_ms;
    int rc = keep_all(core->outcome, event);
    if (rc == 0) {
        rc = esp_outcome_event(core->outcome, event);
    }
    if (rc == 0) {
        rc = esp_core_apply(core, event, NULL);
    }
    assert(rc == 0 || rc == -ENOMEM); /* the core never contradicts itself */
    assert(rc != 0 || core->seq == event->seq);
    if (rc) {
        core->failure = rc;
    }
}

void esp_record_verdict(struct esp_core *core, const struct esp_verdict *verdict)
{
    struct esp_event event = esp_event_of(ESP_EVENT_VERDICT);
    assert(verdict->action != ESP_VERDICT_NONE);
    event.trial = verdict->trial;
    event.verdict = *verdict;
    if (core->study->maximize) { /* the metric is recorded, not the loss */
        event.verdict.reason.value = -event.verdict.reason.value;
        if (verdict->reason.rule != ESP_RULE_CALIBRATED) { /* there the threshold is a count */
            event.verdict.reason.threshold = -event.verdict.reason.threshold;
        }
    }
    esp_record(core, &event);
}

void esp_record_protocol(struct esp_core *core,
                         struct esp_peer peer,
                         int64_t trial,
                         uint32_t attempt,
                         uint64_t sequence,
                         const char *fault)
{
    if (core->protocol_faults >= PROTOCOL_EVENTS_MAX) {
        return;
    }
    core->protocol_faults++;
    struct esp_event event = esp_event_of(ESP_EVENT_PROTOCOL);
    event.trial = trial >= 0 && trial < core->trial_count ? trial : -1;
    event.attempt = attempt;
    event.sequence = sequence;
    event.protocol = (struct esp_event_protocol){.process = peer.key, .fault = fault};
    if (event.trial >= 0) {
        event.protocol.from = core->trials[trial].state;
    }
    esp_record(core, &event);
}

void esp_record_changed(struct esp_core *core, const char *setting, double value)
{
    struct esp_event event = esp_event_of(ESP_EVENT_CHANGED);
    event.changed = (struct esp_event_changed){setting, value};
    esp_record(core, &event);
}
