/* One parameter: which distribution, with which numbers (facts: sweep-yaml, the table). */
#include "reader.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    KEY_VALUE = 1 << 0,
    KEY_VALUES = 1 << 1,
    KEY_PROBABILITIES = 1 << 2,
    KEY_MIN = 1 << 3,
    KEY_MAX = 1 << 4,
    KEY_MU = 1 << 5,
    KEY_SIGMA = 1 << 6,
    KEY_A = 1 << 7,
    KEY_B = 1 << 8,
    KEY_Q = 1 << 9,
    KEY_BOUNDS = KEY_MIN | KEY_MAX,
    KEY_REQUIRED = KEY_VALUE | KEY_VALUES | KEY_PROBABILITIES | KEY_BOUNDS,
};

static const char *const key_names[] = {
    "value", "values", "probabilities", "min", "max", "mu", "sigma", "a", "b", "q", NULL};
static const char *const all_keys[] = {"value",
                                       "values",
                                       "probabilities",
                                       "min",
                                       "max",
                                       "mu",
                                       "sigma",
                                       "a",
                                       "b",
                                       "q",
                                       "distribution",
                                       "parameters",
                                       NULL};

static const struct row {
    const char *name;
    enum esp_distribution distribution;
    bool quantised;
    unsigned keys;
} rows[] = {
    {"constant", ESP_CONSTANT, false, KEY_VALUE},
    {"categorical", ESP_CATEGORICAL, false, KEY_VALUES},
    {"categorical_w_probabilities",
     ESP_CATEGORICAL_WEIGHTED,
     false,
     KEY_VALUES | KEY_PROBABILITIES},
    {"int_uniform", ESP_INT_UNIFORM, false, KEY_BOUNDS},
    {"uniform", ESP_UNIFORM, false, KEY_BOUNDS},
    {"q_uniform", ESP_UNIFORM, true, KEY_BOUNDS | KEY_Q},
    {"log_uniform", ESP_LOG_UNIFORM, false, KEY_BOUNDS},
    {"q_log_uniform", ESP_LOG_UNIFORM, true, KEY_BOUNDS | KEY_Q},
    {"log_uniform_values", ESP_LOG_UNIFORM_VALUES, false, KEY_BOUNDS},
    {"q_log_uniform_values", ESP_LOG_UNIFORM_VALUES, true, KEY_BOUNDS | KEY_Q},
    {"inv_log_uniform", ESP_INV_LOG_UNIFORM, false, KEY_BOUNDS},
    {"inv_log_uniform_values", ESP_INV_LOG_UNIFORM_VALUES, false, KEY_BOUNDS},
    {"normal", ESP_NORMAL, false, KEY_MU | KEY_SIGMA},
    {"q_normal", ESP_NORMAL, true, KEY_MU | KEY_SIGMA | KEY_Q},
    {"log_normal", ESP_LOG_NORMAL, false, KEY_MU | KEY_SIGMA},
    {"q_log_normal", ESP_LOG_NORMAL, true, KEY_MU | KEY_SIGMA | KEY_Q},
    {"beta", ESP_BETA, false, KEY_A | KEY_B},
    {"q_beta", ESP_BETA, true, KEY_A | KEY_B | KEY_Q},
};

#define ROW_COUNT (sizeof rows / sizeof rows[0])

/* exp(700) is finite, exp(710) is not. */
#define EXPONENT_MAX 700.0
/* A normal draw lies within 9 sigma: u is no closer to 0 and 1 than 2^-53. */
#define SIGMAS_MAX 9.0
/* The continued fraction of the beta distribution converges within its limit up to here. */
#define SHAPE_MAX 1e6
#define WHOLE_MAX 0x1p53
#define PROBABILITY_TOLERANCE 1e-6

static const struct row *find_row(enum esp_distribution distribution)
{
    for (size_t i = 0; i < ROW_COUNT; i++) {
        if (rows[i].distribution == distribution) {
            return &rows[i];
        }
    }
    return NULL;
}

static bool is_whole(const struct esp_yaml_node *node)
{
    return esp_yaml_kind(node) == ESP_YAML_SCALAR &&
           esp_yaml_value(node).type == ESP_VALUE_INTEGER;
}

/* What W&B takes a parameter without `distribution` for; NULL after a fault. */
static const struct row *infer(struct reader *r, const struct esp_yaml_node *node)
{
    const struct esp_yaml_node *min = esp_yaml_get(node, "min");
    const struct esp_yaml_node *max = esp_yaml_get(node, "max");

    if (esp_yaml_get(node, "values")) {
        return find_row(esp_yaml_get(node, "probabilities") ? ESP_CATEGORICAL_WEIGHTED
                                                            : ESP_CATEGORICAL);
    }
    if (esp_yaml_get(node, "value")) {
        return find_row(ESP_CONSTANT);
    }
    if (min && max) {
        return find_row(is_whole(min) && is_whole(max) ? ESP_INT_UNIFORM : ESP_UNIFORM);
    }
    if (min || max) {
        esp_yaml_fault(r->yaml, node, "%s is missing", min ? "max" : "min");
    } else {
        esp_yaml_fault(
            r->yaml,
            node,
            "this says nothing to search; give `values`, `value`, `min` and `max`, or "
            "a `distribution`");
    }
    return NULL;
}

static const struct row *choose_row(struct reader *r, const struct esp_yaml_node *node)
{
    const struct esp_yaml_node *named = esp_yaml_get(node, "distribution");
    const char *names[ROW_COUNT + 1] = {NULL};
    int index;

    if (!named) {
        return infer(r, node);
    }
    for (size_t i = 0; i < ROW_COUNT; i++) {
        names[i] = rows[i].name;
    }
    return esp_yaml_read_word(r->yaml, named, "distribution", names, &index) ? &rows[index]
                                                                             : NULL;
}

/* Keys that the distribution does not take, and those that it must have. */
static bool check_row(struct reader *r, const struct esp_yaml_node *node, const struct row *row)
{
    bool good = true;

    for (size_t i = 0; key_names[i]; i++) {
        const struct esp_yaml_node *key = esp_yaml_get_key(node, key_names[i]);
        if (key && !(row->keys & (1u << i))) {
            bool wants_q = (1u << i) == KEY_Q && (row->keys & (KEY_BOUNDS | KEY_MU | KEY_A));
            esp_yaml_fault(r->yaml,
                           key,
                           "%s does not take `%s`%s%s%s",
                           row->name,
                           key_names[i],
                           wants_q ? "; q_" : "",
                           wants_q ? row->name : "",
                           wants_q ? " does" : "");
            good = false;
        } else if (!key && (row->keys & KEY_REQUIRED & (1u << i))) {
            esp_yaml_fault(r->yaml, node, "%s needs `%s`", row->name, key_names[i]);
            good = false;
        }
    }
    return good;
}

/* One value of a list. Lists and mappings among the values go on as JSON, an empty one as
 * Python's None: what W&B puts on a program's command line. */
static bool
read_choice(struct reader *r, const struct esp_yaml_node *node, struct esp_value *out)
{
    struct esp_value value = esp_yaml_value(node);
    char *text;

    if (esp_yaml_kind(node) == ESP_YAML_SCALAR && value.type != ESP_VALUE_TEXT) {
        if (!isfinite(value.real)) {
            esp_yaml_fault(r->yaml, node, "a value must be finite");
            return false;
        }
        *out = value;
        return true;
    }
    text = esp_yaml_kind(node) != ESP_YAML_SCALAR ? esp_yaml_json(node)
           : esp_yaml_is_null(node)               ? strdup("None")
                                                  : strdup(value.text);
    if (!text) {
        r->out_of_memory = true;
        return false;
    }
    if (strlen(text) >= ESP_TEXT_MAX) {
        esp_yaml_fault(r->yaml,
                       node,
                       "a value has %zu bytes; at most %d are possible",
                       strlen(text),
                       ESP_TEXT_MAX - 1);
        free(text);
        return false;
    }
    *out = (struct esp_value){ESP_VALUE_TEXT, 0, 0, text};
    return true;
}

/* 3.0 equals 3; true does not equal 1. */
static bool is_same(const struct esp_value *a, const struct esp_value *b)
{
    bool a_number = a->type == ESP_VALUE_INTEGER || a->type == ESP_VALUE_REAL;
    bool b_number = b->type == ESP_VALUE_INTEGER || b->type == ESP_VALUE_REAL;

    if (a_number && b_number) {
        return a->real == b->real;
    }
    if (a->type != b->type) {
        return false;
    }
    return a->type == ESP_VALUE_TEXT ? strcmp(a->text, b->text) == 0 : a->integer == b->integer;
}

static bool
check_repeats(struct reader *r, const struct esp_yaml_node *list, const struct esp_param *param)
{
    bool good = true;

    for (int i = 1; i < param->choice_count; i++) {
        for (int j = 0; j < i; j++) {
            if (is_same(&param->choices[i], &param->choices[j])) {
                esp_yaml_fault(
                    r->yaml, esp_yaml_item(list, (size_t)i), "this value is in the list twice");
                good = false;
                break;
            }
        }
    }
    return good;
}

static bool
read_choices(struct reader *r, const struct esp_yaml_node *list, struct esp_param *param)
{
    size_t count = esp_yaml_size(list);
    bool good = true;

    if (esp_yaml_kind(list) != ESP_YAML_SEQUENCE || count == 0 || count > ESP_CHOICES_MAX) {
        if (esp_yaml_kind(list) != ESP_YAML_SEQUENCE) {
            esp_yaml_fault(r->yaml,
                           list,
                           "values must be a list like [8, 16, 32], not %s",
                           esp_yaml_kind_words(list));
        } else {
            esp_yaml_fault(r->yaml,
                           list,
                           "values has %zu entries; it takes 1 to %d",
                           count,
                           ESP_CHOICES_MAX);
        }
        return false;
    }
    param->choices = calloc(count, sizeof *param->choices);
    if (!param->choices) {
        r->out_of_memory = true;
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        struct esp_value *choice = &param->choices[param->choice_count];
        if (read_choice(r, esp_yaml_item(list, i), choice)) {
            param->choice_count++;
        } else {
            good = false;
        }
    }
    return good && check_repeats(r, list, param);
}

static bool
read_probabilities(struct reader *r, const struct esp_yaml_node *list, struct esp_param *param)
{
    size_t count = esp_yaml_size(list);
    double sum = 0;
    bool good = true;

    if (esp_yaml_kind(list) != ESP_YAML_SEQUENCE || count != (size_t)param->choice_count) {
        esp_yaml_fault(r->yaml,
                       list,
                       "probabilities must be a list of %d numbers, one for each value",
                       param->choice_count);
        return false;
    }
    param->probabilities = calloc(count, sizeof *param->probabilities);
    if (!param->probabilities) {
        r->out_of_memory = true;
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        const struct esp_yaml_node *item = esp_yaml_item(list, i);
        double *p = &param->probabilities[i];
        if (!esp_yaml_read_real(r->yaml, item, "a probability", p)) {
            good = false;
        } else if (*p < 0 || *p > 1) {
            esp_yaml_fault(r->yaml, item, "a probability must be in [0, 1]");
            good = false;
        }
        sum += *p;
    }
    if (good && fabs(sum - 1) > PROBABILITY_TOLERANCE) {
        esp_yaml_fault(r->yaml, list, "the probabilities sum to %.9g, not to 1", sum);
        good = false;
    }
    return good;
}

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
    const struct esp_yaml_node *min = esp_yaml_get(node, "min");

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
read_bounds(struct reader *r, const struct esp_yaml_node *node, struct esp_param *param)
{
    const struct esp_yaml_node *min = esp_yaml_get(node, "min");
    const struct esp_yaml_node *max = esp_yaml_get(node, "max");
    bool good;

    if (param->distribution == ESP_INT_UNIFORM) {
        param->integral = true;
        good = read_whole(r, min, "min of int_uniform", &param->min);
        good = read_whole(r, max, "max of int_uniform", &param->max) && good;
    } else {
        good = esp_yaml_read_real(r->yaml, min, "min", &param->min);
        good = esp_yaml_read_real(r->yaml, max, "max", &param->max) && good;
    }
    return good && check_bounds(r, node, param);
}

/* An optional number; `fallback` where it is absent. */
static bool read_optional(struct reader *r,
                          const struct esp_yaml_node *node,
                          const char *key,
                          double fallback,
                          double *out)
{
    const struct esp_yaml_node *value = esp_yaml_get(node, key);

    *out = fallback;
    return !value || esp_yaml_read_real(r->yaml, value, key, out);
}

static bool
read_shape(struct reader *r, const struct esp_yaml_node *node, struct esp_param *param)
{
    bool good = read_optional(r, node, "mu", 0, &param->mu);

    good = read_optional(r, node, "sigma", 1, &param->sigma) && good;
    good = read_optional(r, node, "a", 1, &param->a) && good;
    good = read_optional(r, node, "b", 1, &param->b) && good;
    if (!good) {
        return false;
    }
    if (param->sigma <= 0) {
        esp_yaml_fault(r->yaml, esp_yaml_get(node, "sigma"), "sigma must be above 0");
        return false;
    }
    if (param->a <= 0 || param->a > SHAPE_MAX || param->b <= 0 || param->b > SHAPE_MAX) {
        esp_yaml_fault(r->yaml, node, "a and b must be above 0 and at most %g", SHAPE_MAX);
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

static bool read_q(struct reader *r, const struct esp_yaml_node *node, struct esp_param *param)
{
    const struct esp_yaml_node *q = esp_yaml_get(node, "q");

    param->q = 1;
    param->integral = true;
    if (!q) {
        return true;
    }
    if (!esp_yaml_read_real(r->yaml, q, "q", &param->q)) {
        return false;
    }
    if (param->q <= 0) {
        esp_yaml_fault(r->yaml, q, "q must be above 0, not %.9g", param->q);
        return false;
    }
    if (reach(param) / param->q > WHOLE_MAX || !isfinite(reach(param) + param->q)) {
        esp_yaml_fault(
            r->yaml, q, "q %.9g does not suit values up to %.9g", param->q, reach(param));
        return false;
    }
    param->integral = param->q == floor(param->q);
    return true;
}

static bool
read_mapping(struct reader *r, const struct esp_yaml_node *node, struct esp_param *param)
{
    int before = esp_yaml_fault_count(r->yaml);
    const struct row *row;

    esp_yaml_check_keys(r->yaml, node, all_keys, "of a parameter");
    row = choose_row(r, node);
    if (!row || !check_row(r, node, row)) {
        return false;
    }
    param->distribution = row->distribution;
    param->quantised = row->quantised;
    if (row->keys & KEY_VALUES) {
        if (!read_choices(r, esp_yaml_get(node, "values"), param)) {
            return false;
        }
        if (row->keys & KEY_PROBABILITIES) {
            return read_probabilities(r, esp_yaml_get(node, "probabilities"), param);
        }
    } else if (row->keys & KEY_BOUNDS) {
        if (!read_bounds(r, node, param)) {
            return false;
        }
    } else if (!(row->keys & KEY_VALUE) && !read_shape(r, node, param)) {
        return false;
    }
    if (row->quantised && !read_q(r, node, param)) {
        return false;
    }
    return esp_yaml_fault_count(r->yaml) == before;
}

bool esp_read_distribution(struct reader *r,
                           const struct esp_yaml_node *node,
                           struct esp_param *param)
{
    const struct esp_yaml_node *value = node;

    if (esp_yaml_kind(node) == ESP_YAML_SEQUENCE) {
        esp_yaml_fault(r->yaml, node, "write {values: […]} for a list of values");
        return false;
    }
    if (esp_yaml_kind(node) == ESP_YAML_MAPPING) {
        if (!read_mapping(r, node, param)) {
            return false;
        }
        if (param->distribution != ESP_CONSTANT) {
            return true;
        }
        value = esp_yaml_get(node, "value");
    } else if (esp_yaml_is_null(node)) {
        esp_yaml_fault(r->yaml, node, "%s has no value", param->name);
        return false;
    }
    param->distribution = ESP_CONSTANT;
    param->choices = calloc(1, sizeof *param->choices);
    if (!param->choices) {
        r->out_of_memory = true;
        return false;
    }
    param->choice_count = read_choice(r, value, param->choices) ? 1 : 0;
    return param->choice_count == 1;
}
