/* Sentences for verdicts: rule, rung, numbers and rivals as recorded. */
#ifndef ESPALIER_VIEW_REASON_H
#define ESPALIER_VIEW_REASON_H

#include "buffer.h"

#include <espalier/event.h>

/* Appends "paused at rung 1: asha: not (yet) among the best of its rung, so it waits there.
 * val_loss 2.61 at 67k tokens is rank 5 of 9; …". Numbers are values of the study's metric, not
 * losses; `maximize` is the study's. */
void esp_reason_verdict(const struct esp_verdict *verdict,
                        const char *metric,
                        bool maximize,
                        struct esp_buffer *out);

/* Appends the verdict as an object: {"action","until","rule","rung","at","rank","of","value",
 * "threshold","expected","cost","cost_seconds","rivals"}; cost in tokens. What does not apply
 * is null. */
void esp_reason_json(const struct esp_verdict *verdict, struct esp_buffer *out);

#endif
