/* Measured speed of matrix products on a device, with which training speed is compared. */
#ifndef ESPALIER_TRIAL_PEAK_H
#define ESPALIER_TRIAL_PEAK_H

#include <espalier/kernels.h>

/* Floating-point operations per second in the best of several rounds of one large product
 * through the op table, in the device's activation type: 2 · rows · in · out each. Takes about
 * `seconds`. -ENOMEM, -EIO. */
int esp_peak_measure(const struct esp_kernels *kernels,
                     double seconds,
                     double *flops_per_second,
                     struct esp_error *error);

#endif
