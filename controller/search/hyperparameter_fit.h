/* MAP estimate of the hyperparameters: evidence of the posterior times their prior, maximised
 * with NLopt (LN_SBPLX) from a starting point. */
#ifndef ESPALIER_SEARCH_HYPERPARAMETER_FIT_H
#define ESPALIER_SEARCH_HYPERPARAMETER_FIT_H

#include "posterior.h"

/* Writes the estimate as a packed vector (hyperparameters.h); false: no estimate, out of
 * memory. Deterministic. */
bool esp_hyperparameters_fit(const struct esp_loss_curves *curves,
                             const struct esp_mean_functions *means,
                             const struct esp_hyperparameters *start,
                             double *numbers);

#endif
