/* Reads a recorded study, DIR/study.db, as a table. A controller may be writing it meanwhile.
 *
 * The rows are the trials with a report, in the study's order. Their points are the report
 * rows, their parameters the drawn values. How a trial's record ends:
 *
 *   its last report is at its horizon                complete
 *   it was stopped because its loss diverged         diverged
 *   FAILED                                           failed
 *   anything else (paused, pruned, stopped, running) censored
 *
 * Parameters and trainer come from the study file in the ledger. Distances are taken in [0, 1]
 * of each parameter's distribution; between choices that are numbers and span a factor of four
 * they are taken in octaves, as in the samplers. */
#ifndef ESPALIER_REPLAY_RECORDED_STUDY_H
#define ESPALIER_REPLAY_RECORDED_STUDY_H

#include "table.h"

/* Reads the study in `path`, a folder or its study.db. -ENOENT: there is no ledger. -EINVAL:
 * the database is not a ledger, no trial has a report or is at its horizon, or the horizons of
 * trials differ. The error names the file and the remedy. */
int esp_recorded_study_read(const char *path, struct esp_table *table, struct esp_error *error);

#endif
