/* What is sought and what it may cost: `metric`, `prior`, `budget`. */
#include "../money/price.h"
#include "reader.h"

#include "../search/registry.h"

#include <espalier/suggest.h>

#include <math.h>
#include <string.h>

/* Octaves beyond which a prior says nothing any more. */
#define WIDTH_MAX 64.0

static void read_target(struct reader *r, const struct esp_yaml_node *node)
{
    struct esp_study *study = r->study;

    if (node) {
        study->has_target = esp_yaml_read_real(r->yaml, node, "metric.target", &study->target);
    }
}

/* W&B's substitutes for a missing value: checked, and without effect here, where a failed or
 * diverged trial counts as bad. */
static void read_impute(struct reader *r, const struct esp_yaml_node *node, const char *key)
{
    static const char *const words[] = {"worst", "latest", "best", "false", NULL};
    const struct esp_yaml_node *value = esp_yaml_get(node, key);
    int index;

    if (value && esp_yaml_read_word(r->yaml, value, key, words, &index) &&
        (index == 1 || index == 2)) {
        esp_reader_warn(r, "metric.%s has no effect: failed trials count as bad", key);
    }
}

static void check_builtin_metric(struct reader *r, const struct esp_yaml_node *node)
{
    const struct esp_yaml_node *name = esp_yaml_get(node, "name");
    const struct esp_yaml_node *goal = esp_yaml_get(node, "goal");

    if (strcmp(r->study->metric, "val_loss") != 0 &&
        strcmp(r->study->metric, "train_loss") != 0) {
        esp_yaml_fault(r->yaml,
                       name,
                       "the built-in trainer reports val_loss and train_loss, no \"%s\"",
                       r->study->metric);
    } else if (r->study->maximize) {
        esp_yaml_fault(r->yaml, goal, "a loss is minimized; goal: maximize finds the worst");
    }
}

/* `metric`, or the only one of `metrics`; NULL when there is none. */
static const struct esp_yaml_node *find_metric(struct reader *r)
{
    const struct esp_yaml_node *metric = esp_yaml_get(r->root, "metric");
    const struct esp_yaml_node *metrics = esp_yaml_get(r->root, "metrics");

    if (!metrics) {
        return metric;
    }
    if (metric) {
        esp_yaml_fault(r->yaml, metrics, "`metric` and `metrics` exclude each other");
    } else if (esp_yaml_kind(metrics) != ESP_YAML_SEQUENCE || esp_yaml_size(metrics) != 1) {
        esp_yaml_fault(r->yaml, metrics, "a study has one metric; name it in `metric`");
    } else {
        return esp_yaml_item(metrics, 0);
    }
    return metric;
}

void esp_read_metric(struct reader *r)
{
    static const char *const keys[] = {
        "name", "goal", "target", "impute", "impute_while_running", NULL};
    static const char *const goals[] = {"minimize", "maximize", NULL};
    const struct esp_yaml_node *node = find_metric(r);
    const struct esp_yaml_node *name;
    const struct esp_yaml_node *goal;
    int index = 0;

    if (!node) {
        snprintf(r->study->metric,
                 sizeof r->study->metric,
                 "%s",
                 r->study->abilities.settings_known ? "val_loss" : "loss");
        if (!r->study->abilities.settings_known) {
            esp_reader_warn(r, "no metric is named: \"loss\" is taken, and minimized");
        }
        return;
    }
    if (esp_yaml_kind(node) != ESP_YAML_MAPPING) {
        esp_yaml_fault(r->yaml,
                       node,
                       "metric must be a mapping like {name: val_loss, goal: minimize}, not %s",
                       esp_yaml_kind_words(node));
        return;
    }
    esp_yaml_check_keys(r->yaml, node, keys, "in metric");
    goal = esp_yaml_get(node, "goal");
    if (goal && esp_yaml_read_word(r->yaml, goal, "metric.goal", goals, &index)) {
        r->study->maximize = index == 1;
    }
    read_target(r, esp_yaml_get(node, "target"));
    read_impute(r, node, "impute");
    read_impute(r, node, "impute_while_running");
    name = esp_yaml_get(node, "name");
    if (!name) {
        esp_yaml_fault(r->yaml, node, "metric needs `name`");
    } else if (esp_yaml_read_text(
                   r->yaml, name, "metric.name", r->study->metric, sizeof r->study->metric) &&
               r->study->abilities.settings_known) {
        check_builtin_metric(r, node);
    }
}

static int find_param(const struct esp_study *study, const char *name)
{
    for (int i = 0; i < study->param_count; i++) {
        if (strcmp(study->params[i].name, name) == 0) {
            return i;
        }
    }
    return -1;
}

static void no_param(struct reader *r, const struct esp_yaml_node *key)
{
    const char *names[ESP_PARAMS_MAX];
    const char *nearest;

    for (int i = 0; i < r->study->param_count; i++) {
        names[i] = r->study->params[i].name;
    }
    nearest = esp_suggest(esp_yaml_scalar(key), names, (size_t)r->study->param_count);
    esp_yaml_fault(r->yaml,
                   key,
                   "prior.center names \"%.100s\", which is no parameter of this study%s%s%s",
                   esp_yaml_scalar(key),
                   nearest ? "; did you mean \"" : "",
                   nearest ? nearest : "",
                   nearest ? "\"?" : "");
}

/* Whether a centre can be compared with what the parameter draws, and lies among it. */
static bool is_within(const struct esp_param *param, double x)
{
    double low = INFINITY;
    double high = -INFINITY;

    switch (param->distribution) {
    case ESP_CONSTANT:
    case ESP_CATEGORICAL:
    case ESP_CATEGORICAL_WEIGHTED:
        for (int i = 0; i < param->choice_count; i++) {
            if (param->choices[i].type == ESP_VALUE_REAL ||
                param->choices[i].type == ESP_VALUE_INTEGER) {
                low = fmin(low, param->choices[i].real);
                high = fmax(high, param->choices[i].real);
            }
        }
        return x >= low && x <= high;
    case ESP_NORMAL:
        return true;
    default:
        return x >= esp_param_draw(param, 0) && x <= esp_param_draw(param, 1);
    }
}

static void read_center(struct reader *r, const struct esp_yaml_node *center)
{
    if (esp_yaml_kind(center) != ESP_YAML_MAPPING || esp_yaml_size(center) == 0) {
        esp_yaml_fault(
            r->yaml, center, "prior.center must name parameters, like {learning_rate: 1e-3}");
        return;
    }
    for (size_t i = 0; i < esp_yaml_size(center); i++) {
        const struct esp_yaml_node *key = esp_yaml_key(center, i);
        const struct esp_yaml_node *value = esp_yaml_item(center, i);
        int index = find_param(r->study, esp_yaml_scalar(key));
        double x;
        /* A parameter with a fault of its own is not there: one fault is enough. */
        if (index < 0) {
            if (esp_yaml_fault_count(r->yaml) == 0) {
                no_param(r, key);
            }
            continue;
        }
        if (!esp_yaml_read_real(r->yaml, value, esp_yaml_scalar(key), &x)) {
            continue;
        }
        if (!is_within(&r->study->params[index], x)) {
            esp_yaml_fault(r->yaml,
                           value,
                           "the centre %.9g of %s lies outside of what is searched",
                           x,
                           esp_yaml_scalar(key));
        }
        r->study->prior.center[index] = x;
    }
}

static void read_center_prior(struct reader *r, const struct esp_yaml_node *node)
{
    static const char *const keys[] = {"center", "width", NULL};
    const struct esp_yaml_node *center = esp_yaml_get(node, "center");
    const struct esp_yaml_node *width = esp_yaml_get(node, "width");
    struct esp_prior *prior = &r->study->prior;

    prior->kind = ESP_PRIOR_CENTER;
    esp_yaml_check_keys(r->yaml, node, keys, "in prior");
    if (!center) {
        esp_yaml_fault(r->yaml, node, "prior needs `center`, or is step-law or none");
    } else {
        read_center(r, center);
    }
    if (width && esp_yaml_read_real(r->yaml, width, "prior.width", &prior->width) &&
        !(prior->width > 0 && prior->width <= WIDTH_MAX)) {
        esp_yaml_fault(
            r->yaml, width, "prior.width is in octaves, above 0 and at most %g", WIDTH_MAX);
    }
}

void esp_read_prior(struct reader *r)
{
    static const char *const words[] = {"step-law", "none", NULL};
    const struct esp_yaml_node *node = esp_yaml_get(r->root, "prior");
    struct esp_study *study = r->study;
    struct esp_prior *prior = &study->prior;
    int index;

    prior->kind = study->abilities.settings_known ? ESP_PRIOR_STEP_LAW : ESP_PRIOR_NONE;
    for (int i = 0; i < ESP_PARAMS_MAX; i++) {
        prior->center[i] = NAN;
    }
    if (!node) {
        return;
    }
    prior->given = true;
    if (esp_yaml_kind(node) == ESP_YAML_MAPPING) {
        read_center_prior(r, node);
    } else if (esp_yaml_read_word(r->yaml, node, "prior", words, &index)) {
        prior->kind = index == 0 ? ESP_PRIOR_STEP_LAW : ESP_PRIOR_NONE;
        if (index == 0 && study->command) {
            esp_yaml_fault(r->yaml,
                           node,
                           "the step law knows the built-in trainer alone; give {center: …}");
        }
    }
    if (prior->kind != ESP_PRIOR_NONE && esp_sampler_of(study)->blind) {
        esp_reader_warn(r, "prior has no effect on method %s", esp_sampler_of(study)->name);
    }
}

static double read_amount(struct reader *r, const struct esp_yaml_node *budget, const char *key)
{
    const struct esp_yaml_node *node = esp_yaml_get(budget, key);
    char what[64];
    double x;

    snprintf(what, sizeof what, "budget.%s", key);
    if (!node || !esp_yaml_read_real(r->yaml, node, what, &x)) {
        return 0;
    }
    if (x <= 0) {
        esp_yaml_fault(r->yaml, node, "%s must be above 0, not %.9g", what, x);
        return 0;
    }
    return x;
}

/* Without a price nothing turns time into money. Another cap bounds the spending all the same;
 * a study that has only this one would spend without end. */
static void check_usd(struct reader *r, const struct esp_yaml_node *budget)
{
    if (r->study->budget.tokens > 0 || r->study->budget.seconds > 0) {
        esp_reader_warn(
            r, "budget.usd has no effect without price_per_hour; tokens and hours hold");
        return;
    }
    esp_yaml_fault(r->yaml,
                   esp_yaml_get(budget, "usd"),
                   "a budget in usd needs price_per_hour, the price of a device-hour");
}

void esp_read_budget(struct reader *r)
{
    static const char *const keys[] = {"tokens", "hours", "usd", "price_per_hour", NULL};
    const struct esp_yaml_node *node = esp_yaml_get(r->root, "budget");
    struct esp_budget *budget = &r->study->budget;

    if (!node) {
        return;
    }
    if (esp_yaml_kind(node) != ESP_YAML_MAPPING) {
        esp_yaml_fault(r->yaml,
                       node,
                       "budget must be a mapping like {tokens: 2e7, hours: 1}, not %s",
                       esp_yaml_kind_words(node));
        return;
    }
    esp_yaml_check_keys(r->yaml, node, keys, "in budget");
    budget->tokens = read_amount(r, node, "tokens");
    budget->seconds = read_amount(r, node, "hours") * ESP_SECONDS_PER_HOUR;
    budget->usd = read_amount(r, node, "usd");
    budget->price_per_hour = read_amount(r, node, "price_per_hour");
    if (esp_yaml_get(node, "usd") && !esp_yaml_get(node, "price_per_hour")) {
        check_usd(r, node);
    }
}
