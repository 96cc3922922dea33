/* Reads one parameter: chooses its distribution and checks that its keys go with it. */
#include "read_distribution.h"
#include "distribution.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Rows of esp_distributions, for the array of their names on the stack. */
#define NAMES_MAX 32

static const struct esp_distribution_row *find_row(enum esp_distribution distribution)
{
    for (int i = 0; i < esp_distribution_count; i++) {
        if (esp_distributions[i].distribution == distribution) {
            return &esp_distributions[i];
        }
    }
    return NULL;
}

static bool is_whole(const struct esp_yaml_node *node)
{
    return esp_yaml_kind(node) == ESP_YAML_SCALAR &&
           esp_yaml_value(node).type == ESP_VALUE_INTEGER;
}

/* The distribution that W&B assumes where none is named; NULL after a fault. */
static const struct esp_distribution_row *infer(struct reader *r,
                                                const struct esp_yaml_node *node)
{
    const struct esp_yaml_node *min = esp_param_key(node, "min");
    const struct esp_yaml_node *max = esp_param_key(node, "max");

    if (esp_param_key(node, "values")) {
        return find_row(esp_param_key(node, "probabilities") ? ESP_CATEGORICAL_WEIGHTED
                                                             : ESP_CATEGORICAL);
    }
    if (esp_param_key(node, "value")) {
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
            "there is nothing to search here; give `values`, `value`, `min` and `max`, or "
            "a `distribution`");
    }
    return NULL;
}

static const struct esp_distribution_row *choose_row(struct reader *r,
                                                     const struct esp_yaml_node *node)
{
    const struct esp_yaml_node *named = esp_param_key(node, "distribution");
    const char *names[NAMES_MAX + 1] = {NULL};
    int index;

    if (!named) {
        return infer(r, node);
    }
    assert(esp_distribution_count <= NAMES_MAX);
    for (int i = 0; i < esp_distribution_count; i++) {
        names[i] = esp_distributions[i].name;
    }
    return esp_yaml_read_word(r->yaml, named, "distribution", names, &index)
               ? &esp_distributions[index]
               : NULL;
}

/* The row of the same distribution with rounding, "q_NAME"; NULL where there is none. */
static const struct esp_distribution_row *rounded_form(const struct esp_distribution_row *row)
{
    for (int i = 0; i < esp_distribution_count; i++) {
        const struct esp_distribution_row *other = &esp_distributions[i];
        if (other->quantised && other->distribution == row->distribution) {
            return other;
        }
    }
    return NULL;
}

static void refuse_key(struct reader *r,
                       const struct esp_yaml_node *key,
                       const struct esp_distribution_row *row)
{
    const char *name = esp_yaml_scalar(key);
    const struct esp_distribution_row *rounded =
        strcmp(name, "q") == 0 ? rounded_form(row) : NULL;

    esp_yaml_fault(r->yaml,
                   key,
                   "%s does not take `%s`%s%s%s",
                   row->name,
                   name,
                   rounded ? "; " : "",
                   rounded ? rounded->name : "",
                   rounded ? " does" : "");
}

/* Adds faults for keys that the distribution does not take, and for missing ones that it
 * needs. */
static bool check_row(struct reader *r,
                      const struct esp_yaml_node *node,
                      const struct esp_distribution_row *row)
{
    bool good = true;

    for (size_t i = 0; i < esp_section_parameter.count; i++) {
        const char *name = esp_section_parameter.keys[i].name;
        const struct esp_yaml_node *key =
            esp_section_get_key(&esp_section_parameter, node, name);
        bool anywhere = strcmp(name, "distribution") == 0 || strcmp(name, "parameters") == 0;
        if (key && !anywhere && !esp_distribution_takes(row, name)) {
            refuse_key(r, key, row);
            good = false;
        } else if (!key && esp_distribution_requires(row, name)) {
            esp_yaml_fault(r->yaml, node, "%s needs `%s`", row->name, name);
            good = false;
        }
    }
    return good;
}

static bool
read_mapping(struct reader *r, const struct esp_yaml_node *node, struct esp_param *param)
{
    int before = esp_yaml_fault_count(r->yaml);
    const struct esp_distribution_row *row;

    esp_section_check(&esp_section_parameter, r->yaml, node);
    row = choose_row(r, node);
    if (!row || !check_row(r, node, row)) {
        return false;
    }
    param->distribution = row->distribution;
    param->quantised = row->quantised;
    if (esp_distribution_takes(row, "values")) {
        if (!esp_read_choices(r, esp_param_key(node, "values"), param)) {
            return false;
        }
        if (esp_distribution_takes(row, "probabilities")) {
            return esp_read_probabilities(r, esp_param_key(node, "probabilities"), param);
        }
    } else if (esp_distribution_takes(row, "min")) {
        if (!esp_read_bounds(r, node, param)) {
            return false;
        }
    } else if (!esp_distribution_takes(row, "value") && !esp_read_shape(r, node, param)) {
        return false;
    }
    if (row->quantised && !esp_read_q(r, node, param)) {
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
        value = esp_param_key(node, "value");
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
    param->choice_count = esp_read_choice(r, value, param->choices) ? 1 : 0;
    return param->choice_count == 1;
}
