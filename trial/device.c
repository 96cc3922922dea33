/* The CPU backend is linked in; the CUDA backend is opened at run time. See device.h. */
#include "device.h"

#include <dlfcn.h>
#include <errno.h>
#include <espalier/limits.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int object_path(char out[ESP_PATH_MAX], struct esp_error *error)
{
    char self[ESP_PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length < 0) {
        return esp_error_set(error, -errno, "cannot read /proc/self/exe: %s", strerror(errno));
    }
    self[length] = '\0';
    int n = snprintf(out, ESP_PATH_MAX, "%s/%s", dirname(self), ESP_DEVICE_CUDA_OBJECT);
    return n < ESP_PATH_MAX
               ? 0
               : esp_error_set(error, -ENAMETOOLONG, "the program's path is too long");
}

static int open_cuda(int ordinal, struct esp_kernels **kernels, struct esp_error *error)
{
    char path[ESP_PATH_MAX];
    int rc = object_path(path, error);
    if (rc != 0) {
        return rc;
    }
    if (access(path, R_OK) != 0) {
        return esp_error_set(error,
                             -ENOTSUP,
                             "device cuda: this build has no CUDA backend (%s is missing)",
                             path);
    }
    /* never closed: kernels point into it, and a CUDA context does not survive closing */
    void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!object) {
        return esp_error_set(error, -ENODEV, "device cuda: %s", dlerror());
    }
    esp_kernels_open_function open_function;
    void *symbol = dlsym(object, "esp_kernels_open");
    if (!symbol) {
        return esp_error_set(error, -ENOTSUP, "device cuda: %s is not a backend", path);
    }
    memcpy(&open_function, &symbol, sizeof open_function);
    rc = open_function(ordinal, kernels, error);
    if (rc == 0 && (*kernels)->version != ESP_KERNELS_VERSION) {
        esp_kernels_close(*kernels);
        *kernels = NULL;
        rc = esp_error_set(error,
                           -ENOTSUP,
                           "device cuda: %s belongs to another version; build it again",
                           path);
    }
    return rc;
}

int esp_device_open(const char *device, struct esp_kernels **kernels, struct esp_error *error)
{
    if (strcmp(device, "cpu") == 0) {
        return esp_kernels_open_cpu(kernels, error);
    }
    if (strcmp(device, "auto") == 0) {
        return open_cuda(0, kernels, NULL) == 0 ? 0 : esp_kernels_open_cpu(kernels, error);
    }
    if (strcmp(device, "cuda") == 0) {
        return open_cuda(0, kernels, error);
    }
    if (strncmp(device, "cuda:", 5) == 0) {
        char *end;
        long ordinal = strtol(device + 5, &end, 10);
        if (end != device + 5 && *end == '\0' && ordinal >= 0 && ordinal < 1024) {
            return open_cuda((int)ordinal, kernels, error);
        }
    }
    return esp_error_set(
        error, -EINVAL, "there is no device '%s'; use auto, cpu, cuda or cuda:N", device);
}
