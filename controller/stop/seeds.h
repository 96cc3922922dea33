/* Losses of several seeds of one setting, the seed noise, and the score by which settings with
 * different numbers of seeds are ranked.
 *
 * The loss of a seed at the horizon is the setting's own loss plus noise of one size sigma for
 * the whole study. sigma is unknown at first. Its prior value sigma0 is the larger of two
 * figures, at least ESP_SEED_NOISE_MIN and at most ESP_SEED_NOISE_MAX nats: a share of the
 * loss, and the scatter of the leader's curve about a smooth one in the second half of its
 * training. The prior has the weight of ESP_SEED_NOISE_FREEDOM degrees of freedom and is pooled
 * with the deviations among repeats:
 *
 *     s^2 = (f0 sigma0^2 + sum of squared deviations) / f,    f = f0 + degrees of freedom
 *
 * (the scale of a scaled inverse chi-squared posterior; Gelman et al., Bayesian Data Analysis,
 * section 3.2). A difference over s then has Student's distribution with f degrees of freedom.
 * The noise reported here is t s, with t the quantile of that distribution at the probability
 * that the normal one has at one standard error (84.1 per cent; t is 1.84 at f = 1, 1 in the
 * limit): the probability that chance was larger is a sixth, however uncertain sigma is.
 *
 * Why this prior (tests/unit/stop/test_seeds.c compares it with recorded seeds): with 0.3M
 * parameters the deviation of a seed was 0.1 to 0.9 per cent of the loss, with 0.03M up to 2.5
 * per cent. A share of the loss alone is wrong by a factor of up to 10; with the curve's
 * scatter the factor is up to 6, and 2.3 in the mean. Where the prior is too small, leaders
 * that tie are not repeated, and nothing is learned of sigma; where it is too large, trainings
 * are spent that are kept for this anyway, and the first of them corrects it. The factor t
 * makes the noise larger than the recorded deviation in 8 of 11 settings; it stays too small
 * for models of 0.03M parameters.
 *
 * The mean of n seeds has the standard error sigma/sqrt(n). Settings are ranked by
 * mean + t s/sqrt(n): by their value if chance has helped them by one standard error. Where all
 * have one seed this is their order by loss. One seed must beat a mean of two by 0.29 sigma to
 * come before it, because the best of many single runs is also the luckiest. A setting with a
 * diverged seed ranks behind all others.
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

/* Scatter of one curve: how far its points are from the line between their neighbours, to which
 * the curvature adds little. Holds the last two points. */
struct esp_scatter {
    int64_t tokens[2];
    double loss[2];
    double sum; /* squared distances, in units of one point's variance */
    uint32_t points, count;
};

struct esp_seeds {
    uint32_t count;  /* losses at the horizon */
    double mean, m2; /* mean of the losses, and sum of their squared deviations from it */
    bool diverged;   /* a seed diverged */
};

/* Squared deviations of all settings with several seeds. */
struct esp_seed_pool {
    double m2;
    uint32_t freedom;
};

/* Adds a finite loss, and its squared deviation to the pool. */
void esp_seeds_add(struct esp_seeds *seeds, struct esp_seed_pool *pool, double loss);

/* Adds the next point of a curve that ends at `horizon`; a loss that is not finite restarts the
 * estimate. */
void esp_scatter_add(struct esp_scatter *scatter, int64_t tokens, int64_t horizon, double loss);
/* Standard deviation of a point; NaN with fewer than ESP_SCATTER_LEAST distances. */
double esp_scatter_size(const struct esp_scatter *scatter);
#define ESP_SCATTER_LEAST 4

/* The seed noise near `loss`, the leader's, whose curve has this scatter (NaN: unknown). */
double esp_seed_noise(const struct esp_seed_pool *pool, double loss, double scatter);

/* Smaller ranks first; infinity when a seed diverged or there is no loss. */
double esp_seeds_score(const struct esp_seeds *seeds, double noise);

/* Standard deviation of the sample; NaN below two seeds. */
double esp_seeds_spread(const struct esp_seeds *seeds);

/* Whether a setting is within seed noise of `best`: the means differ by less than the standard
 * error of their difference. */
bool esp_seeds_tie(const struct esp_seeds *best, const struct esp_seeds *other, double noise);

#endif
