/* What several seeds say of one setting, and how settings with different numbers of seeds are
 * ranked.
 *
 * A seed's loss at the horizon is the setting's own loss plus noise of one size sigma for the
 * whole study. sigma is not known at first. The start sigma0 is the larger of two figures, at
 * least ESP_SEED_NOISE_MIN and at most ESP_SEED_NOISE_MAX nats: a share of the loss, and the
 * scatter of the leader's own curve about a smooth one in the second half of its training. It
 * has the weight of ESP_SEED_NOISE_FREEDOM degrees of freedom, and what repeats show is pooled
 * with that:
 *
 *     s^2 = (f0 sigma0^2 + sum of squared deviations) / f,    f = f0 + degrees of freedom
 *
 * (the scale of a scaled inverse chi-squared posterior; Gelman et al., Bayesian Data Analysis,
 * section 3.2). Then a difference over s has Student's distribution with f degrees of freedom,
 * and what is called the noise here is t s, with t the quantile of that distribution which the
 * normal one has at one standard error (84.1 per cent; 1.84 at f = 1, 1 in the limit): the
 * chance that luck was larger is a sixth, however little is known of sigma.
 *
 * Why this start (tests/unit/stop/test_seeds.c holds it against recorded seeds): with 0.3M
 * parameters the deviation of a seed was 0.1 to 0.9 per cent of the loss, with 0.03M up to 2.5
 * per cent; a share alone is wrong by a factor of up to 10, with the curve's scatter of up to
 * 6, and of 2.3 in the mean. Where the start is too small leaders that tie are not repeated,
 * and nothing is learnt of sigma; where it is too large, trainings are spent that are kept for
 * this anyway, and the first of them corrects it. The factor t makes the noise larger than the
 * recorded deviation in 8 of 11 settings; it stays too small for models of 0.03M parameters.
 *
 * A mean of n seeds is known to sigma/sqrt(n). Settings are ranked by mean + t s/sqrt(n): by
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

#define ESP_SEED_NOISE_SHARE 0.0025
#define ESP_SEED_NOISE_MIN 0.002
#define ESP_SEED_NOISE_MAX 0.05
#define ESP_SEED_NOISE_FREEDOM 1

/* Of one curve: how far its points lie off the line between their neighbours, which the curve's
 * own bend hardly adds to. Its last points, as they come. */
struct esp_scatter {
    int64_t tokens[2];
    double loss[2];
    double sum; /* squares, in units of one point's variance */
    uint32_t points, count;
};

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

/* A point of a curve that ends at `horizon`, in order; what is not finite begins anew. */
void esp_scatter_add(struct esp_scatter *scatter, int64_t tokens, int64_t horizon, double loss);
/* The standard deviation of a point; NaN with fewer than ESP_SCATTER_LEAST to judge by. */
double esp_scatter_size(const struct esp_scatter *scatter);
#define ESP_SCATTER_LEAST 4

/* The noise where losses are near `loss`, the leader's, whose curve has this scatter (NaN: not
 * known). */
double esp_seed_noise(const struct esp_seed_pool *pool, double loss, double scatter);

/* Smaller ranks first; infinity when spoiled or without a loss. */
double esp_seeds_score(const struct esp_seeds *seeds, double noise);

/* The sample's standard deviation; NaN below two seeds. */
double esp_seeds_spread(const struct esp_seeds *seeds);

/* Whether a setting is as good as `best` as far as these seeds tell: the means differ by less
 * than the standard error of their difference. */
bool esp_seeds_tie(const struct esp_seeds *best, const struct esp_seeds *other, double noise);

#endif
