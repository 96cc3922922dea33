/* What would settle a tie that a spent budget has left: which limits would have to be raised,
 * and to what, for the search to begin with another seed of each leading setting.
 *
 * Trials that the budget cut off go on first, so what remains to them is added. Whether the
 * study would then begin with the repeats is asked of the scheduler, with the raised limits. */
#ifndef ESPALIER_CORE_REMEDY_H
#define ESPALIER_CORE_REMEDY_H

#include "state.h"

/* For the end of a study whose budget is spent; all 0 where there is nothing to settle, or
 * where something else would come first. */
struct esp_tie_remedy esp_find_tie_remedy(struct esp_core *core);

#endif
