/* Trials as a table for people: number, value, parameters that are searched, tokens, state. */
#ifndef ESPALIER_VIEW_TRIALS_TABLE_H
#define ESPALIER_VIEW_TRIALS_TABLE_H

#include "best.h"

/* Appends one line per row. With `best` (or NULL), settings with several seeds also show the
 * mean over them. At most `width` columns: the value first, then what is searched, the state
 * and the tokens; one more line names what is hidden. 0: no limit. */
void esp_trials_table(const struct esp_ledger *ledger,
                      const struct esp_rows *rows,
                      const struct esp_best *best,
                      int width,
                      bool color,
                      struct esp_buffer *out);

#endif
