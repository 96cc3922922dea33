/* What several seeds say of one setting, and how settings with different numbers of seeds are
 * ranked.
 *
 * A seed's loss at the horizon is the setting's own loss plus noise of one size sigma for the
 * whole study. sigma is not known at first: it is taken to be ESP_SEED_NOISE_SHARE of the loss,
 * at least ESP_SEED_NOISE_MIN and at most ESP_SEED_NOISE_MAX nats, with the weight of
 * ESP_SEED_NOISE_FREEDOM degrees of freedom, and what repeats show is pooled with that:
 *
 *     sigma^2 = (f0 sigma0^2 + sum of squared deviations) / (f0 + degrees of freedom)
 *
 * (the scale of a scaled inverse chi-squared posterior; Gelman et al., Bayesian Data Analysis,
 * section 3.2).
 *
 * A mean of n seeds is known to sigma/sqrt(n). Settings are ranked by mean + sigma/sqrt(n): by
 * what they are worth if luck has helped them by one standard error. Where all have one seed
 * this is their order by value; one seed must beat a mean of two by 0.29 sigma to come before
 * it, since the best of many single runs is the luckiest as well. A setting of which a seed
 * diverged ranks behind all that held.
 *
 * Losses: smaller is better. */
#ifndef ESPALIER_STOP_SEEDS_H
#define ESPALIER_STOP_SEEDS_H

#include <stdbool.h>
#include <stdint.h>

/* Transformers of 0.3M parameters at 1M tokens, five settings of three seeds each: deviations
 * of 0.1 to 0.45 per cent of the loss, 0.3 pooled; larger models and longer trainings have
 * less. */
#define ESP_SEED_NOISE_SHARE 0.0025
#define ESP_SEED_NOISE_MIN 0.002
#define ESP_SEED_NOISE_MAX 0.05
#define ESP_SEED_NOISE_FREEDOM 2.0

struct esp_seeds {
    uint32_t count;  /* losses at the horizon */
    double mean, m2; /* their mean, and sum of squared deviations from it */
    bool spoiled;    /* a seed diverged */
};

/* Squared deviations of all settings with several seeds. */
struct esp_seed_pool {
    double m2;
    uint32_t freedom;
};

/* A finite loss; the pool takes in what it adds. */
void esp_seeds_add(struct esp_seeds *seeds, struct esp_seed_pool *pool, double loss);

/* sigma where losses are near `loss`. */
double esp_seed_noise(const struct esp_seed_pool *pool, double loss);

/* Smaller ranks first; infinity when spoiled or without a loss. */
double esp_seeds_score(const struct esp_seeds *seeds, double noise);

/* The sample's standard deviation; NaN below two seeds. */
double esp_seeds_spread(const struct esp_seeds *seeds);

/* Whether a setting is as good as `best` as far as these seeds tell: the means differ by less
 * than the standard error of their difference. */
bool esp_seeds_tie(const struct esp_seeds *best, const struct esp_seeds *other, double noise);

#endif
