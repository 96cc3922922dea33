/* Whether the score of one study may calibrate the discards of another.
 *
 * The risk of discard.h holds for studies that are exchangeable: before they ran, nothing was
 * known that made their scores differ in distribution. A score depends on how many rivals a
 * trial meets and on where it waits among them. So two studies must have
 *
 *   - the same metric, goal, method and kind of prior, which decide where trials lie,
 *   - the same scheduler with the same form, eta and repeats (some trials are kept for them),
 *     and the same first and last rung as shares of the horizon, within a factor of 1.5, which
 *     decide where trials wait,
 *   - plans for as many settings, or up to twice as many. A score counts rivals: fewer would
 *     make the limit too small, more only make it cautious; a tenth fewer is accepted. A plan
 *     is run_cap, or the budget in full trainings, without what is kept for repeats (no trial
 *     is ranked against a repeat), or the size of the grid. Studies without a plan match each
 *     other.
 *
 * Data, model, horizon and batch sizes may differ: the risk is an average over the user's
 * studies. */
#ifndef ESPALIER_STOP_EXCHANGEABLE_H
#define ESPALIER_STOP_EXCHANGEABLE_H

#include <espalier/study.h>

/* Why the score of `other` must not calibrate `study`, in words that may follow a name and a
 * colon; NULL: it may. `run_cap` is that of `other` at its end. */
const char *esp_study_difference(const struct esp_study *study,
                                 const struct esp_study *other,
                                 double run_cap);

#endif
