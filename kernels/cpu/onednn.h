/* Products of bfloat16 by oneDNN, which knows the processor's own instructions for them
 * (AVX512_BF16, AMX). The library is opened at run time: who trains in fp32 never loads it, and
 * a build made with it runs without. */
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

/* Whether it was built in and is installed. */
bool esp_cpu_onednn_there(void);

/* -ENOTSUP: not built with it, or the library is not installed; -ENOMEM. */
int esp_cpu_onednn_open(struct esp_cpu_onednn **library, struct esp_error *error);
void esp_cpu_onednn_close(struct esp_cpu_onednn *library);

/* Room for `count` bfloat16 numbers as operand 0 or 1; stays until more is asked for. NULL: no
 * memory, which is kept as a failure. */
uint16_t *esp_cpu_onednn_operand(struct esp_cpu_onednn *library, int operand, int64_t count);

/* A failure is kept, and nothing is done after it. */
void esp_cpu_onednn_multiply(struct esp_cpu_onednn *library,
                             const struct esp_cpu_onednn_product *product);

/* 0, or what failed since the library was opened. NULL: 0. */
int esp_cpu_onednn_failure(const struct esp_cpu_onednn *library, struct esp_error *error);

#endif
