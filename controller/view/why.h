/* Why a trial was started, paused, continued or stopped: the verdicts about it, each with its
 * rule, numbers and rivals, and the changes that no verdict explains. */
#ifndef ESPALIER_VIEW_WHY_H
#define ESPALIER_VIEW_WHY_H

#include "ledger.h"

/* Appends one line per verdict or change. -ENOENT: there is no such trial. */
int esp_why_text(struct esp_ledger *ledger,
                 int64_t trial,
                 struct esp_buffer *out,
                 struct esp_error *error);

/* Appends an array of {"seq","time_ms","verdict":{…}} (reason.h), verdicts only. */
int esp_why_json(struct esp_ledger *ledger,
                 int64_t trial,
                 struct esp_buffer *out,
                 struct esp_error *error);

#endif
