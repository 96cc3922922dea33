#include "hyperparameters.h"

#include "default_prior.h"

#include <math.h>
#include <string.h>

/* Medians and standard deviations (of the logarithm) of the log-normal priors. */
#define GAIN_MEDIAN 0.5
#define WANDER_MEDIAN 0.3
#define NOISE_MEDIAN 1e-3
#define GAIN_DEVIATION 1.2
#define WANDER_DEVIATION 1.2
#define NOISE_DEVIATION 1.5
#define LENGTH_DEVIATION 0.7

static double default_length(const struct esp_space *space, int axis)
{
    const struct esp_axis *a = &space->axes[axis];
    double range = a->kind == ESP_AXIS_NOMINAL ? 1 : a->high - a->low;
    /* In many dimensions any two settings are far apart: lengths grow with √d (Hvarfner et al.,
     * ICML 2024). The default prior may know a shorter one. */
    double length = fmax(0.35 * range, 1e-3) * sqrt((double)space->count + 1);
    return log(fmin(length, esp_default_prior_length(space, axis)));
}

void esp_hyperparameters_default(struct esp_hyperparameters *hyper,
                                 const struct esp_space *space)
{
    for (int a = 0; a < space->count; a++) {
        hyper->length[a] = default_length(space, a);
    }
    hyper->gain = log(GAIN_MEDIAN);
    hyper->wander = log(WANDER_MEDIAN);
    hyper->noise = log(NOISE_MEDIAN);
}

/* Log density of a normal, up to a constant. */
static double log_normal(double x, double mean, double deviation)
{
    double z = (x - mean) / deviation;
    return -0.5 * z * z;
}

double esp_hyperparameters_log_prior(const struct esp_hyperparameters *hyper,
                                     const struct esp_space *space)
{
    double sum = log_normal(hyper->gain, log(GAIN_MEDIAN), GAIN_DEVIATION) +
                 log_normal(hyper->wander, log(WANDER_MEDIAN), WANDER_DEVIATION) +
                 log_normal(hyper->noise, log(NOISE_MEDIAN), NOISE_DEVIATION);
    for (int a = 0; a < space->count; a++) {
        sum += log_normal(hyper->length[a], default_length(space, a), LENGTH_DEVIATION);
    }
    return sum;
}

int esp_hyperparameters_count(const struct esp_space *space)
{
    return space->count + 3;
}

void esp_hyperparameters_pack(const struct esp_hyperparameters *hyper,
                              const struct esp_space *space,
                              double *numbers)
{
    memcpy(numbers, hyper->length, (size_t)space->count * sizeof *numbers);
    numbers[space->count] = hyper->gain;
    numbers[space->count + 1] = hyper->wander;
    numbers[space->count + 2] = hyper->noise;
}

void esp_hyperparameters_unpack(struct esp_hyperparameters *hyper,
                                const struct esp_space *space,
                                const double *numbers)
{
    memcpy(hyper->length, numbers, (size_t)space->count * sizeof *numbers);
    hyper->gain = numbers[space->count];
    hyper->wander = numbers[space->count + 1];
    hyper->noise = numbers[space->count + 2];
}

void esp_hyperparameters_bounds(const struct esp_space *space, double *lower, double *upper)
{
    for (int i = 0; i < esp_hyperparameters_count(space); i++) {
        bool is_length = i < space->count;
        lower[i] = is_length ? default_length(space, i) - 2.5 : log(1e-6);
        upper[i] = is_length ? default_length(space, i) + 2.5 : log(30);
    }
}
