/* Products by the BLAS, for the levels without tiles of their own. See product.h. */
#include "cpu.h"
#include "product.h"

/* Rows of one product: few enough that its result stays in an L2 cache of 1 MiB (256 · 1024 ·
 * 4), enough for the BLAS, which packs the weights again for every block. */
#define ROWS_BLOCK 256

const int ESP_CPU(queries) = ESP_CPU_QUERIES_WASTED;

void ESP_CPU(multiply)(const struct product *p, const struct esp_cpu_state *state)
{
    const int64_t block = p->after ? ROWS_BLOCK : p->m;
    const int64_t row_step = p->a.transposed ? 1 : p->a.step;
    (void)state;
    for (int64_t i = 0; i < p->m; i += block) {
        const int64_t rows = p->m - i < block ? p->m - i : block;
        struct matrix a = p->a;
        a.data += i * row_step;
        gemm(rows,
             p->n,
             p->k,
             1,
             a,
             p->b,
             p->accumulate ? 1 : 0,
             p->c + i * p->c_step,
             p->c_step);
        if (p->after) {
            p->after(p->context, i, rows, 0, (int)p->n);
        }
    }
    if (p->sums) {
        ESP_CPU(add_columns)(p->b.data, p->k, (int)p->n, p->sums);
    }
}
