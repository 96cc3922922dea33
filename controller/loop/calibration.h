/* Which finished studies a new one calibrates its discards on (controller/stop/discard.h).
 *
 * A study is taken when it
 *
 *   - has come to a planned end (complete or budget) with a trial at its horizon, and the end
 *     recorded a score; where it may have repeats, or searched by bayes, one of the best over
 *     all seeds (an older espalier recorded others, and its bayes began elsewhere),
 *   - is exchangeable with the new one (controller/stop/exchangeable.h),
 *   - is no copy of one that was taken: the same text (the seed included) tells nothing new.
 *
 * Studies are looked for in `early_terminate.calibrate`, else in the folders beside DIR. */
#ifndef ESPALIER_LOOP_CALIBRATION_H
#define ESPALIER_LOOP_CALIBRATION_H

#include <espalier/error.h>
#include <espalier/study.h>

struct esp_calibration {
    double *scores; /* owned */
    uint32_t count;
    uint32_t looked_at; /* studies, comparable or not */
};

/* Gathers for a study that is to begin in `dir` (need not exist) from a file in the folder
 * `base`. Nothing to gather, with a risk of 0 or none comparable, is 0 with no scores. -EINVAL:
 * an entry of `calibrate` names no study, or by name one that cannot be compared; the error
 * begins with file:line:column. */
int esp_calibration_gather(const struct esp_study *study,
                           const char *dir,
                           const char *file,
                           const char *base,
                           struct esp_calibration *out,
                           struct esp_error *error);
void esp_calibration_release(struct esp_calibration *calibration);

#endif
