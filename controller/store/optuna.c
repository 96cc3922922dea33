/* A distribution in the JSON format of Optuna (optuna/distributions.py). The view's value is
 * the drawn one, which for choices is the index. */
#include "internal.h"
#include <float.h>
#include <math.h>

/* A normal draw from 53 random bits stays within 8.3 standard deviations. */
#define NORMAL_REACH 9.0

struct range {
    double low, high;
    bool log;
};

static double clamp(double value)
{
    return value > DBL_MAX ? DBL_MAX : value < -DBL_MAX ? -DBL_MAX : value;
}

static struct range range_of(const struct esp_param *p)
{
    switch (p->distribution) {
    case ESP_LOG_UNIFORM:
        return (struct range){exp(p->min), exp(p->max), true};
    case ESP_LOG_UNIFORM_VALUES:
    case ESP_INV_LOG_UNIFORM_VALUES:
        return (struct range){p->min, p->max, true};
    case ESP_INV_LOG_UNIFORM:
        return (struct range){exp(-p->max), exp(-p->min), true};
    case ESP_NORMAL:
        return (struct range){
            p->mu - NORMAL_REACH * p->sigma, p->mu + NORMAL_REACH * p->sigma, false};
    case ESP_LOG_NORMAL:
        return (struct range){
            exp(p->mu - NORMAL_REACH * p->sigma), exp(p->mu + NORMAL_REACH * p->sigma), true};
    case ESP_BETA:
        return (struct range){0, 1, false};
    default:
        return (struct range){p->min, p->max, false};
    }
}

static void put_choices(const struct esp_param *param, struct esp_text *text)
{
    esp_text_raw(text,
                 "{\"name\": \"CategoricalDistribution\", \"attributes\": {\"choices\": [");
    for (int i = 0; i < param->choice_count; i++) {
        const struct esp_value *choice = &param->choices[i];
        char digits[24];
        esp_text_raw(text, i ? ", " : "");
        switch (choice->type) {
        case ESP_VALUE_REAL:
            esp_text_real(text, choice->real);
            break;
        case ESP_VALUE_INTEGER:
            snprintf(digits, sizeof digits, "%lld", (long long)choice->integer);
            esp_text_raw(text, digits);
            break;
        case ESP_VALUE_BOOLEAN:
            esp_text_raw(text, choice->integer ? "true" : "false");
            break;
        case ESP_VALUE_TEXT:
            esp_text_quote(text, choice->text);
            break;
        }
    }
    esp_text_raw(text, "]}}");
}

static void put_number(struct esp_text *text, double value, bool integral)
{
    char digits[24];
    if (integral && fabs(value) < 0x1p63) {
        snprintf(digits, sizeof digits, "%lld", (long long)value);
        esp_text_raw(text, digits);
    } else {
        esp_text_real(text, value);
    }
}

void esp_optuna_distribution(const struct esp_param *param, bool grid, struct esp_text *text)
{
    if (param->distribution == ESP_CONSTANT || param->distribution == ESP_CATEGORICAL ||
        param->distribution == ESP_CATEGORICAL_WEIGHTED) {
        put_choices(param, text);
        return;
    }
    struct range range = range_of(param);
    int64_t points = grid ? esp_param_grid_count(param) : 0;
    if (points > 0) {
        range.low = esp_param_grid_point(param, 0);
        range.high = esp_param_grid_point(param, points - 1);
    } else if (param->quantised && param->q > 0) {
        range.low = esp_param_quantise(param, range.low);
        range.high = esp_param_quantise(param, range.high);
    }
    /* Optuna allows neither steps on a log scale nor a lower bound of 0 on it. */
    range.log = range.log && range.low > 0;
    bool integral = param->integral;
    bool stepped = !range.log && (integral || (param->quantised && param->q > 0));
    esp_text_raw(text, "{\"name\": \"");
    esp_text_raw(text, integral ? "IntDistribution" : "FloatDistribution");
    esp_text_raw(text, "\", \"attributes\": {\"log\": ");
    esp_text_raw(text, range.log ? "true" : "false");
    esp_text_raw(text, ", \"step\": ");
    if (stepped) {
        put_number(text, param->quantised && param->q > 0 ? param->q : 1, integral);
    } else {
        esp_text_raw(text, integral ? "1" : "null");
    }
    esp_text_raw(text, ", \"low\": ");
    put_number(text, clamp(range.low), integral);
    esp_text_raw(text, ", \"high\": ");
    put_number(text, clamp(range.high), integral);
    esp_text_raw(text, "}}");
}
