/* Checks each parameter against the trainer's field that it sets. */
#include "check.h"

#include "../search/registry.h"

bool esp_is_choice(const struct esp_param *param)
{
    return param->distribution == ESP_CONSTANT || param->distribution == ESP_CATEGORICAL ||
           param->distribution == ESP_CATEGORICAL_WEIGHTED;
}

bool esp_is_unbounded(const struct esp_param *param)
{
    return param->distribution == ESP_NORMAL || param->distribution == ESP_LOG_NORMAL;
}

const struct esp_yaml_node *esp_choice_node(const struct reader *r, int param, int index)
{
    const struct esp_yaml_node *node = r->param_nodes[param];
    const struct esp_yaml_node *values = esp_param_key(node, "values");
    const struct esp_yaml_node *value = esp_param_key(node, "value");

    return values ? esp_yaml_item(values, (size_t)index) : value ? value : node;
}

static void check_choices(struct reader *r, int index)
{
    const struct esp_param *param = &r->study->params[index];
    struct esp_trainer scratch = r->study->trainer;
    struct esp_error error;

    for (int i = 0; i < param->choice_count; i++) {
        if (esp_trainer_set(&scratch, param->name, &param->choices[i], &error) < 0) {
            esp_yaml_fault(r->yaml, esp_choice_node(r, index, i), "%s", error.text);
        }
    }
}

const struct esp_yaml_node *esp_bound_node(const struct reader *r, int param, const char *key)
{
    const struct esp_yaml_node *bound = esp_param_key(r->param_nodes[param], key);

    return bound ? bound : r->param_nodes[param];
}

static void check_end(struct reader *r, int index, const char *key, double drawn)
{
    const struct esp_param *param = &r->study->params[index];
    struct esp_value value = esp_param_value(param, drawn);
    struct esp_trainer scratch = r->study->trainer;
    struct esp_error error;

    if (esp_trainer_set(&scratch, param->name, &value, &error) < 0) {
        esp_yaml_fault(r->yaml,
                       esp_bound_node(r, index, key),
                       "%s (the %s this draws)",
                       error.text,
                       key[1] == 'i' ? "smallest" : "largest");
    }
}

static void check_range(struct reader *r, int index, const struct esp_field *field)
{
    const struct esp_param *param = &r->study->params[index];
    double tail = esp_is_unbounded(param) ? ESP_CHECK_TAIL : 0;

    if (field->type != ESP_FIELD_INTEGER && field->type != ESP_FIELD_REAL) {
        esp_yaml_fault(r->yaml,
                       r->param_nodes[index],
                       "%s takes words; list them in `values`",
                       field->name);
        return;
    }
    if (field->type == ESP_FIELD_INTEGER && !param->integral) {
        esp_yaml_fault(
            r->yaml,
            r->param_nodes[index],
            "%s takes whole numbers; use `values`, int_uniform, or a q_ distribution "
            "with a whole q",
            field->name);
        return;
    }
    check_end(r, index, "min", esp_param_draw(param, tail));
    check_end(r, index, "max", esp_param_draw(param, 1 - tail));
    if (esp_sampler_of(r->study)->exhaustive && esp_param_grid_count(param) > 0) {
        int64_t last = esp_param_grid_count(param) - 1;
        struct esp_value value = esp_param_value(param, esp_param_grid_point(param, last));
        struct esp_trainer scratch = r->study->trainer;
        struct esp_error error;
        if (esp_trainer_set(&scratch, param->name, &value, &error) < 0) {
            esp_yaml_fault(r->yaml, r->param_nodes[index], "%s (on the grid)", error.text);
        }
    }
}

static void check_param(struct reader *r, int index)
{
    const struct esp_param *param = &r->study->params[index];
    const struct esp_field *field = esp_trainer_field(param->name);
    struct esp_value nothing = {ESP_VALUE_TEXT, 0, 0, ""};
    struct esp_trainer scratch;
    struct esp_error error;

    if (!field) {
        esp_trainer_init(&scratch);
        esp_trainer_set(&scratch, param->name, &nothing, &error);
        esp_yaml_fault(r->yaml, r->param_nodes[index], "%s", error.text);
        return;
    }
    if ((field->flags & ESP_FIELD_SEARCHABLE) == 0) {
        esp_yaml_fault(
            r->yaml,
            r->param_nodes[index],
            "%s cannot be searched, because trials that differ in it cannot be compared; "
            "set it in `trainer`",
            field->name);
        return;
    }
    for (int i = 0; i < index; i++) {
        if (esp_trainer_field(r->study->params[i].name) == field) {
            esp_yaml_fault(r->yaml,
                           r->param_nodes[index],
                           "%s and %s are the same setting",
                           param->name,
                           r->study->params[i].name);
        }
    }
    if (esp_is_choice(param)) {
        check_choices(r, index);
    } else {
        check_range(r, index, field);
    }
}

void esp_check_parameters(struct reader *r)
{
    for (int i = 0; i < r->study->param_count; i++) {
        check_param(r, i);
    }
}
