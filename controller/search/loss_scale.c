#include "loss_scale.h"

#include <espalier/compare.h>
#include <math.h>
#include <stdlib.h>

/* The scale is the spread of the better half, but not less than this share of the best loss. */
#define SCALE_SHARE_MIN 0.02
/* With a known law the scale is this share of the best loss. */
#define LAW_SCALE_SHARE 0.03

double esp_compress(double e)
{
    if (isnan(e) || e > 1) {
        return isfinite(e) ? fmin(1 + log(e), ESP_W_MAX) : ESP_W_MAX;
    }
    return e;
}

void esp_loss_scale_make(struct esp_loss_scale *scale, double *z, int count, bool known_law)
{
    qsort(z, (size_t)count, sizeof *z, esp_compare_doubles);
    scale->best = count > 0 ? z[0] : 0;
    double spread = count > 1 ? z[count / 2] - z[0] : 0;
    bool fixed = known_law && scale->best > 0;
    double least = (fixed ? LAW_SCALE_SHARE : SCALE_SHARE_MIN) * fabs(scale->best);
    scale->scale = fmax(fixed ? 0 : spread, fmax(least, 1e-12));
}
