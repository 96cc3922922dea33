/* Which finished studies a new one calibrates its discards on (controller/stop/discard.h).
 *
 * The promise there needs studies that are exchangeable: before they ran, nothing told the new
 * one from the others as far as the score is concerned. What makes a score larger or smaller is
 * how many rivals a trial meets, and where it waits among them; so a study is taken when it
 *
 *   - has come to a planned end (complete or budget) with a trial at its horizon, and the end
 *     recorded a score; where it may have repeats, or searched by bayes, one of the best over
 *     all seeds (an older espalier recorded others, and its bayes began elsewhere),
 *   - has the same metric, goal, method and kind of prior (where the trials lie),
 *   - has the same scheduler with the same form, eta, repeats (some of the trials are kept for
 *     them) and, within a factor of 1.5, the same first and last rung as shares of the horizon
 *     (when they wait),
 *   - was planned for as many settings or up to twice as many (a score counts rivals: fewer
 *     would make the limit too small, more only make it cautious; 1/10 less is let pass). A
 *     plan is run_cap, or the budget in full trainings, less what is kept of it for repeats,
 *     which are nobody's rivals, or the grid's size; studies without a plan go with others
 *     without one,
 *   - is no copy of one that was taken: the same text (the seed included) tells nothing new.
 *
 * Data, model, horizon and batch sizes may differ: the promise is about the user's studies as
 * they come. Where they come from: `early_terminate.calibrate`, else the folders beside DIR. */
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
