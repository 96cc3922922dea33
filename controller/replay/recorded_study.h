/* A recorded study of the user's own as a table: DIR/study.db, read while a controller may be
 * writing it.
 *
 * The trials are those that reported at least once; their order is the study's, their points
 * the report rows, their parameters what was drawn. How a trial's record ends:
 *
 *   its furthest report is at its horizon            complete
 *   it was stopped because its loss ran away         diverged
 *   FAILED                                           failed
 *   anything else (paused, pruned, stopped, running) censored: what would have come is unknown
 *
 * The searched parameters and the trainer are the study's own, from its text in the ledger;
 * distances are taken in [0, 1] of each parameter's distribution, and between choices in
 * octaves when they are numbers that span a factor of four, as the samplers do. */
#ifndef ESPALIER_REPLAY_RECORDED_STUDY_H
#define ESPALIER_REPLAY_RECORDED_STUDY_H

#include "table.h"

/* Reads the study in `path`, a folder or its study.db. -ENOENT without a ledger, -EINVAL for
 * another program's, for one without reports or without a trial at its horizon, for trials
 * whose horizons cannot be compared; the words name the file and the remedy. */
int esp_recorded_study_read(const char *path, struct esp_table *table, struct esp_error *error);

#endif
