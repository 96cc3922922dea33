/* Sentences for verdicts: rule, rung, numbers and rivals as the core recorded them. */
#ifndef ESPALIER_CLI_REASON_H
#define ESPALIER_CLI_REASON_H

#include "buffer.h"

#include <espalier/event.h>

/* "paused at rung 2 (200k tokens): its loss 2.61 is 5th of 9; …". `maximize` turns the recorded
 * losses back into the study's metric. */
void esp_reason_verdict(const struct esp_verdict *verdict,
                        const char *metric,
                        bool maximize,
                        struct esp_buffer *out);

/* The same as an object: {"action","until","rule","rung","at","rank","of","value",
 * "threshold","expected","cost","cost_seconds","rivals"}; cost in tokens. What does not apply
 * is null. */
void esp_reason_json(const struct esp_verdict *verdict, bool maximize, struct esp_buffer *out);

#endif
