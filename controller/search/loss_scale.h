/* Losses on the scale that the Gaussian process works on:
 *
 *   w = compress((z − best) / scale)
 *
 * z are projected final losses, `best` is the lowest of them, `scale` their spread. Compression
 * keeps one bad setting from hiding the differences among good ones: above 1 a loss counts by
 * its logarithm, and none is worse than e^3 scales. A trial that diverged has the largest w. */
#ifndef ESPALIER_SEARCH_LOSS_SCALE_H
#define ESPALIER_SEARCH_LOSS_SCALE_H

#include <stdbool.h>

#define ESP_W_MAX 4.0

struct esp_loss_scale {
    double best;
    double scale;
};

/* From `count` losses, which are sorted in place; infinite ones are left out by the caller.
 * `known_law`: a scaling law is known (scaling_law.h); then the scale is 3 % of the best
 * loss. */
void esp_loss_scale_make(struct esp_loss_scale *scale, double *z, int count, bool known_law);

/* e in scales above the best; NaN and infinity give ESP_W_MAX. */
double esp_compress(double e);

#endif
