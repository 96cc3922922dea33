/* Reads the goal of the search and its limits: `metric`, `prior` and `budget`. */
#include "../money/price.h"
#include "reader.h"

#include "../search/registry.h"

#include <espalier/suggest.h>

#include <math.h>
#include <string.h>

static const struct esp_yaml_node *metric_key(const struct esp_yaml_node *node,
                                              const char *name)
{
    return esp_section_get(&esp_section_metric, node, name);
}

static void read_target(struct reader *r, const struct esp_yaml_node *node)
{
    struct esp_study *study = r->study;

    study->has_target =
        metric_key(node, "target") &&
        esp_section_read(&esp_section_metric, r->yaml, node, "target", &study->target);
}

/* W&B's substitute for the value of a failed or running trial. A failed trial counts as bad
 * here, which is what "worst" and "false" come to. */
static void read_impute(struct reader *r, const struct esp_yaml_node *node, const char *key)
{
    double index = 0;

    esp_section_read(&esp_section_metric, r->yaml, node, key, &index);
    if (index == 1 || index == 2) {
        esp_reader_warn(r, "metric.%s has no effect: failed trials count as bad", key);
    }
}

static void check_builtin_metric(struct reader *r, const struct esp_yaml_node *node)
{
    const struct esp_yaml_node *name = metric_key(node, "name");
    const struct esp_yaml_node *goal = metric_key(node, "goal");

    if (strcmp(r->study->metric, "val_loss") != 0 &&
        strcmp(r->study->metric, "train_loss") != 0) {
        esp_yaml_fault(r->yaml,
                       name,
                       "the built-in trainer reports val_loss and train_loss, not \"%s\"",
                       r->study->metric);
    } else if (r->study->maximize) {
        esp_yaml_fault(r->yaml,
                       goal,
                       "a loss must be minimized; goal: maximize would find the worst setting");
    }
}

/* `metric`, or the only one of `metrics`; NULL when there is none. */
static const struct esp_yaml_node *find_metric(struct reader *r)
{
    const struct esp_yaml_node *metric = esp_section_get(&esp_section_top, r->root, "metric");
    const struct esp_yaml_node *metrics = esp_section_get(&esp_section_top, r->root, "metrics");

    if (!metrics) {
        return metric;
    }
    if (metric) {
        esp_yaml_fault(r->yaml, metrics, "`metric` and `metrics` exclude each other");
    } else if (esp_yaml_kind(metrics) != ESP_YAML_SEQUENCE || esp_yaml_size(metrics) != 1) {
        esp_yaml_fault(r->yaml,
                       metrics,
                       "a study has one metric; name it in `metric`. Several need a scheduler "
                       "of a W&B server");
    } else {
        return esp_yaml_item(metrics, 0);
    }
    return metric;
}

void esp_read_metric(struct reader *r)
{
    const struct esp_yaml_node *node = find_metric(r);
    const struct esp_yaml_node *name;
    double goal = 0;

    if (!node) {
        snprintf(r->study->metric,
                 sizeof r->study->metric,
                 "%s",
                 r->study->abilities.settings_known ? "val_loss" : "loss");
        if (!r->study->abilities.settings_known) {
            esp_reader_warn(r, "no metric is named: the metric \"loss\" is minimized");
        }
        return;
    }
    if (esp_yaml_kind(node) != ESP_YAML_MAPPING) {
        esp_yaml_fault(r->yaml,
                       node,
                       "metric must be a mapping like {name: val_loss, goal: minimize}, not %s",
                       esp_yaml_kind_name(node));
        return;
    }
    esp_section_check(&esp_section_metric, r->yaml, node);
    esp_section_read(&esp_section_metric, r->yaml, node, "goal", &goal);
    r->study->maximize = goal == 1;
    read_target(r, node);
    read_impute(r, node, "impute");
    read_impute(r, node, "impute_while_running");
    name = metric_key(node, "name");
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
    esp_yaml_fault(
        r->yaml,
        key,
        "prior.center names \"%.100s\", which is not a parameter of this study%s%s%s",
        esp_yaml_scalar(key),
        nearest ? "; did you mean \"" : "",
        nearest ? nearest : "",
        nearest ? "\"?" : "");
}

/* Whether a center is within the range of values that the parameter draws. */
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
        /* A parameter with a fault is missing from the study; that is not a second fault. */
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
                           "the center %.9g of %s is outside the range that is searched",
                           x,
                           esp_yaml_scalar(key));
        }
        r->study->prior.center[index] = x;
    }
}

static void read_center_prior(struct reader *r, const struct esp_yaml_node *node)
{
    const struct esp_yaml_node *center = esp_section_get(&esp_section_prior, node, "center");
    struct esp_prior *prior = &r->study->prior;

    prior->kind = ESP_PRIOR_CENTER;
    esp_section_check(&esp_section_prior, r->yaml, node);
    if (!center) {
        esp_yaml_fault(r->yaml, node, "prior needs `center`, or is step-law or none");
    } else {
        read_center(r, center);
    }
    esp_section_read(&esp_section_prior, r->yaml, node, "width", &prior->width);
}

void esp_read_prior(struct reader *r)
{
    const struct esp_yaml_node *node = esp_section_get(&esp_section_top, r->root, "prior");
    struct esp_study *study = r->study;
    struct esp_prior *prior = &study->prior;
    double kind = 0;

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
    } else if (esp_section_read(&esp_section_top, r->yaml, r->root, "prior", &kind)) {
        prior->kind = (enum esp_prior_kind)kind;
        if (prior->kind == ESP_PRIOR_STEP_LAW && study->command) {
            esp_yaml_fault(
                r->yaml,
                node,
                "the Step Law applies to the built-in trainer only; give {center: …}");
        }
    }
    if (prior->kind != ESP_PRIOR_NONE && esp_sampler_of(study)->blind) {
        esp_reader_warn(r, "prior has no effect on method %s", esp_sampler_of(study)->name);
    }
}

/* `usd` cannot be used without a price. That is a warning where another limit ends the search,
 * and a fault where the search would have no limit. */
static void check_usd(struct reader *r, const struct esp_yaml_node *budget)
{
    if (r->study->budget.tokens > 0 || r->study->budget.seconds > 0) {
        esp_reader_warn(r,
                        "budget.usd has no effect without price_per_hour; budget.tokens and "
                        "budget.hours apply");
        return;
    }
    esp_yaml_fault(r->yaml,
                   esp_section_get(&esp_section_budget, budget, "usd"),
                   "a budget in usd needs price_per_hour, the price of a device-hour");
}

void esp_read_budget(struct reader *r)
{
    const struct esp_key_section *section = &esp_section_budget;
    const struct esp_yaml_node *node = esp_section_get(&esp_section_top, r->root, "budget");
    struct esp_budget *budget = &r->study->budget;
    double hours = 0;

    if (!node) {
        return;
    }
    if (esp_yaml_kind(node) != ESP_YAML_MAPPING) {
        esp_yaml_fault(r->yaml,
                       node,
                       "budget must be a mapping like {tokens: 2e7, hours: 1}, not %s",
                       esp_yaml_kind_name(node));
        return;
    }
    esp_section_check(section, r->yaml, node);
    esp_section_read(section, r->yaml, node, "tokens", &budget->tokens);
    esp_section_read(section, r->yaml, node, "hours", &hours);
    esp_section_read(section, r->yaml, node, "usd", &budget->usd);
    esp_section_read(section, r->yaml, node, "price_per_hour", &budget->price_per_hour);
    budget->seconds = hours * ESP_SECONDS_PER_HOUR;
    if (esp_section_get(section, node, "usd") &&
        !esp_section_get(section, node, "price_per_hour")) {
        check_usd(r, node);
    }
}
