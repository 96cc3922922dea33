/* Bayesian optimisation: proposes the settings with the largest expected improvement at the
 * horizon, under the surrogate with its scaling-law prior.
 *
 * The first trial is the law's optimum, or the middle of the space. In many dimensions a
 * Gaussian process is of no use after a few points. There two of three of the first trials are
 * drawn from the default priors (default_prior.h), if there are any, and the others are
 * proposed by a Parzen estimator (tpe.c). The estimator also proposes every fourth trial later
 * on, since expected improvement can stay on a plateau when no trial has left it yet. The
 * estimator's cost grows with the trials, so after PARZEN_TRIALS_MAX these trials are Sobol
 * points. */
#include "default_prior.h"
#include "sampler.h"
#include "sobol_points.h"
#include "surrogate.h"

#include <errno.h>
#include <stdlib.h>

struct bayes {
    struct esp_surrogate *surrogate;
    void *parzen;     /* of esp_sampler_tpe; NULL: few dimensions, the process alone */
    uint32_t startup; /* trials before the first one that the process proposes */
    struct esp_default_prior prior;
    struct esp_sobol_dimension dimension[ESP_PARAMS_MAX];
    const struct esp_study *study;
};

/* With fewer axes the surrogate expects a bowl, and proposes from the first trial on. */
#define PARZEN_AXES_MIN 5
#define PARZEN_PER_AXIS 3
#define PARZEN_EVERY 4
#define PARZEN_TRIALS_MAX 500
/* One in this many of the first trials is the estimator's, even with default priors: they may
 * be wrong for this task. */
#define STARTUP_PARZEN_EVERY 3

static int create(const struct esp_study *study, void **self, struct esp_error *error)
{
    struct bayes *bayes = calloc(1, sizeof *bayes);
    if (!bayes) {
        return esp_error_set(error, -ENOMEM, "out of memory");
    }
    int rc = esp_surrogate_create(study, &bayes->surrogate, error);
    if (rc < 0) {
        free(bayes);
        return rc;
    }
    int axes = esp_surrogate_space(bayes->surrogate)->count;
    const struct esp_scaling_law *law = esp_surrogate_law(bayes->surrogate);
    bayes->study = study;
    if (axes >= PARZEN_AXES_MIN && !esp_scaling_law_is_known(law)) {
        bayes->startup = (uint32_t)(PARZEN_PER_AXIS * axes);
        esp_default_prior_make(&bayes->prior, esp_surrogate_space(bayes->surrogate));
        rc = esp_sampler_tpe.create(study, &bayes->parzen, error);
        if (rc < 0) {
            esp_surrogate_destroy(bayes->surrogate);
            free(bayes);
            return rc;
        }
    }
    for (int a = 0; a < axes; a++) {
        esp_sobol_dimension_make(&bayes->dimension[a], a);
    }
    *self = bayes;
    return 0;
}

static void destroy(void *self)
{
    struct bayes *bayes = self;
    esp_surrogate_destroy(bayes->surrogate);
    if (bayes->parzen) {
        esp_sampler_tpe.destroy(bayes->parzen);
    }
    free(bayes);
}

static void created(void *self, uint32_t trial, const double *values)
{
    struct bayes *bayes = self;
    esp_surrogate_created(bayes->surrogate, trial, values);
    if (bayes->parzen) {
        esp_sampler_tpe.created(bayes->parzen, trial, values);
    }
}

static void observed(void *self, uint32_t trial, int64_t tokens, double loss)
{
    struct bayes *bayes = self;
    esp_surrogate_observed(bayes->surrogate, trial, tokens, loss);
    if (bayes->parzen) {
        esp_sampler_tpe.observed(bayes->parzen, trial, tokens, loss);
    }
}

static void ended(void *self, uint32_t trial, enum esp_trial_end end)
{
    struct bayes *bayes = self;
    if (bayes->parzen) {
        esp_sampler_tpe.ended(bayes->parzen, trial, end);
    }
    switch (end) {
    case ESP_END_COMPLETE:
        esp_surrogate_completed(bayes->surrogate, trial);
        break;
    case ESP_END_DIVERGED:
    case ESP_END_FAILED:
        esp_surrogate_failed(bayes->surrogate, trial);
        break;
    default:
        esp_surrogate_closed(bayes->surrogate, trial);
        break;
    }
}

/* A Sobol point, by the default priors or uniform. */
static void
propose_sobol(const struct bayes *bayes, uint32_t trial, bool by_prior, double *values)
{
    const struct esp_space *space = esp_surrogate_space(bayes->surrogate);
    double u[ESP_PARAMS_MAX];
    for (int a = 0; a < space->count; a++) {
        u[a] = esp_sobol_scramble(esp_sobol_bits(&bayes->dimension[a], trial),
                                  bayes->study->seed,
                                  (uint64_t)a,
                                  trial);
    }
    if (by_prior) {
        esp_default_prior_draw(&bayes->prior, space, u, values);
    } else {
        esp_space_uniform(space, u, values);
    }
}

static int propose(const void *self, uint32_t trial, double *values, struct esp_reason *reason)
{
    const struct bayes *bayes = self;
    if (trial < bayes->startup && bayes->prior.count > 0 &&
        trial % STARTUP_PARZEN_EVERY != STARTUP_PARZEN_EVERY - 1) {
        propose_sobol(bayes, trial, true, values);
        return 0;
    }
    if (bayes->parzen && (trial < bayes->startup || trial % PARZEN_EVERY == PARZEN_EVERY - 1)) {
        if (trial < PARZEN_TRIALS_MAX) {
            return esp_sampler_tpe.propose(bayes->parzen, trial, values, reason);
        }
        propose_sobol(bayes, trial, false, values);
        return 0;
    }
    struct esp_prediction belief = esp_surrogate_propose(bayes->surrogate, trial, values);
    reason->expected = belief.mean;
    return 0;
}

static int refit(const void *self, double *numbers, int capacity)
{
    const struct bayes *bayes = self;
    return esp_surrogate_refit(bayes->surrogate, numbers, capacity);
}

static void fitted(void *self, const double *numbers, int count)
{
    struct bayes *bayes = self;
    esp_surrogate_fitted(bayes->surrogate, numbers, count);
}

const struct esp_sampler_ops esp_sampler_bayes = {
    .create = create,
    .destroy = destroy,
    .created = created,
    .observed = observed,
    .ended = ended,
    .propose = propose,
    .refit = refit,
    .fitted = fitted,
};
