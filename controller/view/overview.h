/* The live table of a study: its state and cost in two lines, and its trials, running ones
 * first. */
#ifndef ESPALIER_VIEW_OVERVIEW_H
#define ESPALIER_VIEW_OVERVIEW_H

#include "ledger.h"

/* Refreshes the ledger and appends the table. It has at most `width` columns and, with the line
 * below it, `height` lines; 0: no limit. */
int esp_overview_text(struct esp_ledger *ledger,
                      int width,
                      int height,
                      bool color,
                      struct esp_buffer *out,
                      struct esp_error *error);

#endif
