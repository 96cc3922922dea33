/* The values of a parameter that is a choice: `value`, `values`, `probabilities`. */
#include "read_distribution.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* numpy.isclose(sum, 1), which W&B's reader asks: 1e-5 relative and 1e-8 absolute. */
#define PROBABILITY_TOLERANCE (1e-5 + 1e-8)

/* Reads one value. A list or a mapping becomes JSON text, and an empty value Python's None, as
 * W&B writes them on a program's command line. */
bool esp_read_choice(struct reader *r, const struct esp_yaml_node *node, struct esp_value *out)
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
                       "a value has %zu bytes; it may have at most %d",
                       strlen(text),
                       ESP_TEXT_MAX - 1);
        free(text);
        return false;
    }
    *out = (struct esp_value){ESP_VALUE_TEXT, 0, 0, text};
    return true;
}

/* 3.0 equals 3, but true does not equal 1. */
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

/* Keeps the first of equal values and counts in `times` how often each is given. Their number
 * before. */
static int merge_equal(struct esp_param *param, double *times)
{
    int before = param->choice_count;
    int count = 0;

    for (int i = 0; i < before; i++) {
        struct esp_value value = param->choices[i];
        double share = param->probabilities ? param->probabilities[i] : 1;
        int at = 0;
        while (at < count && !is_same(&value, &param->choices[at])) {
            at++;
        }
        if (at == count) {
            param->choices[count] = value;
            times[count++] = share;
            continue;
        }
        times[at] += share;
        if (value.type == ESP_VALUE_TEXT) {
            free((char *)value.text);
        }
    }
    param->choice_count = count;
    return before;
}

void esp_merge_choices(struct reader *r, struct esp_param *param, bool listed)
{
    double *times = calloc((size_t)param->choice_count + 1, sizeof *times);

    if (!times) {
        r->out_of_memory = true;
        return;
    }
    int before = merge_equal(param, times);
    if (param->choice_count == before || (listed && !param->probabilities)) {
        free(times);
    } else {
        for (int i = 0; i < param->choice_count && !param->probabilities; i++) {
            times[i] /= before;
        }
        free(param->probabilities);
        param->probabilities = times;
        param->distribution = ESP_CATEGORICAL_WEIGHTED;
    }
    if (param->choice_count < before) {
        esp_reader_warn(r,
                        "%s: a value that is in `values` more than once is %s",
                        param->name,
                        listed ? "tried once" : "drawn as many times as often");
    }
}

bool esp_read_choices(struct reader *r,
                      const struct esp_yaml_node *list,
                      struct esp_param *param)
{
    size_t count = esp_yaml_size(list);
    bool good = true;

    if (esp_yaml_kind(list) != ESP_YAML_SEQUENCE || count == 0 || count > ESP_CHOICES_MAX) {
        if (esp_yaml_kind(list) != ESP_YAML_SEQUENCE) {
            esp_yaml_fault(r->yaml,
                           list,
                           "values must be a list like [8, 16, 32], not %s; for one value "
                           "write `value`",
                           esp_yaml_kind_name(list));
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
        if (esp_read_choice(r, esp_yaml_item(list, i), choice)) {
            param->choice_count++;
        } else {
            good = false;
        }
    }
    return good;
}

bool esp_read_probabilities(struct reader *r,
                            const struct esp_yaml_node *list,
                            struct esp_param *param)
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
        } else if (*p < 0 || *p > 1 + PROBABILITY_TOLERANCE) {
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
