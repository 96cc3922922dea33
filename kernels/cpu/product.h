/* Products of the linear operations, whose result is worked on further by blocks of rows while
 * it is in the cache. */
#ifndef ESP_CPU_PRODUCT_H
#define ESP_CPU_PRODUCT_H

#include "gemm.h"
#include "state.h"

/* c[m, n] = a[m, k] · b[k, n], or c += with `accumulate`. `after` (may be NULL) is told of each
 * block of rows of c that is complete. */
struct product {
    int64_t m, n, k;
    struct matrix a, b;
    int accumulate;
    real *c;
    int64_t c_step;
    void (*after)(const void *context, int64_t row, int64_t rows);
    const void *context;
};

void ESP_CPU(multiply)(const struct product *p, const struct esp_cpu_state *state);

#endif
