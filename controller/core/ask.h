/* Questions to the scheduler and the sampler. Their refits are recorded; asking changes nothing
 * else. */
#ifndef ESPALIER_CORE_ASK_H
#define ESPALIER_CORE_ASK_H

#include "state.h"

/* Whether a new trial is allowed: by run_cap, failures, the budget and the sampler; and a
 * repeat of one: by run_cap and failures. */
bool esp_may_create(const struct esp_core *core, bool budget_committed);
bool esp_may_repeat(const struct esp_core *core);

/* A slot of this device class, as a scheduler sees it. */
struct esp_slot_view esp_slot_view(const struct esp_core *core, int device);

/* The scheduler's verdict on a free slot. */
struct esp_verdict esp_ask_slot(struct esp_core *core);

/* The sampler's values for the next trial, and the reason; false: it has no proposal. */
bool esp_propose(struct esp_core *core, double *values, struct esp_reason *reason);

#endif
