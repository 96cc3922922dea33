/* What a command made of a trial, from its rows before and after. */
#ifndef ESPALIER_VIEW_CHANGE_H
#define ESPALIER_VIEW_CHANGE_H

#include "ledger.h"

/* Appends "#7 running → pausing (held)", "#7 paused → queued, trains until 20k tokens", or "#7
 * is paused (held) already". `before` may be NULL. */
void esp_change_words(const struct esp_ledger *ledger,
                      const struct esp_reader_trial *before,
                      const struct esp_reader_trial *after,
                      struct esp_buffer *out);

#endif
