/* Reads the `parameters` section: a tree of names with distributions as leaves.
 *
 * The study keeps the parameters sorted by name, the order in which W&B's grid lists them;
 * their order in the file does not matter. */
#include "reader.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* ^[A-Za-z_][A-Za-z0-9_.-]*$ */
static bool is_name(const char *text)
{
    if (!isalpha((unsigned char)text[0]) && text[0] != '_') {
        return false;
    }
    for (; *text; text++) {
        if (!isalnum((unsigned char)*text) && !strchr("_.-", *text)) {
            return false;
        }
    }
    return true;
}

static void drop(struct esp_param *param)
{
    for (int i = 0; i < param->choice_count; i++) {
        if (param->choices[i].type == ESP_VALUE_TEXT) {
            free((char *)param->choices[i].text);
        }
    }
    free(param->choices);
    free(param->probabilities);
}

static void
insert(struct reader *r, const struct esp_param *param, const struct esp_yaml_node *node)
{
    struct esp_study *study = r->study;
    int at = study->param_count;

    while (at > 0 && strcmp(study->params[at - 1].name, param->name) > 0) {
        study->params[at] = study->params[at - 1];
        r->param_nodes[at] = r->param_nodes[at - 1];
        at--;
    }
    study->params[at] = *param;
    r->param_nodes[at] = node;
    study->param_count++;
}

static const struct esp_param *find(const struct esp_study *study, const char *name)
{
    for (int i = 0; i < study->param_count; i++) {
        if (strcmp(study->params[i].name, name) == 0) {
            return &study->params[i];
        }
    }
    return NULL;
}

static void read_one(struct reader *r,
                     const char *name,
                     const struct esp_yaml_node *key,
                     const struct esp_yaml_node *node)
{
    struct esp_param param = {.line = esp_yaml_line(key), .column = esp_yaml_column(key)};
    const struct esp_param *twin = find(r->study, name);

    if (twin) {
        esp_yaml_fault(r->yaml,
                       key,
                       "the parameter %s is given twice, first on line %d%s",
                       name,
                       twin->line,
                       strchr(name, '.') ? "; nested names are joined by dots: rename one"
                                         : "");
        return;
    }
    if (r->study->param_count == ESP_PARAMS_MAX) {
        esp_yaml_fault(r->yaml, key, "more than %d parameters", ESP_PARAMS_MAX);
        return;
    }
    snprintf(param.name, sizeof param.name, "%s", name);
    if (esp_read_distribution(r, node, &param)) {
        insert(r, &param, node);
    } else {
        drop(&param);
    }
}

/* A parameter with nested ones has no other key. */
static void check_nested(struct reader *r, const struct esp_yaml_node *node)
{
    const struct esp_key_section only = {
        .path = "parameters.NAME",
        .where = "next to nested parameters",
        .prefix = "",
        .keys = esp_section_key(&esp_section_parameter, "parameters"),
        .count = 1};

    esp_section_check(&only, r->yaml, node);
}

/* The recursion is bounded by the depth of the document, the work by its weight (yaml.h). */
static void read_level(struct reader *r, const struct esp_yaml_node *level, const char *prefix)
{
    if (esp_yaml_kind(level) != ESP_YAML_MAPPING || esp_yaml_size(level) == 0) {
        esp_yaml_fault(r->yaml,
                       level,
                       "`parameters` must be a mapping with at least one parameter, such as "
                       "{learning_rate: "
                       "{distribution: log_uniform_values, min: 1e-4, max: 3e-2}}");
        return;
    }
    for (size_t i = 0; i < esp_yaml_size(level); i++) {
        const struct esp_yaml_node *key = esp_yaml_key(level, i);
        const struct esp_yaml_node *node = esp_yaml_item(level, i);
        const struct esp_yaml_node *nested =
            esp_section_get(&esp_section_parameter, node, "parameters");
        char name[ESP_NAME_MAX];
        int length = snprintf(
            name, sizeof name, "%s%s%s", prefix, prefix[0] ? "." : "", esp_yaml_scalar(key));

        if (length >= ESP_NAME_MAX) {
            esp_yaml_fault(r->yaml, key, "a name has at most %d bytes", ESP_NAME_MAX - 1);
        } else if (!is_name(esp_yaml_scalar(key))) {
            esp_yaml_fault(
                r->yaml,
                key,
                "\"%.100s\" cannot be a parameter's name: it begins with a letter or _, and "
                "letters, digits, _ . and - follow",
                esp_yaml_scalar(key));
        } else if (nested) {
            check_nested(r, node);
            read_level(r, nested, name);
        } else {
            read_one(r, name, key, node);
        }
    }
}

void esp_read_parameters(struct reader *r)
{
    const struct esp_yaml_node *parameters =
        esp_section_get(&esp_section_top, r->root, "parameters");

    if (!parameters) {
        if (!esp_yaml_has_near(r->root, "parameters")) {
            esp_yaml_fault(
                r->yaml, r->root, "`parameters` is missing: it lists what is searched");
        }
        return;
    }
    read_level(r, parameters, "");
}
