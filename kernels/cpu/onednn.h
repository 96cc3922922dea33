/* Products of bfloat16 by oneDNN, which uses the processor's instructions for them
 * (AVX512_BF16, AMX). The library is opened at run time: training in fp32 never loads it, and a
 * build with support for it runs without it. */
#ifndef ESP_CPU_ONEDNN_H
#define ESP_CPU_ONEDNN_H

#include <espalier/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct esp_cpu_onednn;

/* c[m, n] = a[m, k] · b[k, n], or c += with `accumulate`; a and b are bfloat16, packed ([m, k],
 * or [k, m] when transposed), sums and c float32. */
struct esp_cpu_onednn_product {
    int64_t m, n, k;
    const uint16_t *a, *b;
    bool a_transposed, b_transposed;
    bool accumulate;
    float *c;
    int64_t c_step;
};

/* Whether support was built in and the library is installed. */
bool esp_cpu_onednn_available(void);

/* -ENOTSUP: built without support, or the library is not installed; -ENOMEM. */
int esp_cpu_onednn_open(struct esp_cpu_onednn **library, struct esp_error *error);
void esp_cpu_onednn_close(struct esp_cpu_onednn *library);

/* Memory for `count` bfloat16 numbers as operand 0 or 1, valid until more is requested. NULL:
 * out of memory, which is recorded as a failure. */
uint16_t *esp_cpu_onednn_operand(struct esp_cpu_onednn *library, int operand, int64_t count);

/* A failure is recorded, and later calls do nothing. */
void esp_cpu_onednn_multiply(struct esp_cpu_onednn *library,
                             const struct esp_cpu_onednn_product *product);

/* 0, or the first failure since the library was opened. NULL: 0. */
int esp_cpu_onednn_failure(const struct esp_cpu_onednn *library, struct esp_error *error);

#endif
