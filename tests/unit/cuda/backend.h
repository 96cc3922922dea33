/* The backend under test: the emulated one that is linked in, or the one on this machine's GPU
 * when ESPALIER_CUDA_OBJECT names a shared object. */
#ifndef ESP_TEST_CUDA_BACKEND_H
#define ESP_TEST_CUDA_BACKEND_H

#include <espalier/kernels.h>

#include "kernels/emu/order.h"

#include <dlfcn.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

int esp_kernels_open_as(int device,
                        enum esp_precision precision,
                        struct esp_kernels **kernels,
                        struct esp_error *error);

static inline bool on_a_gpu(void)
{
    return getenv("ESPALIER_CUDA_OBJECT") != NULL;
}

static inline struct esp_kernels *open_backend(enum esp_precision precision)
{
    const char *path = getenv("ESPALIER_CUDA_OBJECT");
    esp_kernels_open_as_function open_as = esp_kernels_open_as;
    struct esp_kernels *k = NULL;
    struct esp_error error;
    if (path) {
        void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        if (!object) {
            fail_msg("%s", dlerror());
        }
        void *symbol = dlsym(object, "esp_kernels_open_as");
        assert_non_null(symbol);
        memcpy(&open_as, &symbol, sizeof open_as);
    }
    if (open_as(0, precision, &k, &error)) {
        fail_msg("%s", error.text);
    }
    assert_int_equal(k->version, ESP_KERNELS_VERSION);
    return k;
}

static inline struct esp_kernels *open_reference(void)
{
    struct esp_kernels *k = NULL;
    struct esp_error error;
    if (esp_kernels_open_cpu_f64(&k, &error)) {
        fail_msg("%s", error.text);
    }
    return k;
}

static inline void settle(const struct esp_kernels *k)
{
    struct esp_error error;
    if (k->synchronise(k, &error)) {
        fail_msg("%s", error.text);
    }
}

/* The nearest value in a precision's activation type. */
static inline double rounded(double x, enum esp_precision precision)
{
    const double size = fabs(x);
    const int digits = precision == ESP_PRECISION_BF16   ? 8
                       : precision == ESP_PRECISION_FP16 ? 11
                                                         : 24;
    const int least = precision == ESP_PRECISION_FP16 ? -24 : -149;
    int exponent = 0;
    if (!(size > 0) || isinf(x)) {
        return x;
    }
    frexp(x, &exponent);
    const int unit = exponent - digits < least ? least : exponent - digits;
    return ldexp(nearbyint(ldexp(x, -unit)), unit);
}

/* Converts host doubles to and from a backend's activation type (A) or real type (R). */
static inline void
pack(void *to, size_t size, enum esp_precision precision, int64_t at, double x)
{
    const double r = size == 8 ? x : rounded(x, precision);
    if (size == 8) {
        ((double *)to)[at] = r;
    } else if (size == 4) {
        ((float *)to)[at] = (float)r;
    } else if (precision == ESP_PRECISION_BF16) {
        const float f = (float)r;
        uint32_t word;
        memcpy(&word, &f, sizeof word);
        ((uint16_t *)to)[at] = (uint16_t)(word >> 16);
    } else {
        const _Float16 h = (_Float16)r;
        memcpy((uint16_t *)to + at, &h, sizeof h);
    }
}

static inline double unpack(const void *from, size_t size, enum esp_precision p, int64_t at)
{
    if (size == 8) {
        return ((const double *)from)[at];
    }
    if (size == 4) {
        return ((const float *)from)[at];
    }
    if (p == ESP_PRECISION_BF16) {
        const uint32_t word = (uint32_t)((const uint16_t *)from)[at] << 16;
        float f;
        memcpy(&f, &word, sizeof f);
        return f;
    }
    _Float16 h;
    memcpy(&h, (const uint16_t *)from + at, sizeof h);
    return (double)h;
}

#endif
