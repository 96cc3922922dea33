/* AdamW and SGD over a member's whole slab: gradient norm, clip, and the check for gradients
 * that are not finite. */
#include "cpu.h"

#include <math.h>

/* Partial sums in double, one per lane and block, so that the result does not depend on how the
 * compiler vectorises the loop. */
#define SQUARES_LANES 16

/* Σ g² in double. */
static double sum_squares(const real *g, int64_t count)
{
    double lane[SQUARES_LANES] = {0};
    int64_t i = 0;
    for (; i + SQUARES_LANES <= count; i += SQUARES_LANES) {
        for (int j = 0; j < SQUARES_LANES; j++) {
            double x = (double)g[i + j];
            lane[j] += x * x;
        }
    }
    for (; i < count; i++) {
        lane[0] += (double)g[i] * (double)g[i];
    }
    for (int half = SQUARES_LANES / 2; half > 0; half /= 2) {
        for (int j = 0; j < half; j++) {
            lane[j] += lane[j + half];
        }
    }
    return lane[0];
}

/* Factor that turns a summed gradient into a clipped mean; 0 when the update must be skipped.
 * Updates `result`. */
static double gradient_factor(const struct esp_control *control,
                              const real *grad,
                              int64_t count,
                              const struct esp_loss_sum *loss,
                              struct esp_update_result *result)
{
    result->loss_sum += loss->sum;
    result->count += loss->count;
    if (loss->count <= 0) {
        result->skipped++;
        return 0;
    }
    const double mean = 1.0 / ((double)loss->count * control->loss_scale);
    const double norm = sqrt(sum_squares(grad, count)) * mean;
    result->grad_norm = norm;
    if (!isfinite(norm) || !isfinite(loss->sum)) {
        result->skipped++;
        return 0;
    }
    result->updates++;
    const double clip = control->clip > 0 ? control->clip / (norm + 1e-6) : 1;
    return mean * (clip < 1 ? clip : 1);
}

/* The same for member k of an operation: 0 when the member is halted; halts a member whose
 * update is skipped. */
static double member_factor(const struct esp_batch *batch, const struct esp_optimize *op, int k)
{
    const struct esp_control *c = &batch->control[k];
    double factor = 0;
    if (!op->halted || !op->halted[k]) {
        const int64_t skipped = op->result[k].skipped;
        factor =
            gradient_factor(c, member_of(op->grad, k), op->count, &op->loss[k], &op->result[k]);
        if (op->halted) {
            op->halted[k] = op->result[k].skipped != skipped;
        }
    }
    op->loss[k] = (struct esp_loss_sum){0};
    return factor;
}

struct adamw_scalars {
    real factor, beta1, beta2, rest1, rest2, step, root2, epsilon;
};

static void adamw_part(real *restrict p,
                       real *restrict g,
                       real *restrict m,
                       real *restrict v,
                       int64_t count,
                       real shrink,
                       const struct adamw_scalars *scalars)
{
    const struct adamw_scalars s = *scalars;
    for (int64_t i = 0; i < count; i++) {
        const real gi = g[i] * s.factor;
        const real mi = s.beta1 * m[i] + s.rest1 * gi;
        const real vi = s.beta2 * v[i] + s.rest2 * gi * gi;
        m[i] = mi;
        v[i] = vi;
#if ESP_REAL_IS_FLOAT
        p[i] = p[i] * shrink - s.step * mi / (sqrtf(vi) * s.root2 + s.epsilon);
#else
        p[i] = p[i] * shrink - s.step * mi / (sqrt(vi) * s.root2 + s.epsilon);
#endif
        g[i] = 0;
    }
}

void ESP_CPU(adamw)(const struct esp_kernels *kernels,
                    const struct esp_batch *batch,
                    const struct esp_optimize *op)
{
    (void)kernels;
    FOR_ACTIVE(batch, k)
    {
        const struct esp_control *c = &batch->control[k];
        if (!c->update) {
            continue;
        }
        real *p = member_of(op->param, k), *g = member_of(op->grad, k);
        real *m = member_of(op->m, k), *v = member_of(op->v, k);
        const double factor = member_factor(batch, op, k);
        if (factor == 0) {
            memset(g, 0, (size_t)op->count * sizeof(real));
            continue;
        }
        const struct adamw_scalars s = {
            .factor = (real)factor,
            .beta1 = (real)c->beta1,
            .beta2 = (real)c->beta2,
            .rest1 = (real)(1 - c->beta1),
            .rest2 = (real)(1 - c->beta2),
            .step = (real)(c->learning_rate / (1 - pow(c->beta1, (double)c->updates))),
            .root2 = (real)(1 / sqrt(1 - pow(c->beta2, (double)c->updates))),
            .epsilon = (real)c->epsilon,
        };
        const int64_t d = op->decayed;
        adamw_part(p, g, m, v, d, (real)(1 - c->learning_rate * c->weight_decay), &s);
        adamw_part(p + d, g + d, m + d, v + d, op->count - d, 1, &s);
    }
}

static void sgd_part(real *restrict p,
                     real *restrict g,
                     real *restrict m,
                     int64_t count,
                     real factor,
                     real decay,
                     const struct esp_control *c)
{
    const real momentum = (real)c->momentum, step = (real)c->learning_rate;
    for (int64_t i = 0; i < count; i++) {
        const real mi = momentum * m[i] + (g[i] * factor + decay * p[i]);
        m[i] = mi;
        p[i] -= step * mi;
        g[i] = 0;
    }
}

void ESP_CPU(sgd)(const struct esp_kernels *kernels,
                  const struct esp_batch *batch,
                  const struct esp_optimize *op)
{
    (void)kernels;
    FOR_ACTIVE(batch, k)
    {
        const struct esp_control *c = &batch->control[k];
        if (!c->update) {
            continue;
        }
        real *p = member_of(op->param, k), *g = member_of(op->grad, k);
        real *m = member_of(op->m, k);
        const double factor = member_factor(batch, op, k);
        if (factor == 0) {
            memset(g, 0, (size_t)op->count * sizeof(real));
            continue;
        }
        const int64_t d = op->decayed;
        sgd_part(p, g, m, d, (real)factor, (real)c->weight_decay, c);
        sgd_part(p + d, g + d, m + d, op->count - d, (real)factor, 0, c);
    }
}
