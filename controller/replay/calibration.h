/* Scores of finished searches, which `--risk` is calibrated on (controller/stop/discard.h).
 *
 * They are read from a file, one number per line, as `best_score` of `replay --json`; '#'
 * begins a comment. With `--calibrate`, each table's searches are calibrated on the scores of
 * the other tables' searches, of all seeds, which are run first at risk 0.
 *
 * The score is that of the table's best trial, which a replay knows, and not that of the best
 * trial that the search completed (esp_scheduler_score). A search that pauses the table's best
 * early and never completes it would otherwise suggest that the best is never far behind. On
 * 100 tables of 24 trials drawn from shakespeare-d96-l3, with random and asha at risk 0.05, the
 * table's best was discarded in 0.5 % of searches with this score, and in 16 % with the other,
 * whose guarantee holds only for the trial that the search itself would have found.
 *
 * Split conformal prediction guarantees the risk for exchangeable studies. Here the tables are
 * exchangeable, and the seeds on one table are alike: many seeds on few tables make the limit
 * steadier, but the guarantee no stronger. */
#ifndef ESPALIER_REPLAY_CALIBRATION_H
#define ESPALIER_REPLAY_CALIBRATION_H

#include <espalier/error.h>

/* More scores would not change the limit noticeably. */
#define ESP_SCORES_MAX (1 << 20)

struct esp_scores {
    double *numbers; /* NaN: a search that completed no trial */
    int count;
};

/* -EINVAL names file, line and value. Release the scores. */
int esp_scores_read(const char *path, struct esp_scores *scores, struct esp_error *error);
void esp_scores_release(struct esp_scores *scores);

/* Copies the scores without those of one table; `all` holds `seeds` scores per table, in order.
 * -ENOMEM. */
int esp_scores_without(const struct esp_scores *all,
                       int table,
                       int seeds,
                       struct esp_scores *others);

#endif
