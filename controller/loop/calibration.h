/* Gathers the scores of finished studies on which a new study calibrates its discards
 * (controller/stop/discard.h).
 *
 * The score of a study is used when the study
 *
 *   - has ended as planned (complete or budget), with a trial at its horizon, and recorded a
 *     score. If it may have repeats or used bayes, this must be a score over all seeds: older
 *     versions recorded other scores, and their bayes started from other trials,
 *   - is exchangeable with the new study (controller/stop/exchangeable.h),
 *   - is not a copy of one that is used already: the same text, including the seed, adds no
 *     information.
 *
 * The studies are those of `early_terminate.calibrate`, or else the folders next to DIR. */
#ifndef ESPALIER_LOOP_CALIBRATION_H
#define ESPALIER_LOOP_CALIBRATION_H

#include <espalier/error.h>
#include <espalier/study.h>

struct esp_calibration {
    double *scores; /* owned */
    uint32_t count;
    uint32_t examined_count; /* number of studies examined, whether used or not */
};

/* Gathers the scores for a study that will begin in `dir` (which need not exist) from a file in
 * the folder `base`. Returns 0, without scores if the risk is 0 or no study qualifies. -EINVAL:
 * an entry of `calibrate` finds no study, or names a study that does not qualify; the error
 * begins with file:line:column. */
int esp_calibration_gather(const struct esp_study *study,
                           const char *dir,
                           const char *file,
                           const char *base,
                           struct esp_calibration *out,
                           struct esp_error *error);
void esp_calibration_release(struct esp_calibration *calibration);

#endif
