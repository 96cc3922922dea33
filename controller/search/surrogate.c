#include "surrogate.h"

#include "acquisition.h"
#include "hyperparameter_fit.h"
#include "loss_curves.h"
#include "posterior.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

/* Trials with a loss before the first fit, and growth of their number between fits. */
#define REFIT_FIRST 6
#define REFIT_GROWTH 1.25
#define REFIT_STEP_MIN 4
/* Trials of one prediction: the leaders of every mark, and one more. */
#define QUERIES_MAX 128

struct esp_surrogate {
    struct esp_loss_curves curves;
    struct esp_mean_functions means;
    struct esp_hyperparameters hyper;
    uint32_t refit_at; /* trials with a loss when the next fit is due */
    struct esp_posterior posterior;
    bool is_current; /* the posterior agrees with the facts */
};

int esp_surrogate_create(const struct esp_study *study,
                         struct esp_surrogate **out,
                         struct esp_error *error)
{
    struct esp_surrogate *s = calloc(1, sizeof *s);
    if (!s) {
        return esp_error_set(error, -ENOMEM, "out of memory");
    }
    esp_loss_curves_init(&s->curves, study);
    esp_mean_functions_make(&s->means, &s->curves.space);
    esp_hyperparameters_default(&s->hyper, &s->curves.space);
    s->refit_at = REFIT_FIRST;
    *out = s;
    return 0;
}

void esp_surrogate_destroy(struct esp_surrogate *s)
{
    if (!s) {
        return;
    }
    esp_loss_curves_release(&s->curves);
    esp_posterior_release(&s->posterior);
    free(s);
}

void esp_surrogate_created(struct esp_surrogate *s, uint32_t trial, const double *values)
{
    esp_loss_curves_created(&s->curves, trial, values);
    s->is_current = false;
}

void esp_surrogate_observed(struct esp_surrogate *s,
                            uint32_t trial,
                            int64_t tokens,
                            double loss)
{
    esp_loss_curves_observed(&s->curves, trial, tokens, loss);
    s->is_current = false;
}

void esp_surrogate_completed(struct esp_surrogate *s, uint32_t trial)
{
    esp_loss_curves_completed(&s->curves, trial);
    s->is_current = false;
}

void esp_surrogate_failed(struct esp_surrogate *s, uint32_t trial)
{
    esp_loss_curves_failed(&s->curves, trial);
    s->is_current = false;
}

void esp_surrogate_closed(struct esp_surrogate *s, uint32_t trial)
{
    esp_loss_curves_closed(&s->curves, trial);
    s->is_current = false;
}

int esp_surrogate_refit(const struct esp_surrogate *s, double *numbers, int capacity)
{
    int count = esp_hyperparameters_count(&s->curves.space);
    if (s->curves.observed_count < s->refit_at || count > capacity ||
        s->curves.space.count == 0) {
        return 0;
    }
    return esp_hyperparameters_fit(&s->curves, &s->means, &s->hyper, numbers) ? count : 0;
}

void esp_surrogate_fitted(struct esp_surrogate *s, const double *numbers, int count)
{
    if (count == esp_hyperparameters_count(&s->curves.space)) {
        esp_hyperparameters_unpack(&s->hyper, &s->curves.space, numbers);
    }
    uint32_t observed = s->curves.observed_count;
    s->refit_at = (uint32_t)fmax(observed + REFIT_STEP_MIN, ceil(REFIT_GROWTH * observed));
    s->is_current = false;
}

const struct esp_space *esp_surrogate_space(const struct esp_surrogate *s)
{
    return &s->curves.space;
}

const struct esp_scaling_law *esp_surrogate_law(const struct esp_surrogate *s)
{
    return &s->means.law;
}

double esp_surrogate_rate_adjusted_loss(const struct esp_surrogate *s,
                                        uint32_t trial,
                                        int64_t tokens,
                                        double loss)
{
    assert(trial < s->curves.count);
    return esp_curve_projection_rate_adjusted(
        &s->curves.projection, loss, tokens, s->curves.trials[trial].log_rate);
}

double esp_surrogate_extrapolated_loss(const struct esp_surrogate *s, uint32_t trial)
{
    assert(trial < s->curves.count);
    const struct esp_loss_curve *curve = &s->curves.trials[trial];
    return esp_curve_projection_extrapolate(&s->curves.projection, curve->last, curve->last_h);
}

/* The cached posterior is a function of the facts, so refreshing it changes no answer. */
static const struct esp_posterior *current(const struct esp_surrogate *s)
{
    struct esp_surrogate *cache = (struct esp_surrogate *)s;
    if (!s->is_current) {
        int rc = esp_posterior_make(
            &cache->posterior, &s->curves, &s->means, &s->hyper, ESP_ACTIVE_MAX, true);
        assert(rc == 0);
        cache->is_current = true;
    }
    return &s->posterior;
}

static struct esp_prediction in_loss_units(const struct esp_posterior *p,
                                           struct esp_prediction_w w)
{
    return (struct esp_prediction){
        .mean = p->scale.best + p->scale.scale * w.mean,
        .deviation = p->scale.scale * sqrt(w.variance),
        .log_ei = w.log_ei + log(p->scale.scale),
    };
}

void esp_surrogate_predict_trials(const struct esp_surrogate *s,
                                  const uint32_t *trials,
                                  int count,
                                  struct esp_prediction *out)
{
    struct esp_query queries[QUERIES_MAX];
    struct esp_prediction_w predictions[QUERIES_MAX];
    assert(count <= QUERIES_MAX);
    const struct esp_posterior *p = current(s);
    for (int i = 0; i < count; i++) {
        queries[i] = (struct esp_query){.x = esp_loss_curves_place(&s->curves, trials[i]),
                                        .trial = trials[i]};
    }
    esp_posterior_predict(p, queries, count, predictions);
    for (int i = 0; i < count; i++) {
        out[i] = in_loss_units(p, predictions[i]);
    }
}

struct esp_prediction
esp_surrogate_propose(const struct esp_surrogate *s, uint32_t trial, double *values)
{
    const struct esp_posterior *p = current(s);
    return in_loss_units(p, esp_acquisition_maximise(&s->curves, p, trial, values));
}
