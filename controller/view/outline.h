/* What a study file asks for: the search space, the number of trials, the horizon, the data and
 * the calibration of discards. */
#ifndef ESPALIER_VIEW_OUTLINE_H
#define ESPALIER_VIEW_OUTLINE_H

#include "buffer.h"

#include <espalier/study.h>

/* Appends some lines for people. `scores` are those of the finished studies that a run would be
 * calibrated on. */
void esp_outline_text(const struct esp_study *study,
                      const double *scores,
                      int64_t score_count,
                      struct esp_buffer *out);

/* Appends {"study","method","metric","goal","run_cap","settings","parameters":[names],"tokens",
 * "data"} and a line end. "settings": 0 where they are not finite, or more than the trials of a
 * study. */
void esp_outline_json(const struct esp_study *study, struct esp_buffer *out);

#endif
