/* Parzen estimators as Optuna builds them (optuna 5.0, samplers/_tpe/parzen_estimator.py): a
 * mixture of products, one kernel per observation and one for the prior.
 *
 * Numbers are in the parameter's unit interval: Optuna's estimator does not change under affine
 * maps of the (logarithmic) axis, except for a factor that cancels between two estimators.
 * Integers have cells of width 1/count, choices are indices. */
#ifndef ESPALIER_SEARCH_PARZEN_H
#define ESPALIER_SEARCH_PARZEN_H

#include <espalier/random.h>
#include <stdint.h>

/* One dimension. */
struct esp_parzen_axis {
    int choices; /* > 0: categorical */
    double cell; /* > 0: the width of an integer's cell */
};

struct esp_parzen {
    const struct esp_parzen_axis *axes;
    int axis_count;
    uint32_t kernels;   /* observations + 1, the prior last */
    double *log_weight; /* [kernels] */
    double *mu;         /* [kernels, axes]; a choice's index */
    double *sigma;      /* [kernels, axes] */
    double *mass;       /* [kernels, axes]: log mass within the interval */
};

/* `observations`: [count, axes], oldest first; the 25 youngest weigh 1, older ones less.
 * -ENOMEM. */
int esp_parzen_make(struct esp_parzen *parzen,
                    const struct esp_parzen_axis *axes,
                    int axis_count,
                    const double *observations,
                    uint32_t count);
void esp_parzen_release(struct esp_parzen *parzen);

double esp_parzen_log_pdf(const struct esp_parzen *parzen, const double *point);
/* Draws a point from `axes + 1` uniform numbers. */
void esp_parzen_sample(const struct esp_parzen *parzen, const double *uniforms, double *point);

#endif
