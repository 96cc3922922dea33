/* Queries on one trial. */
#ifndef ESPALIER_CORE_TRIAL_H
#define ESPALIER_CORE_TRIAL_H

#include "state.h"

#include <espalier/trainer.h>

static inline uint32_t esp_trial_index(const struct esp_core *core, const struct esp_trial *t)
{
    return (uint32_t)(t - core->trials);
}

/* A bit (1 << guard) for each guard of the transition table that holds. */
unsigned esp_trial_guards(const struct esp_trial *trial);

/* The checkpoint to resume from, or NULL. */
const struct esp_checkpoint *esp_trial_checkpoint(const struct esp_trial *trial);

/* The settings that a trial with these values trains with; false when a value does not fit the
 * trainer. */
bool esp_trial_settings(const struct esp_core *core,
                        const double *values,
                        struct esp_trainer *out);

/* Trials that have a process. */
uint32_t esp_live_trials(const struct esp_core *core);

/* Trials keep failing and none has ever reported: the next one would fail too. */
bool esp_all_trials_fail(const struct esp_core *core);

/* A recorded metric as samplers and schedulers read it: smaller is better. */
static inline double esp_loss(const struct esp_core *core, double value)
{
    return core->study->maximize ? -value : value;
}

#endif
