/* Ending a search and shutting down. */
#ifndef ESPALIER_CORE_SHUTDOWN_H
#define ESPALIER_CORE_SHUTDOWN_H

#include "state.h"

/* Saves everything and shuts down; the study can be resumed. `mode`: INTERRUPT, or BUDGET when
 * a budget is spent. Ignored when the core is already shutting down. */
void esp_interrupt(struct esp_core *core, enum esp_mode mode, int exit_code);

/* Kills every process and shuts down; the study can be resumed. */
void esp_terminate(struct esp_core *core);

/* Ends the search with this verdict. Ignored unless the search runs. When trials that the user
 * paused are left, the study is not over: it ends as an interrupt does, once nothing is live or
 * queued. A reached target ends it in any case. */
void esp_end_search(struct esp_core *core, const struct esp_verdict *verdict);

/* The same, only when no trial is live or queued; any verdict counts as the end. */
void esp_end_if_idle(struct esp_core *core, const struct esp_verdict *verdict);

/* A trial has started, or was found running: during a shutdown it is saved or stopped. False:
 * there is no shutdown. */
bool esp_shutdown_trial(struct esp_core *core, struct esp_trial *trial);

/* Takes the next step of the shutdown that has become possible. */
void esp_shutdown_settle(struct esp_core *core);

/* Records the study's new state and the reason, with its score when it has ended. */
void esp_record_ended(struct esp_core *core,
                      enum esp_study_state state,
                      enum esp_end_reason reason);

#endif
