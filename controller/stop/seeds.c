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

double esp_seed_noise(const struct esp_seed_pool *pool, double loss)
{
    double prior = isfinite(loss) ? ESP_SEED_NOISE_SHARE * fabs(loss) : ESP_SEED_NOISE_MIN;
    prior = fmin(fmax(prior, ESP_SEED_NOISE_MIN), ESP_SEED_NOISE_MAX);
    return sqrt((ESP_SEED_NOISE_FREEDOM * prior * prior + pool->m2) /
                (ESP_SEED_NOISE_FREEDOM + pool->freedom));
}

double esp_seeds_score(const struct esp_seeds *seeds, double noise)
{
    if (seeds->count == 0 || seeds->spoiled) {
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
    if (best->count == 0 || other->count == 0 || best->spoiled || other->spoiled) {
        return false;
    }
    return fabs(other->mean - best->mean) <
           noise * sqrt(1.0 / best->count + 1.0 / other->count);
}
