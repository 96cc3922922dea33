/* The remedy for a tie that a spent budget has left: the limits that would have to be raised,
 * and their new values, so that the search starts with another seed of each leading setting.
 *
 * Trials that the budget has interrupted continue first, so their remaining training is added.
 * The scheduler is asked, with the raised limits, whether the study would then start with the
 * repeats. */
#ifndef ESPALIER_CORE_REMEDY_H
#define ESPALIER_CORE_REMEDY_H

#include "state.h"

/* For the end of a study whose budget is spent. All members are 0 when there is no tie, or when
 * the study would start with something else. */
struct esp_tie_remedy esp_find_tie_remedy(struct esp_core *core);

#endif
