/* What a search has found: the best trials, a picture, the cost and what was saved. */
#ifndef ESPALIER_VIEW_RESULTS_H
#define ESPALIER_VIEW_RESULTS_H

#include "best.h"
#include "ledger.h"
#include "rows.h"

/* The table of trials: number, state, value, tokens, and the settings that differ. With `best`
 * (or NULL) the mean over seeds, too, when there are several of a row. */
void esp_results_table(const struct esp_ledger *ledger,
                       const struct esp_rows *rows,
                       const struct esp_best *best,
                       int width,
                       bool color,
                       struct esp_buffer *out);

/* Loss against the setting searched on the finest scale, a mark per value of a second one. */
void esp_results_picture(const struct esp_ledger *ledger,
                         const struct esp_rows *rows,
                         int width,
                         bool utf8,
                         bool color,
                         struct esp_buffer *out);

/* "spent 4.9M tokens, 2 min 3 s of device time; saved 62 % of …". */
void esp_results_cost(const struct esp_ledger *ledger,
                      const struct esp_reader_totals *totals,
                      struct esp_buffer *out);

/* All of the above with ties, discards and next steps: what `run` ends with. */
int esp_results_summary(struct esp_ledger *ledger,
                        int width,
                        bool utf8,
                        bool color,
                        struct esp_buffer *out,
                        struct esp_error *error);

#endif
