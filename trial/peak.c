/* See peak.h. Inputs are random: with zeros a GPU's clock is a tenth higher. */
#include "peak.h"

#include <errno.h>
#include <espalier/clock.h>
#include <espalier/random.h>
#include <stdlib.h>

/* Extents of the product: so large that packing operands costs below 1 %. A device needs larger
 * ones to be fully used. */
#define CPU_EXTENT 1536
#define DEVICE_EXTENT 8192

/* Values that are drawn: more than CPU_EXTENT's square. A device's matrices are filled with
 * copies of them, because drawing 2^26 values for each would take the host seconds. */
#define DRAWN ((int64_t)1 << 22)

/* Small random values in the activation type: floats, or the upper half of floats for bf16. In
 * fp16 the same bits are small finite numbers too. */
static int fill(const struct esp_kernels *kernels, void *memory, int64_t count)
{
    size_t bytes = kernels->activation_bytes;
    const int64_t drawn = count < DRAWN ? count : DRAWN;
    uint8_t *host = malloc((size_t)drawn * bytes);
    if (!host) {
        return -ENOMEM;
    }
    for (int64_t i = 0; i < drawn; i++) {
        struct esp_random_block r = esp_random_at(1, 0, ESP_RANDOM_SIMULATION, (uint64_t)i);
        double value = esp_random_unit(r.word[0], r.word[1]) - 0.5;
        float single = (float)value;
        if (bytes == sizeof value) {
            __builtin_memcpy(host + (size_t)i * bytes, &value, bytes);
        } else if (bytes == sizeof single) {
            __builtin_memcpy(host + (size_t)i * bytes, &single, bytes);
        } else {
            __builtin_memcpy(host + (size_t)i * bytes, (uint8_t *)&single + 2, bytes);
        }
    }
    int rc = kernels->upload(kernels, memory, host, (size_t)drawn * bytes);
    for (int64_t at = drawn; at < count && rc == 0; at += drawn) {
        const int64_t some = count - at < drawn ? count - at : drawn;
        kernels->copy(
            kernels, (uint8_t *)memory + (size_t)at * bytes, memory, (size_t)some * bytes);
    }
    free(host);
    return rc;
}

static int run_rounds(const struct esp_kernels *kernels,
                      const struct esp_batch *batch,
                      const struct esp_linear_forward *product,
                      double seconds,
                      double *flops_per_second,
                      struct esp_error *error)
{
    double work = 2.0 * (double)product->rows.count * product->width_in * product->width_out;
    double begin = esp_clock_seconds(), best = 0;
    kernels->linear_forward(kernels, batch, product); /* warms up pages, caches and clocks */
    int rc = kernels->synchronise(kernels, error);
    while (rc == 0 && (best == 0 || esp_clock_seconds() - begin < seconds)) {
        double start = esp_clock_seconds();
        kernels->linear_forward(kernels, batch, product);
        rc = kernels->synchronise(kernels, error);
        double rate = work / (esp_clock_seconds() - start);
        best = rate > best ? rate : best;
    }
    *flops_per_second = best;
    return rc;
}

int esp_peak_measure(const struct esp_kernels *kernels,
                     double seconds,
                     double *flops_per_second,
                     struct esp_error *error)
{
    int extent = kernels->host_memory ? CPU_EXTENT : DEVICE_EXTENT;
    int64_t count = (int64_t)extent * extent;
    size_t bytes = (size_t)count * kernels->activation_bytes;
    struct esp_control control = {.active = 1, .sequences = 1};
    void *in = kernels->allocate(kernels, bytes);
    void *weight = kernels->allocate(kernels, bytes);
    void *out = kernels->allocate(kernels, bytes);
    struct esp_control *device_control = kernels->allocate(kernels, sizeof control);
    int rc = in && weight && out && device_control ? 0 : -ENOMEM;
    if (rc == 0) {
        rc = fill(kernels, in, count);
    }
    if (rc == 0) {
        rc = fill(kernels, weight, count);
    }
    if (rc == 0) {
        rc = kernels->upload(kernels, device_control, &control, sizeof control);
    }
    if (rc != 0) {
        esp_error_set(error, rc, "no memory to measure products of %zu bytes", bytes);
        goto out;
    }
    struct esp_batch batch = {
        .members = 1, .sequences = 1, .context = extent, .control = device_control};
    struct esp_linear_forward product = {
        .in = {in, count},
        .weight = {weight, count},
        .out = {out, count},
        .rows = {0, extent},
        .width_in = extent,
        .width_out = extent,
        .activation = ESP_KERNEL_LINEAR,
    };
    rc = run_rounds(kernels, &batch, &product, seconds, flops_per_second, error);
out:
    kernels->release(kernels, device_control);
    kernels->release(kernels, out);
    kernels->release(kernels, weight);
    kernels->release(kernels, in);
    return rc;
}
