/* Opens the backend that a device name asks for. */
#ifndef ESPALIER_TRIAL_DEVICE_H
#define ESPALIER_TRIAL_DEVICE_H

#include <espalier/kernels.h>

/* The CUDA backend, beside the executable: a shared object, so that one build serves machines
 * with and without a GPU and nobody loads cuBLAS who does not need it. */
#define ESP_DEVICE_CUDA_OBJECT "espalier-cuda.so"

/* `device`: "cpu"; "cuda" or "cuda:N"; "auto": a GPU where there is one that works, else the
 * CPU. -EINVAL: another name; -ENODEV, -ENOTSUP: no such device or backend. Close with
 * esp_kernels_close. */
int esp_device_open(const char *device, struct esp_kernels **kernels, struct esp_error *error);

#endif
