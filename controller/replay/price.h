/* What training costs: tokens, or seconds of device time.
 *
 * A table is read priced in tokens; its points' `cost` is then their tokens and a full training
 * costs the horizon. Priced in seconds, costs are the recorded device seconds in whole
 * microseconds, and a full training is the median of the complete ones. Budgets, payments and
 * the scheduler's device seconds follow, so that what is measured is what was optimised. */
#ifndef ESPALIER_REPLAY_PRICE_H
#define ESPALIER_REPLAY_PRICE_H

#include "table.h"

/* -EINVAL names the file and the trial whose seconds are missing or fall. */
int esp_table_price(struct esp_table *table, enum esp_price unit, struct esp_error *error);

/* "tokens" or "seconds". */
const char *esp_price_name(enum esp_price unit);
/* A cost as a number in that unit. */
double esp_price_number(enum esp_price unit, int64_t cost);

/* What the rest of a trial costs that has been trained to its point `next` (exclusive): as
 * recorded, and beyond the record at the pace that it had up to there. */
int64_t esp_table_rest(const struct esp_table *table, uint32_t trial, uint32_t next);

#endif
