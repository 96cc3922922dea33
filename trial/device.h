/* Opens the backend of a device name. */
#ifndef ESPALIER_TRIAL_DEVICE_H
#define ESPALIER_TRIAL_DEVICE_H

#include <espalier/kernels.h>

/* The CUDA backend, in the executable's folder. It is a shared object, so that one build serves
 * machines with and without a GPU, and cuBLAS is loaded only when it is needed. */
#define ESP_DEVICE_CUDA_OBJECT "espalier-cuda.so"

/* `device`: "cpu"; "cuda" or "cuda:N"; "auto": a GPU that works, else the CPU. -EINVAL: another
 * name; -ENODEV, -ENOTSUP: no such device or backend. Close with esp_kernels_close. */
int esp_device_open(const char *device, struct esp_kernels **kernels, struct esp_error *error);

#endif
