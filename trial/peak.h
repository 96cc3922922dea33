/* The speed of matrix products on a device, measured, to judge training speed by. */
#ifndef ESPALIER_TRIAL_PEAK_H
#define ESPALIER_TRIAL_PEAK_H

#include <espalier/kernels.h>

/* Floating-point operations per second of the best of several rounds of one large product
 * through the op table, in the device's activation type: 2 · rows · in · out each. About
 * `seconds` long. -ENOMEM, -EIO. */
int esp_peak_measure(const struct esp_kernels *kernels,
                     double seconds,
                     double *flops_per_second,
                     struct esp_error *error);

#endif
