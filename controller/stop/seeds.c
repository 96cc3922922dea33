#include "seeds.h"

#include <assert.h>
#include <math.h>

/* Welford's update. */
void esp_seeds_add(struct esp_seeds *seeds, struct esp_seed_pool *pool, double loss)
{
    assert(isfinite(loss));
    double before = seeds->mean;
    seeds->count++;
    seeds->mean += (loss - seeds->mean) / seeds->count;
    double added = (loss - before) * (loss - seeds->mean);
    if (seeds->count > 1) {
        seeds->m2 += added;
        pool->m2 += added;
        pool->freedom++;
    }
}

/* On a smooth curve a point b between its neighbours a and c is a + w (c - a) plus noise. The
 * variance of b - a - w (c - a) is 1 + w^2 + (1 - w)^2 times that of a point. */
void esp_scatter_add(struct esp_scatter *s, int64_t tokens, int64_t horizon, double loss)
{
    if (!isfinite(loss)) {
        *s = (struct esp_scatter){0};
        return;
    }
    if (tokens < horizon / 2 || (s->points > 0 && tokens <= s->tokens[1])) {
        return;
    }
    if (s->points >= 2) {
        double w = (double)(s->tokens[1] - s->tokens[0]) / (double)(tokens - s->tokens[0]);
        double off = s->loss[1] - s->loss[0] - w * (loss - s->loss[0]);
        s->sum += off * off / (1 + w * w + (1 - w) * (1 - w));
        s->count++;
    }
    s->tokens[0] = s->tokens[1];
    s->loss[0] = s->loss[1];
    s->tokens[1] = tokens;
    s->loss[1] = loss;
    s->points++;
}

double esp_scatter_size(const struct esp_scatter *s)
{
    return s->count >= ESP_SCATTER_LEAST ? sqrt(s->sum / s->count) : NAN;
}

/* Quantile of Student's distribution at the probability of one standard error, 84.1 per cent;
 * exact to three digits. */
static double one_error(uint32_t freedom)
{
    static const double few[] = {1.837, 1.321, 1.197, 1.142, 1.111};
    assert(freedom > 0);
    return freedom <= sizeof few / sizeof *few ? few[freedom - 1] : 1 + 0.5 / (freedom - 0.54);
}

double esp_seed_noise(const struct esp_seed_pool *pool, double loss, double scatter)
{
    double prior = isfinite(loss) ? ESP_SEED_NOISE_SHARE * fabs(loss) : ESP_SEED_NOISE_MIN;
    prior = isfinite(scatter) ? fmax(prior, scatter) : prior;
    prior = fmin(fmax(prior, ESP_SEED_NOISE_MIN), ESP_SEED_NOISE_MAX);
    uint32_t freedom = ESP_SEED_NOISE_FREEDOM + pool->freedom;
    return one_error(freedom) *
           sqrt((ESP_SEED_NOISE_FREEDOM * prior * prior + pool->m2) / freedom);
}

double esp_seeds_score(const struct esp_seeds *seeds, double noise)
{
    if (seeds->count == 0 || seeds->diverged) {
        return INFINITY;
    }
    return seeds->mean + noise / sqrt(seeds->count);
}

double esp_seeds_spread(const struct esp_seeds *seeds)
{
    return seeds->count > 1 ? sqrt(seeds->m2 / (seeds->count - 1)) : NAN;
}

bool esp_seeds_tie(const struct esp_seeds *best, const struct esp_seeds *other, double noise)
{
    if (best->count == 0 || other->count == 0 || best->diverged || other->diverged) {
        return false;
    }
    return fabs(other->mean - best->mean) <
           noise * sqrt(1.0 / best->count + 1.0 / other->count);
}
