/* What a search has found, as `run` prints it at its end: the best trials, a tie, a picture,
 * cost, discards, and what to type next. */
#ifndef ESPALIER_VIEW_SUMMARY_H
#define ESPALIER_VIEW_SUMMARY_H

#include "ledger.h"

int esp_summary_text(struct esp_ledger *ledger,
                     int width,
                     bool utf8,
                     bool color,
                     struct esp_buffer *out,
                     struct esp_error *error);

#endif
