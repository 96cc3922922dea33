/* Recording events: an event is numbered, folded and appended to the outcome. */
#ifndef ESPALIER_CORE_RECORD_H
#define ESPALIER_CORE_RECORD_H

#include "state.h"

/* An event of this kind about no trial, other members zero. */
struct esp_event esp_event_of(enum esp_event_kind kind);

/* An event about the trial's present attempt. */
struct esp_event esp_event_of_trial(const struct esp_core *core,
                                    const struct esp_trial *trial,
                                    enum esp_event_kind kind);

/* Copies what the event points to into the outcome. When memory runs out core->failure is set
 * and the step fails as a whole. */
void esp_record(struct esp_core *core, struct esp_event *event);

/* Schedulers compare losses; the recorded verdict shows the study's metric. */
void esp_record_verdict(struct esp_core *core, const struct esp_verdict *verdict);

/* A setting of the study gets a new value. */
void esp_record_changed(struct esp_core *core, const char *setting, double value);

/* What a peer did that the protocol does not allow. A trial out of range counts as none. After
 * some hundred of one incarnation nothing more is recorded. */
void esp_record_protocol(struct esp_core *core,
                         struct esp_peer peer,
                         int64_t trial,
                         uint32_t attempt,
                         uint64_t sequence,
                         const char *fault);

#endif
