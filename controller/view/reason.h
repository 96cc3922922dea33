/* Sentences for verdicts: rule, rung, numbers and rivals as the core recorded them. */
#ifndef ESPALIER_VIEW_REASON_H
#define ESPALIER_VIEW_REASON_H

#include "buffer.h"

#include <espalier/event.h>

/* "paused at rung 1: asha: not (yet) among the best of its rung, so it waits there. val_loss
 * 2.61 at 67k tokens is rank 5 of 9; …". Numbers are recorded as the study's metric reads, not
 * as losses; `maximize` says which of them is better. */
void esp_reason_verdict(const struct esp_verdict *verdict,
                        const char *metric,
                        bool maximize,
                        struct esp_buffer *out);

/* The same as an object: {"action","until","rule","rung","at","rank","of","value",
 * "threshold","expected","cost","cost_seconds","rivals"}; cost in tokens. What does not apply
 * is null. */
void esp_reason_json(const struct esp_verdict *verdict, struct esp_buffer *out);

#endif
