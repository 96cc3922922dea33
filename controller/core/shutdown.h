/* Ending a search and leaving. */
#ifndef ESPALIER_CORE_SHUTDOWN_H
#define ESPALIER_CORE_SHUTDOWN_H

#include "state.h"

/* Saves everything and leaves, resumable. `mode`: INTERRUPT, or BUDGET when a budget is spent.
 * Ignored when the core is leaving already. */
void esp_interrupt(struct esp_core *core, enum esp_mode mode, int exit_code);

/* Kills every process and leaves, resumable. */
void esp_terminate(struct esp_core *core);

/* Ends the search with this verdict. Ignored unless the search runs. */
void esp_end_search(struct esp_core *core, const struct esp_verdict *verdict);

/* The same when no trial is live or queued; a verdict other than END counts as the study's end.
 */
void esp_end_if_idle(struct esp_core *core, const struct esp_verdict *verdict);

/* A trial has started, or was found running: while leaving it is saved or stopped. False: the
 * core is not leaving. */
bool esp_shutdown_trial(struct esp_core *core, struct esp_trial *trial);

/* Takes the next step of leaving that has become possible. */
void esp_shutdown_settle(struct esp_core *core);

/* Records the study's new state, with its score when it has ended. */
void esp_record_ended(struct esp_core *core, enum esp_study_state state, int exit_code);

#endif
