/* What `--risk` is calibrated on (controller/stop/discard.h): scores of finished searches.
 *
 * From a file: one number per line, as `best_score` of `replay --json` gives them; '#' begins a
 * comment. Or left out of one call: each table's searches are calibrated on the scores of the
 * other tables' searches, all seeds of them, that were run before at risk 0.
 *
 * The score is that of the table's best trial, which a replay knows, rather than that of the
 * best trial that the search completed (esp_scheduler_score): a search that pauses the table's
 * best early and never completes it would teach from its winners alone that the best is never
 * far behind. Measured on 100 tables of 24 trials drawn from shakespeare-d96-l3 with random and
 * asha at risk 0.05, the table's best was given up in 0.5 % of searches with this score and in
 * 16 % with the other, which keeps its promise only for the trial that the search itself would
 * have found.
 *
 * The promise of split conformal prediction is for exchangeable studies, and it is the tables
 * that are exchangeable; the seeds on one table are alike, so many seeds on few tables make the
 * limit steadier and the promise no stronger. */
#ifndef ESPALIER_REPLAY_CALIBRATION_H
#define ESPALIER_REPLAY_CALIBRATION_H

#include <espalier/error.h>

/* A million finished searches say what there is to say. */
#define ESP_SCORES_MAX (1 << 20)

struct esp_scores {
    double *numbers; /* NaN: a search that completed no trial */
    int count;
};

/* -EINVAL names file, line and value. */
int esp_scores_read(const char *path, struct esp_scores *scores, struct esp_error *error);
void esp_scores_release(struct esp_scores *scores);

/* The scores without those of one table: `all` holds `seeds` for each in turn. -ENOMEM. */
int esp_scores_without(const struct esp_scores *all,
                       int table,
                       int seeds,
                       struct esp_scores *others);

#endif
