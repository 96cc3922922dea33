/* The fold: what an event does to the state. Each function returns 0, -EPROTO when the event
 * contradicts the state (then the ledger is not one of ours and the core is unusable), or
 * -ENOMEM. Events are numbered by the caller. */
#ifndef ESPALIER_CORE_FOLD_H
#define ESPALIER_CORE_FOLD_H

#include "state.h"

/* fold_trial.c: events about a trial, except transitions. */
int esp_fold_trial(struct esp_core *core,
                   const struct esp_event *event,
                   struct esp_error *error);

/* fold_transition.c: MOVED. */
int esp_fold_transition(struct esp_core *core,
                        const struct esp_event *event,
                        struct esp_error *error);
/* Remembers why a trial failed; NULL and "" are ignored. */
void esp_fold_failure(struct esp_core *core, const char *text);

/* fold_process.c: AGENT, SPAWNED, EXITED. */
int esp_fold_process(struct esp_core *core,
                     const struct esp_event *event,
                     struct esp_error *error);

#endif
