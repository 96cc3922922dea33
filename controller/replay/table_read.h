/* Reads a table of recorded trainings: NAME.yaml, NAME.trials.csv, NAME.curves.csv.
 *
 *   NAME.yaml          name, horizon, model {parameters, context}, metric, schedule (a type, or
 *                      {type, warmup, decay, floor} as in a study file; without it the schedule
 *                      is unknown),
 *                      parameters {NAME: {scale: linear | log | log1m, min, max, values}},
 *                      trials and curves: other names of the two files
 *   NAME.trials.csv    trial and one column per parameter
 *   NAME.curves.csv    trial,tokens,loss,seconds; ordered; seconds may be empty
 *
 * `scale` says in which space distances are taken and proposals are uniform: log(x), or
 * log(1 - x) for log1m. Ranges that the file does not give come from the trials. */
#ifndef ESPALIER_REPLAY_TABLE_READ_H
#define ESPALIER_REPLAY_TABLE_READ_H

#include "table.h"

/* -EINVAL and other errors name file, line and value. Release with esp_table_release. */
int esp_table_read(const char *path, struct esp_table *table, struct esp_error *error);

#endif
