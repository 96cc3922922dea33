/* The live table of a study on the terminal. */
#ifndef ESPALIER_WATCH_LIVE_H
#define ESPALIER_WATCH_LIVE_H

#include "../view/ledger.h"

/* Shows the table on stdout, a terminal, and redraws it when the study changes, at most once
 * per `interval_ms`, until the user presses q or a signal comes. */
int esp_live_run(struct esp_ledger *ledger, int64_t interval_ms, struct esp_error *error);

#endif
