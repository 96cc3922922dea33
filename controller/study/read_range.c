/* The numbers of a distribution: bounds, shapes and the step of rounding. */
#include "read_distribution.h"

#include <math.h>

/* exp(700) is finite, exp(710) is not. */
#define EXPONENT_MAX 700.0
/* A normal draw lies within 9 sigma: u is no closer to 0 and 1 than 2^-53. */
#define SIGMAS_MAX 9.0
#define WHOLE_MAX 0x1p53

static bool is_positive_kind(const struct esp_param *param)
{
    return param->distribution == ESP_LOG_UNIFORM_VALUES ||
           param->distribution == ESP_INV_LOG_UNIFORM_VALUES;
}

static bool is_exponent_kind(const struct esp_param *param)
{
    return param->distribution == ESP_LOG_UNIFORM || param->distribution == ESP_INV_LOG_UNIFORM;
}

static bool
check_bounds(struct reader *r, const struct esp_yaml_node *node, const struct esp_param *param)
{
    const struct esp_yaml_node *min = esp_param_key(node, "min");

    if (param->min >= param->max) {
        esp_yaml_fault(
            r->yaml, min, "min %.9g is not less than max %.9g", param->min, param->max);
        return false;
    }
    if (is_positive_kind(param) && param->min <= 0) {
        esp_yaml_fault(
            r->yaml, min, "min must be above 0 for a logarithm, not %.9g", param->min);
        return false;
    }
    if (is_exponent_kind(param) && (param->min < -EXPONENT_MAX || param->max > EXPONENT_MAX)) {
        esp_yaml_fault(r->yaml,
                       min,
                       "min and max are natural-log exponents here, within ±%g; for the values "
                       "themselves use log_uniform_values",
                       EXPONENT_MAX);
        return false;
    }
    if (!isfinite(param->max - param->min)) {
        esp_yaml_fault(r->yaml, min, "min and max are too far apart");
        return false;
    }
    if (is_exponent_kind(param) && param->min > 0 && param->max <= 1) {
        esp_reader_warn(r,
                        "%s: the bounds of log_uniform are exponents, so it draws from %.4g to "
                        "%.4g; for %.4g to %.4g write log_uniform_values",
                        param->name,
                        exp(param->min),
                        exp(param->max),
                        param->min,
                        param->max);
    }
    return true;
}

static bool
read_whole(struct reader *r, const struct esp_yaml_node *node, const char *what, double *out)
{
    int64_t whole;

    if (!esp_yaml_read_integer(r->yaml, node, what, &whole)) {
        return false;
    }
    if (fabs((double)whole) > WHOLE_MAX) {
        esp_yaml_fault(r->yaml, node, "%s must be within ±2^53", what);
        return false;
    }
    *out = (double)whole;
    return true;
}

static bool
read_real(struct reader *r, const struct esp_yaml_node *node, const char *key, double *out)
{
    *out = esp_section_key(&esp_section_parameter, key)->fallback;
    return esp_section_read(&esp_section_parameter, r->yaml, node, key, out);
}

bool esp_read_bounds(struct reader *r,
                     const struct esp_yaml_node *node,
                     struct esp_param *param)
{
    const struct esp_yaml_node *min = esp_param_key(node, "min");
    const struct esp_yaml_node *max = esp_param_key(node, "max");
    bool good;

    if (param->distribution == ESP_INT_UNIFORM) {
        param->integral = true;
        good = read_whole(r, min, "min of int_uniform", &param->min);
        good = read_whole(r, max, "max of int_uniform", &param->max) && good;
    } else {
        good = read_real(r, node, "min", &param->min);
        good = read_real(r, node, "max", &param->max) && good;
    }
    return good && check_bounds(r, node, param);
}

bool esp_read_shape(struct reader *r, const struct esp_yaml_node *node, struct esp_param *param)
{
    bool good = read_real(r, node, "mu", &param->mu);

    good = read_real(r, node, "sigma", &param->sigma) && good;
    good = read_real(r, node, "a", &param->a) && good;
    good = read_real(r, node, "b", &param->b) && good;
    if (!good) {
        return false;
    }
    double reach = fabs(param->mu) + SIGMAS_MAX * param->sigma;
    if (!isfinite(reach) || (param->distribution == ESP_LOG_NORMAL && reach > EXPONENT_MAX)) {
        esp_yaml_fault(r->yaml,
                       node,
                       "mu and sigma are too large: draws would not be finite numbers above 0");
        return false;
    }
    return true;
}

/* The largest magnitude that the distribution draws before rounding. */
static double reach(const struct esp_param *param)
{
    switch (param->distribution) {
    case ESP_UNIFORM:
    case ESP_LOG_UNIFORM_VALUES:
        return fmax(fabs(param->min), fabs(param->max));
    case ESP_LOG_UNIFORM:
        return exp(param->max);
    case ESP_NORMAL:
        return fabs(param->mu) + SIGMAS_MAX * param->sigma;
    case ESP_LOG_NORMAL:
        return exp(param->mu + SIGMAS_MAX * param->sigma);
    default:
        return 1;
    }
}

bool esp_read_q(struct reader *r, const struct esp_yaml_node *node, struct esp_param *param)
{
    const struct esp_yaml_node *q = esp_param_key(node, "q");

    if (!read_real(r, node, "q", &param->q)) {
        return false;
    }
    if (q && (reach(param) / param->q > WHOLE_MAX || !isfinite(reach(param) + param->q))) {
        esp_yaml_fault(
            r->yaml, q, "q %.9g does not suit values up to %.9g", param->q, reach(param));
        return false;
    }
    param->integral = param->q == floor(param->q);
    return true;
}
