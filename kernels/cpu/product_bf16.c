/* Products in bfloat16: operands are rounded to nearest even while they are packed, sums are
 * float32. Activations, parameters and gradients are float32 in memory. */
#include "cpu.h"
#include "onednn.h"
#include "product.h"

#include <immintrin.h>

/* Rows of one product with an epilogue, as in product_blas.c: its result stays in the cache. */
#define ROWS_BLOCK 256

/* Smallest product, in multiplications, that is worth the conversions and the call: 2^16
 * multiplications take 1 µs in float32. */
#define SMALL (1 << 16)

/* the same product in float32, for small ones */
void esp_cpu_multiply_f32_v4(const struct product *p, const struct esp_cpu_state *state);

/* `rows` rows of `columns` numbers, `step` apart, packed. */
static void
round_rows(const float *from, int64_t step, int64_t rows, int64_t columns, uint16_t *to)
{
    for (int64_t i = 0; i < rows; i++, from += step, to += columns) {
        int64_t c = 0;
        for (; c + 32 <= columns; c += 32) {
            const __m512bh two =
                _mm512_cvtne2ps_pbh(_mm512_loadu_ps(from + c + 16), _mm512_loadu_ps(from + c));
            _mm512_storeu_si512(to + c, (__m512i)two);
        }
        for (; c < columns; c += 16) {
            const __mmask16 mask =
                (__mmask16)((1u << (columns - c < 16 ? columns - c : 16)) - 1);
            const __m256bh one = _mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(mask, from + c));
            _mm256_mask_storeu_epi16(to + c, mask, (__m256i)one);
        }
    }
}

const int ESP_CPU(queries) = ESP_CPU_QUERIES_WASTED;

void ESP_CPU(multiply)(const struct product *p, const struct esp_cpu_state *state)
{
    if (p->m * p->n * p->k < SMALL) {
        esp_cpu_multiply_f32_v4(p, state);
        return;
    }
    struct esp_cpu_onednn *library = state->onednn;
    uint16_t *a = esp_cpu_onednn_operand(library, 0, p->m * p->k);
    uint16_t *b = esp_cpu_onednn_operand(library, 1, p->k * p->n);
    if (!a || !b) {
        return; /* the library records the failure */
    }
    const int64_t a_rows = p->a.transposed ? p->k : p->m;
    const int64_t b_rows = p->b.transposed ? p->n : p->k;
    round_rows(p->a.data, p->a.step, a_rows, p->m * p->k / a_rows, a);
    round_rows(p->b.data, p->b.step, b_rows, p->k * p->n / b_rows, b);
    const int64_t block = p->after && !p->a.transposed ? ROWS_BLOCK : p->m;
    for (int64_t i = 0; i < p->m; i += block) {
        const int64_t rows = p->m - i < block ? p->m - i : block;
        esp_cpu_onednn_multiply(library,
                                &(struct esp_cpu_onednn_product){
                                    .m = rows,
                                    .n = p->n,
                                    .k = p->k,
                                    .a = a + i * p->k,
                                    .b = b,
                                    .a_transposed = p->a.transposed,
                                    .b_transposed = p->b.transposed,
                                    .accumulate = p->accumulate,
                                    .c = p->c + i * p->c_step,
                                    .c_step = p->c_step,
                                });
        if (p->after) {
            p->after(p->context, i, rows, 0, (int)p->n);
        }
    }
    if (p->sums) {
        ESP_CPU(add_columns)(p->b.data, p->k, (int)p->n, p->sums);
    }
}
