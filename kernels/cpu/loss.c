/* Softmax and cross entropy of a chunk of logits. The logits are overwritten by their gradient.
 */
#include "cpu.h"
#include "vmath.h"

#include <math.h>

/* Largest logit of a row. With a NaN in the row the sum below is NaN, whatever this returns. */
ESP_INLINE real row_largest(const real *x, int count)
{
    vec largest = vec_set((real)-INFINITY);
    int c = 0;
    for (; c + LANES <= count; c += LANES) {
        largest = vec_max(largest, vec_load(x + c));
    }
    if (c < count) {
        largest = vec_max(largest, vec_load_part(x + c, count - c, (real)-INFINITY));
    }
    return vec_largest(largest);
}

/* Σ exp(x − largest); with `keep` x becomes exp(x − largest). */
ESP_INLINE real row_exp(real *x, int count, real largest, bool keep)
{
    vec sum = {0};
    int c = 0;
    for (; c + LANES <= count; c += LANES) {
        vec e = vec_exp(vec_load(x + c) - largest);
        sum += e;
        if (keep) {
            vec_store(x + c, e);
        }
    }
    if (c < count) {
        vec e = vec_exp(vec_load_part(x + c, count - c, (real)-INFINITY) - largest);
        sum += e;
        if (keep) {
            vec_store_part(x + c, e, count - c);
        }
    }
    return vec_sum(sum);
}

static void one_member(const struct esp_batch *batch, const struct esp_cross_entropy *op, int k)
{
    const int64_t rows = rows_within(batch, k, op->rows);
    const int32_t *targets = tokens_of(op->targets, k) + op->rows.first;
    const real loss_scale = (real)batch->control[k].loss_scale;
    const int padded = op->vocabulary_padded;
    struct esp_loss_sum *loss = &op->loss[k];
    for (int64_t n = 0; n < rows; n++) {
        real *x = member_of(op->logits, k) + n * padded;
        const int32_t target = targets[n];
        if (target < 0) {
            if (op->gradient) {
                memset(x, 0, (size_t)padded * sizeof(real));
            }
            continue;
        }
        const real largest = row_largest(x, op->vocabulary);
        const real at_target = x[target];
        const real sum = row_exp(x, op->vocabulary, largest, op->gradient);
        loss->sum += (double)largest + log((double)sum) - (double)at_target;
        loss->count++;
        if (op->gradient) {
            const real scale = loss_scale / sum;
            for (int c = 0; c < op->vocabulary; c++) {
                x[c] *= scale;
            }
            x[target] -= loss_scale;
            const size_t rest = (size_t)(padded - op->vocabulary);
            memset(x + op->vocabulary, 0, rest * sizeof(real));
        }
    }
}

void ESP_CPU(cross_entropy)(const struct esp_kernels *kernels,
                            const struct esp_batch *batch,
                            const struct esp_cross_entropy *op)
{
    (void)kernels;
    FOR_ACTIVE(batch, k)
    {
        one_member(batch, op, k);
    }
}
