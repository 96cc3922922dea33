/* The MAP estimate of lengths and variance shares (NLopt, LN_SBPLX from where they are). */
#include "default_prior.h"
#include "surrogate_private.h"

#include <espalier/event.h>

#include <math.h>
#include <nlopt.h>
#include <string.h>

#include "sampler.h"

/* Trials a fit looks at, and evaluations: each costs some 96³/3 multiplications and as many
 * kernels as 64 trials have pairs. */
#define FIT_TRIALS 64
#define FIT_EVALUATIONS 40
/* Another fit once the losses told have grown by a quarter. */
#define GROWTH 1.25

static double default_length(const struct esp_space *space, int axis)
{
    const struct esp_axis *a = &space->axes[axis];
    double range = a->kind == ESP_AXIS_NOMINAL ? 1 : a->high - a->low;
    /* In many dimensions any two settings are far apart: lengths grow with √d (Hvarfner et al.,
     * ICML 2024). What is known of an axis limits that. */
    double length = fmax(0.35 * range, 1e-3) * sqrt((double)space->count + 1);
    return log(fmin(length, esp_default_prior_length(space, axis)));
}

void esp_hyper_default(struct esp_hyper *hyper, const struct esp_space *space)
{
    for (int a = 0; a < space->count; a++) {
        hyper->length[a] = default_length(space, a);
    }
    hyper->gain = log(0.5);
    hyper->wander = log(0.3);
    hyper->noise = log(1e-3);
}

static double normal(double x, double mean, double deviation)
{
    double z = (x - mean) / deviation;
    return -0.5 * z * z;
}

double esp_hyper_log_prior(const struct esp_hyper *hyper, const struct esp_space *space)
{
    double sum = normal(hyper->gain, log(0.5), 1.2) + normal(hyper->wander, log(0.3), 1.2) +
                 normal(hyper->noise, log(1e-3), 1.5);
    for (int a = 0; a < space->count; a++) {
        sum += normal(hyper->length[a], default_length(space, a), 0.7);
    }
    return sum;
}

static int pack(const struct esp_hyper *hyper, const struct esp_space *space, double *numbers)
{
    memcpy(numbers, hyper->length, (size_t)space->count * sizeof *numbers);
    numbers[space->count] = hyper->gain;
    numbers[space->count + 1] = hyper->wander;
    numbers[space->count + 2] = hyper->noise;
    return space->count + 3;
}

static void
unpack(struct esp_hyper *hyper, const struct esp_space *space, const double *numbers)
{
    memcpy(hyper->length, numbers, (size_t)space->count * sizeof *numbers);
    hyper->gain = numbers[space->count];
    hyper->wander = numbers[space->count + 1];
    hyper->noise = numbers[space->count + 2];
}

struct fit {
    const struct esp_surrogate *s;
    struct esp_posterior posterior;
};

static double objective(unsigned count, const double *numbers, double *gradient, void *data)
{
    struct fit *fit = data;
    struct esp_hyper hyper;
    (void)count;
    (void)gradient;
    unpack(&hyper, &fit->s->space, numbers);
    if (esp_posterior_make(&fit->posterior, fit->s, &hyper, FIT_TRIALS, false) < 0) {
        return -HUGE_VAL;
    }
    double value = fit->posterior.evidence + esp_hyper_log_prior(&hyper, &fit->s->space);
    return isfinite(value) ? value : -HUGE_VAL;
}

int esp_surrogate_refit(const struct esp_surrogate *s, double *numbers, int capacity)
{
    unsigned count = (unsigned)s->space.count + 3;
    if (s->told < s->refit_at || (int)count > capacity || s->space.count == 0) {
        return 0;
    }
    struct fit fit = {.s = s};
    double lower[ESP_PARAMS_MAX + 3], upper[ESP_PARAMS_MAX + 3], step[ESP_PARAMS_MAX + 3], best;
    pack(&s->hyper, &s->space, numbers);
    for (unsigned i = 0; i < count; i++) {
        double center =
            i < (unsigned)s->space.count ? default_length(&s->space, (int)i) : numbers[i];
        bool length = i < (unsigned)s->space.count;
        lower[i] = length ? center - 2.5 : log(1e-6);
        upper[i] = length ? center + 2.5 : log(30);
        numbers[i] = fmin(fmax(numbers[i], lower[i]), upper[i]);
        step[i] = 0.5;
    }
    /* The means that count now are weighed again; the others would cost twenty times as much.
     */
    if (esp_posterior_make(&fit.posterior, s, &s->hyper, FIT_TRIALS, false) < 0) {
        esp_posterior_release(&fit.posterior);
        return 0;
    }
    for (int i = 0; i < fit.posterior.parts; i++) {
        fit.posterior.fixed_shift[i] = fit.posterior.part[i].shift;
        fit.posterior.fixed_depth[i] = fit.posterior.part[i].depth;
    }
    fit.posterior.fixed = fit.posterior.parts;
    nlopt_opt opt = nlopt_create(NLOPT_LN_SBPLX, count);
    if (!opt) {
        esp_posterior_release(&fit.posterior);
        return 0;
    }
    nlopt_set_lower_bounds(opt, lower);
    nlopt_set_upper_bounds(opt, upper);
    nlopt_set_initial_step(opt, step);
    nlopt_set_maxeval(opt, FIT_EVALUATIONS);
    nlopt_set_max_objective(opt, objective, &fit);
    nlopt_optimize(
        opt, numbers, &best); /* the best point stays in `numbers`, however it ends */
    nlopt_destroy(opt);
    esp_posterior_release(&fit.posterior);
    return (int)count;
}

void esp_surrogate_fitted(struct esp_surrogate *s, const double *numbers, int count)
{
    if (count == s->space.count + 3) {
        unpack(&s->hyper, &s->space, numbers);
    }
    s->fits++;
    s->refit_at = (uint32_t)fmax(s->told + 4, ceil(GROWTH * s->told));
    s->cache.ready = false;
}
