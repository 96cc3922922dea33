#include "hyperparameter_fit.h"

#include <math.h>
#include <nlopt.h>

/* Trials that a fit uses, and evaluations. Each evaluation costs some 96³/3 multiplications and
 * as many kernels as 64 trials have pairs. */
#define FIT_TRIALS 64
#define FIT_EVALUATIONS 40
#define INITIAL_STEP 0.5

struct fit {
    const struct esp_loss_curves *curves;
    const struct esp_mean_functions *means;
    struct esp_posterior posterior;
};

static int condition(struct fit *fit, const struct esp_hyperparameters *hyper)
{
    return esp_posterior_make(
        &fit->posterior, fit->curves, fit->means, hyper, FIT_TRIALS, false);
}

static double objective(unsigned count, const double *numbers, double *gradient, void *data)
{
    struct fit *fit = data;
    const struct esp_space *space = &fit->curves->space;
    struct esp_hyperparameters hyper;
    (void)count;
    (void)gradient;
    esp_hyperparameters_unpack(&hyper, space, numbers);
    if (condition(fit, &hyper) < 0) {
        return -HUGE_VAL;
    }
    double value =
        fit->posterior.process.evidence + esp_hyperparameters_log_prior(&hyper, space);
    return isfinite(value) ? value : -HUGE_VAL;
}

/* Moves `numbers` to the maximum. Where the optimiser stops early, they hold the best point so
 * far. */
static bool maximise(struct fit *fit, double *numbers)
{
    double lower[ESP_HYPERPARAMETERS_MAX], upper[ESP_HYPERPARAMETERS_MAX];
    double step[ESP_HYPERPARAMETERS_MAX], best;
    unsigned count = (unsigned)esp_hyperparameters_count(&fit->curves->space);
    nlopt_opt opt = nlopt_create(NLOPT_LN_SBPLX, count);
    if (!opt) {
        return false;
    }
    esp_hyperparameters_bounds(&fit->curves->space, lower, upper);
    for (unsigned i = 0; i < count; i++) {
        numbers[i] = fmin(fmax(numbers[i], lower[i]), upper[i]);
        step[i] = INITIAL_STEP;
    }
    nlopt_set_lower_bounds(opt, lower);
    nlopt_set_upper_bounds(opt, upper);
    nlopt_set_initial_step(opt, step);
    nlopt_set_maxeval(opt, FIT_EVALUATIONS);
    nlopt_set_max_objective(opt, objective, fit);
    nlopt_optimize(opt, numbers, &best);
    nlopt_destroy(opt);
    return true;
}

bool esp_hyperparameters_fit(const struct esp_loss_curves *curves,
                             const struct esp_mean_functions *means,
                             const struct esp_hyperparameters *start,
                             double *numbers)
{
    struct fit fit = {.curves = curves, .means = means};
    esp_hyperparameters_pack(start, &curves->space, numbers);
    bool done = condition(&fit, start) == 0;
    if (done) {
        /* Only the means that count at the start are weighed while fitting. */
        esp_gaussian_process_fix_means(&fit.posterior.process);
        done = maximise(&fit, numbers);
    }
    esp_posterior_release(&fit.posterior);
    return done;
}
