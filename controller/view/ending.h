/* Why a search ended, and what the user paused and may continue. */
#ifndef ESPALIER_VIEW_ENDING_H
#define ESPALIER_VIEW_ENDING_H

#include "ledger.h"

/* The reason of a recorded end in a few words: "run_cap is reached". NULL: the search goes on,
 * was interrupted, or the reason is not recorded. */
const char *esp_ending_words(const struct esp_ledger *ledger);

/* Appends the reason's word as JSON, or null while the search runs and where it is unknown. */
void esp_ending_json(const struct esp_ledger *ledger, struct esp_buffer *out);

/* Appends a line that names the trials that the user paused and how to continue them; nothing
 * when there are none. */
int esp_ending_held(struct esp_ledger *ledger, struct esp_buffer *out, struct esp_error *error);

#endif
