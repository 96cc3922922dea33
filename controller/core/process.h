/* Trial processes: their leases, ending them, and fencing attempts. */
#ifndef ESPALIER_CORE_PROCESS_H
#define ESPALIER_CORE_PROCESS_H

#include "state.h"

/* Sets the process's timer to its next deadline. */
void esp_process_watch(struct esp_core *core, struct esp_trial_process *p);

/* Silent for longer than lease and margin: the process has saved and exited, or is cut off and
 * will. */
bool esp_process_silent(const struct esp_core *core, const struct esp_trial_process *p);

/* The process was requested and has not said Hello in time. */
bool esp_process_overdue(const struct esp_core *core, const struct esp_trial_process *p);

/* Asks the agent to end the process: SIGTERM, or SIGKILL when `now`. It may be repeated. */
void esp_process_kill(struct esp_core *core, struct esp_trial_process *p, bool now);

/* Tells the process that an attempt is over. It gets no other attempt until it has answered. */
void esp_process_fence(struct esp_core *core,
                       struct esp_trial_process *p,
                       uint32_t trial,
                       uint32_t attempt);
void esp_process_fence_answered(struct esp_core *core,
                                struct esp_trial_process *p,
                                uint32_t trial,
                                uint32_t attempt);

/* Processes of an earlier incarnation get a lease to say Hello. */
void esp_processes_await(struct esp_core *core);

#endif
