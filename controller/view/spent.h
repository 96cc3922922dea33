/* What a study has cost, and what it would have cost without early stopping. */
#ifndef ESPALIER_VIEW_SPENT_H
#define ESPALIER_VIEW_SPENT_H

#include "ledger.h"

struct esp_spent {
    int64_t tokens;        /* over all attempts */
    double device_seconds; /* likewise */
    double usd;            /* NaN: the study states no price */
    int64_t full_tokens;   /* if every trial had run to its horizon; 0: unknown */
    int64_t trials;
    bool final; /* the search is complete: what is not spent is saved */
};

struct esp_spent esp_spent_of(const struct esp_ledger *ledger,
                              const struct esp_reader_totals *totals);

/* Appends "cost: 4.9M tokens, 2 min 3 s of device time" and a line with the share that was
 * saved, or spent so far. */
void esp_spent_text(const struct esp_spent *spent, struct esp_buffer *out);

#endif
