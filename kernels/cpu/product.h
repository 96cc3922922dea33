/* Products of the linear operations. Their epilogue works on finished blocks of the result
 * while they are in the cache. Each level has one implementation: product_tiles.c,
 * product_blas.c or product_bf16.c. */
#ifndef ESP_CPU_PRODUCT_H
#define ESP_CPU_PRODUCT_H

#include "gemm.h"
#include "state.h"

/* A matrix [rows, columns] of which only the elements with column ≤ row + shift matter. The
 * others may be anything in the result, and are zero in the left operand (as it is stored). A
 * product may use this to save work, and may as well compute everything. */
enum triangle { TRIANGLE_NONE, TRIANGLE_RESULT, TRIANGLE_LEFT };

/* c[m, n] = a[m, k] · b[k, n], or c += with `accumulate`. `after` (may be NULL) is called for
 * each block of c that is complete: `rows` rows from `row` by `columns` columns from `column`.
 * `second` is a second matrix that `after` reads or writes, with c's shape and step, or NULL: a
 * hint to prefetch it. `sums` [n] (may be NULL) += Σ over k of b, which then is not transposed
 * and has b.step = n; computing them while b is packed saves a pass over it. */
struct product {
    int64_t m, n, k;
    struct matrix a, b;
    int accumulate;
    enum triangle triangle;
    int64_t shift;
    real *c;
    int64_t c_step;
    void (*after)(const void *context, int64_t row, int64_t rows, int column, int columns);
    const real *second;
    const void *context;
    real *sums;
};

void ESP_CPU(multiply)(const struct product *p, const struct esp_cpu_state *state);

/* Queries of attention per product, at most ESP_CPU_QUERIES. Many where the product leaves out
 * triangles, so that keys are packed once; few elsewhere, to compute fewer scores that the
 * causal mask discards. */
extern const int ESP_CPU(queries);
#define ESP_CPU_QUERIES_WASTED 64

#endif
