/* The two CSV files of a table (table.h): its trials, and their curves. */
#ifndef ESPALIER_REPLAY_TABLE_CSV_H
#define ESPALIER_REPLAY_TABLE_CSV_H

#include "table.h"

/* Reserves the table's trials and fills in drawn values, places and the ranges that the
 * description left open. -EINVAL names file, line and value. */
int esp_table_read_trials(struct esp_table *table, const char *path, struct esp_error *error);
/* Fills in points, ends and horizons; after esp_table_read_trials. -EINVAL as above. */
int esp_table_read_curves(struct esp_table *table, const char *path, struct esp_error *error);

#endif
