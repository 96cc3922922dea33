/* Products of the linear operations, whose result is worked on further by blocks while
 * it is in the cache. */
#ifndef ESP_CPU_PRODUCT_H
#define ESP_CPU_PRODUCT_H

#include "gemm.h"
#include "state.h"

/* A matrix [rows, columns] of which only the elements with column ≤ row + shift matter: what is
 * above them in the result may be anything, above them in the left operand (as it is stored) it
 * is zero. Leave, not duty: a product may compute it all. */
enum triangle { TRIANGLE_NONE, TRIANGLE_RESULT, TRIANGLE_LEFT };

/* c[m, n] = a[m, k] · b[k, n], or c += with `accumulate`. `after` (may be NULL) is told of each
 * block of c that is complete: `rows` rows from `row` by `columns` columns from `column`.
 * `beside` is what it reads or writes beside c (in c's shape and step), or NULL: a hint to
 * fetch it. `sums` [n] (may be NULL) += Σ over k of b, which then is not transposed and has
 * b.step = n: they are formed while b is packed, and spare a pass over it. */
struct product {
    int64_t m, n, k;
    struct matrix a, b;
    int accumulate;
    enum triangle triangle;
    int64_t shift;
    real *c;
    int64_t c_step;
    void (*after)(const void *context, int64_t row, int64_t rows, int column, int columns);
    const real *beside;
    const void *context;
    real *sums;
};

void ESP_CPU(multiply)(const struct product *p, const struct esp_cpu_state *state);

/* Queries of attention that these products want at a time, at most ESP_CPU_QUERIES: many where
 * triangles are left out, so that keys are packed once, few elsewhere, to waste less on what a
 * query does not see. */
extern const int ESP_CPU(queries);
#define ESP_CPU_QUERIES_WASTED 64

#endif
