/* Search for the new settings with the largest expected improvement under the posterior. */
#ifndef ESPALIER_SEARCH_ACQUISITION_H
#define ESPALIER_SEARCH_ACQUISITION_H

#include "posterior.h"

/* The drawn values for new trial `trial`, and what is predicted for them. The first trial of a
 * search is placed at the law's optimum where a scaling law is known, otherwise in the middle
 * of the space. A pure function of its arguments and the study's seed. */
struct esp_prediction_w esp_acquisition_maximise(const struct esp_loss_curves *curves,
                                                 const struct esp_posterior *posterior,
                                                 uint32_t trial,
                                                 double *values);

#endif
