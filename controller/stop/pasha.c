#include "pasha.h"

#include <math.h>

bool esp_pasha_order_changed(const double *here, const double *below, uint32_t count)
{
    double noise = 0;
    for (uint32_t i = 0; i + 1 < count; i++) {
        if (below[i] > below[i + 1] && isfinite(here[i + 1])) {
            noise = fmax(noise, here[i + 1] - here[i]);
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t k = i + 1; k < count; k++) {
            if (below[i] > below[k] && here[k] - here[i] > noise) {
                return true;
            }
        }
    }
    return false;
}
