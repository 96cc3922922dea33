/* The distributions of parameters: from a uniform number to a value and back, and grids.
 *
 * As W&B defines them (wandb/sweeps, HyperParameter.ppf): X is the inverse distribution
 * function at u, a quantised kind rounds it to round(X / q)·q, halves to the even neighbour as
 * numpy does, and does not clip it. The inverse kinds are uniform in log(1/X) and grow with u
 * like the others. Bounds in logarithms are taken once, so that u = 0 gives min to the last
 * bit. */
#include <espalier/study.h>

#include "quantile.h"

#include <math.h>
#include <stdlib.h>

/* Least distance of u to 0 and 1 for distributions without bounds: the first point of a Sobol
 * sequence is 0, and a drawn value must be finite. */
#define U_MIN 0x1p-53

/* Whole numbers are exact as doubles up to here. */
#define WHOLE_MAX 0x1p53

static double inner(double u)
{
    return fmin(fmax(u, U_MIN), 1 - U_MIN);
}

static double between(double low, double high, double u)
{
    return low + u * (high - low);
}

/* The bounds of log X, for distributions that are uniform in it. */
static void log_bounds(const struct esp_param *param, double *low, double *high)
{
    switch (param->distribution) {
    case ESP_LOG_UNIFORM:
        *low = param->min;
        *high = param->max;
        break;
    case ESP_INV_LOG_UNIFORM:
        *low = -param->max;
        *high = -param->min;
        break;
    default:
        *low = log(param->min);
        *high = log(param->max);
        break;
    }
}

static double draw_log(const struct esp_param *param, double u)
{
    double low;
    double high;

    if (param->distribution == ESP_LOG_UNIFORM_VALUES ||
        param->distribution == ESP_INV_LOG_UNIFORM_VALUES) {
        /* exp(log x) is not always x. */
        if (u <= 0 || u >= 1) {
            return u <= 0 ? param->min : param->max;
        }
    }
    log_bounds(param, &low, &high);
    return exp(between(low, high, u));
}

static double draw_weighted(const struct esp_param *param, double u)
{
    double sum = 0;
    int last = 0;

    for (int i = 0; i < param->choice_count; i++) {
        sum += param->probabilities[i];
        if (param->probabilities[i] > 0) {
            last = i;
            if (u < sum) {
                return i;
            }
        }
    }
    return last; /* the probabilities sum to 1 only within rounding */
}

static double draw_index(double count, double u)
{
    return fmin(floor(u * count), count - 1);
}

/* Decimal places up to which a step and its origin are looked for on a decimal grid. */
#define PLACES_MAX 15

/* Whether `value` is a whole number of 1 / scale, with `scale` a power of ten. */
static bool has_places(double value, double scale)
{
    double whole = rint(value * scale);

    return fabs(whole) <= WHOLE_MAX && whole / scale == value;
}

/* origin + k * step, as the double nearest to that decimal number where origin and step are
 * decimal fractions: 3 * 0.1 is 0.30000000000000004, but 3 / 10 is rounded correctly because 3
 * and 10 are exact. Powers of ten are exact up to 10^22. */
static double grid_value(double origin, double step, double k)
{
    double scale = 1;

    for (int places = 0; places <= PLACES_MAX; places++) {
        if (has_places(origin, scale) && has_places(step, scale)) {
            double whole = rint(origin * scale) + k * rint(step * scale);
            return fabs(whole) <= WHOLE_MAX ? whole / scale : origin + k * step;
        }
        scale *= 10;
    }
    return origin + k * step;
}

double esp_param_quantise(const struct esp_param *param, double x)
{
    return grid_value(0, param->q, rint(x / param->q));
}

static double draw_plain(const struct esp_param *param, double u)
{
    switch (param->distribution) {
    case ESP_CONSTANT:
        return 0;
    case ESP_CATEGORICAL:
        return draw_index(param->choice_count, u);
    case ESP_CATEGORICAL_WEIGHTED:
        return draw_weighted(param, u);
    case ESP_INT_UNIFORM:
        return param->min + draw_index(param->max - param->min + 1, u);
    case ESP_UNIFORM:
        return between(param->min, param->max, u);
    case ESP_LOG_UNIFORM:
    case ESP_LOG_UNIFORM_VALUES:
    case ESP_INV_LOG_UNIFORM:
    case ESP_INV_LOG_UNIFORM_VALUES:
        return draw_log(param, u);
    case ESP_NORMAL:
        return param->mu + param->sigma * esp_normal_quantile(inner(u));
    case ESP_LOG_NORMAL:
        return exp(param->mu + param->sigma * esp_normal_quantile(inner(u)));
    case ESP_BETA:
        return esp_beta_quantile(inner(u), param->a, param->b);
    }
    return 0;
}

double esp_param_draw(const struct esp_param *param, double u)
{
    double x = draw_plain(param, fmin(fmax(u, 0), 1));

    return (param->quantised ? esp_param_quantise(param, x) : x) + 0.0; /* never -0 */
}

static double unit_weighted(const struct esp_param *param, double drawn)
{
    double sum = 0;

    for (int i = 0; i < param->choice_count; i++) {
        if (i == (int)drawn) {
            return sum + param->probabilities[i] / 2;
        }
        sum += param->probabilities[i];
    }
    return 1;
}

static double unit_log(const struct esp_param *param, double drawn)
{
    double low;
    double high;

    log_bounds(param, &low, &high);
    return drawn > 0 ? (log(drawn) - low) / (high - low) : 0;
}

static double unit_plain(const struct esp_param *param, double drawn)
{
    switch (param->distribution) {
    case ESP_CONSTANT:
        return 0.5;
    case ESP_CATEGORICAL:
        return (drawn + 0.5) / param->choice_count;
    case ESP_CATEGORICAL_WEIGHTED:
        return unit_weighted(param, drawn);
    case ESP_INT_UNIFORM:
        return (drawn - param->min + 0.5) / (param->max - param->min + 1);
    case ESP_UNIFORM:
        return (drawn - param->min) / (param->max - param->min);
    case ESP_LOG_UNIFORM:
    case ESP_LOG_UNIFORM_VALUES:
    case ESP_INV_LOG_UNIFORM:
    case ESP_INV_LOG_UNIFORM_VALUES:
        return unit_log(param, drawn);
    case ESP_NORMAL:
        return esp_normal_cdf((drawn - param->mu) / param->sigma);
    case ESP_LOG_NORMAL:
        return drawn > 0 ? esp_normal_cdf((log(drawn) - param->mu) / param->sigma) : 0;
    case ESP_BETA:
        return esp_beta_cdf(drawn, param->a, param->b);
    }
    return 0;
}

double esp_param_unit(const struct esp_param *param, double drawn)
{
    return fmin(fmax(unit_plain(param, drawn), 0), 1);
}

bool esp_param_is_drawn(const struct esp_param *param, double drawn)
{
    switch (param->distribution) {
    case ESP_CONSTANT:
    case ESP_CATEGORICAL:
    case ESP_CATEGORICAL_WEIGHTED:
        return drawn >= 0 && drawn < param->choice_count && drawn == floor(drawn);
    default:
        return isfinite(drawn);
    }
}

struct esp_value esp_param_value(const struct esp_param *param, double drawn)
{
    struct esp_value value = {ESP_VALUE_REAL, drawn, 0, NULL};

    switch (param->distribution) {
    case ESP_CONSTANT:
    case ESP_CATEGORICAL:
    case ESP_CATEGORICAL_WEIGHTED: {
        int index = (int)drawn;
        index = index < 0 ? 0 : index;
        return param->choices[index < param->choice_count ? index : param->choice_count - 1];
    }
    default:
        /* A grid that starts between two whole numbers has none. */
        if (param->integral && drawn == floor(drawn) && fabs(drawn) <= WHOLE_MAX) {
            value.type = ESP_VALUE_INTEGER;
            value.integer = (int64_t)drawn;
        }
        return value;
    }
}

int64_t esp_param_grid_count(const struct esp_param *param)
{
    switch (param->distribution) {
    case ESP_CONSTANT:
        return 1;
    case ESP_CATEGORICAL:
        return param->choice_count;
    case ESP_INT_UNIFORM:
        return (int64_t)(param->max - param->min) + 1;
    case ESP_UNIFORM: {
        /* numpy.arange(min, max, q): max excluded. */
        double count = ceil((param->max - param->min) / param->q);
        return param->quantised && count < WHOLE_MAX ? (int64_t)count : 0;
    }
    default:
        return 0;
    }
}

double esp_param_grid_point(const struct esp_param *param, int64_t index)
{
    switch (param->distribution) {
    case ESP_INT_UNIFORM:
        return param->min + (double)index;
    case ESP_UNIFORM:
        return grid_value(param->min, param->q, (double)index);
    default:
        return (double)index;
    }
}

void esp_stopping_release(struct esp_stopping *stopping)
{
    for (int i = 0; i < stopping->calibrate_count; i++) {
        free(stopping->calibrate[i].path);
    }
    free(stopping->calibrate);
    *stopping = (struct esp_stopping){0};
}

void esp_study_release(struct esp_study *study)
{
    if (!study) {
        return;
    }
    for (int i = 0; i < study->param_count; i++) {
        struct esp_param *param = &study->params[i];
        for (int j = 0; j < param->choice_count && param->choices; j++) {
            if (param->choices[j].type == ESP_VALUE_TEXT) {
                free((char *)param->choices[j].text);
            }
        }
        free(param->choices);
        free(param->probabilities);
        param->choices = NULL;
        param->probabilities = NULL;
        param->choice_count = 0;
    }
    for (char **word = study->command; word && *word; word++) {
        free(*word);
    }
    esp_stopping_release(&study->stopping);
    free(study->command);
    free(study->source);
    study->command = NULL;
    study->source = NULL;
    study->param_count = 0;
}
