/* Losing attempts, processes and agents. */
#ifndef ESPALIER_CORE_LOSE_H
#define ESPALIER_CORE_LOSE_H

#include "state.h"

/* The attempt is lost. `excused`: that does not count as fruitless. `confirmed`: nothing of it
 * runs any more, and its slot is free. */
void esp_trial_lose(struct esp_core *core,
                    struct esp_trial *trial,
                    bool excused,
                    bool confirmed);

/* The process was silent for longer than lease and margin. */
void esp_process_lapsed(struct esp_core *core, struct esp_trial_process *p);

/* The process has ended. */
void esp_process_exited(struct esp_core *core,
                        struct esp_trial_process *p,
                        const struct esp_exited *exited);

/* A process ended before its first Hello. After several in a row the study is interrupted: the
 * next one would end the same way. */
void esp_process_early_exit(struct esp_core *core);

/* The connection is dead; the lease goes on. */
void esp_process_disconnected(struct esp_core *core, struct esp_trial_process *p);
void esp_agent_disconnected(struct esp_core *core, struct esp_agent *agent);

#endif
