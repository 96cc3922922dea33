/* The unit of costs in a replay: tokens, or seconds of device time.
 *
 * A table is read with costs in tokens: the `cost` of a point is its tokens, and a full
 * training costs the horizon. In seconds, costs are the recorded device seconds in whole
 * microseconds, and a full training costs the median of the complete ones. Budgets, payments
 * and the device seconds that a scheduler sees are in the same unit, so that the cost that is
 * measured is the one that was optimised. */
#ifndef ESPALIER_REPLAY_COST_UNIT_H
#define ESPALIER_REPLAY_COST_UNIT_H

#include "table.h"

/* Sets the unit and all costs. -EINVAL: the seconds of a trial, which the error names, are
 * missing or fall. */
int esp_table_set_unit(struct esp_table *table,
                       enum esp_cost_unit unit,
                       struct esp_error *error);

/* "tokens" or "seconds". */
const char *esp_cost_unit_name(enum esp_cost_unit unit);
/* A cost as a number in that unit. */
double esp_cost_number(enum esp_cost_unit unit, int64_t cost);

/* Cost from point `next` (exclusive) of a trial to its horizon: as recorded, and beyond the
 * record at the pace of the record. */
int64_t esp_table_rest(const struct esp_table *table, uint32_t trial, uint32_t next);

#endif
