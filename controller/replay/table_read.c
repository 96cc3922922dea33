#include "table_read.h"

#include "table_csv.h"
#include "table_scale.h"

#include <espalier/study_section.h>
#include <espalier/trainer.h>
#include <espalier/yaml.h>

#include <libgen.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void read_values(struct esp_yaml *yaml,
                        const struct esp_yaml_node *list,
                        struct esp_table_param *param)
{
    size_t count = esp_yaml_size(list);
    if (esp_yaml_kind(list) != ESP_YAML_SEQUENCE || count == 0 || count > ESP_CHOICES_MAX) {
        esp_yaml_fault(yaml, list, "values must be a list of 1 to %d", ESP_CHOICES_MAX);
        return;
    }
    param->values = calloc(count, sizeof *param->values);
    for (size_t i = 0; param->values && i < count; i++) {
        struct esp_value value = esp_yaml_value(esp_yaml_item(list, i));
        if (value.type == ESP_VALUE_TEXT) {
            value.text = strdup(value.text);
        }
        param->values[param->value_count++] = value;
    }
}

static void read_param(struct esp_yaml *yaml,
                       const char *name,
                       const struct esp_yaml_node *node,
                       struct esp_table_param *param)
{
    static const char *const keys[] = {"scale", "min", "max", "values", NULL};
    const struct esp_yaml_node *value;
    int scale = ESP_TABLE_LINEAR;
    snprintf(param->name, sizeof param->name, "%s", name);
    param->min = param->max = NAN;
    if (!node || esp_yaml_is_null(node)) {
        return;
    }
    esp_yaml_check_keys(yaml, node, keys, "in a table's parameter");
    if ((value = esp_yaml_get(node, "scale"))) {
        esp_yaml_read_word(yaml, value, "scale", esp_table_scale_names, &scale);
    }
    param->scale = (enum esp_table_scale)scale;
    if ((value = esp_yaml_get(node, "min"))) {
        esp_yaml_read_real(yaml, value, "min", &param->min);
    }
    if ((value = esp_yaml_get(node, "max"))) {
        esp_yaml_read_real(yaml, value, "max", &param->max);
    }
    if ((value = esp_yaml_get(node, "values"))) {
        read_values(yaml, value, param);
    }
}

/* A share of the schedule in [0, 1]; NaN: not given. */
static double
read_share(struct esp_yaml *yaml, const struct esp_yaml_node *schedule, const char *key)
{
    double share = NAN;
    const struct esp_yaml_node *node = schedule ? esp_yaml_get(schedule, key) : NULL;
    if (node && esp_yaml_read_real(yaml, node, key, &share) && !(share >= 0 && share <= 1)) {
        esp_yaml_fault(yaml, node, "%s is a share from 0 to 1, not %g", key, share);
    }
    return share;
}

static void
read_horizon(struct esp_yaml *yaml, const struct esp_yaml_node *root, struct esp_table *table)
{
    const struct esp_yaml_node *node = esp_yaml_get(root, "horizon");
    if (!node) {
        esp_yaml_fault(yaml, root, "`horizon` is missing: the tokens of a full training");
    } else if (esp_yaml_read_integer(yaml, node, "horizon", &table->horizon) &&
               table->horizon <= 0) {
        esp_yaml_fault(yaml, node, "horizon must be above 0");
    }
}

static void
read_model(struct esp_yaml *yaml, const struct esp_yaml_node *root, struct esp_table *table)
{
    const struct esp_yaml_node *model = esp_yaml_get(root, "model"), *node;
    if ((node = esp_yaml_get(model, "parameters"))) {
        esp_yaml_read_real(yaml, node, "model.parameters", &table->model_parameters);
    }
    if ((node = esp_yaml_get(model, "context"))) {
        esp_yaml_read_integer(yaml, node, "model.context", &table->context);
    }
}

static void
read_metric(struct esp_yaml *yaml, const struct esp_yaml_node *root, struct esp_table *table)
{
    const struct esp_yaml_node *metric = esp_yaml_get(root, "metric"), *node;
    int goal = 0;
    snprintf(table->metric, sizeof table->metric, "loss");
    if ((node = esp_yaml_get(metric, "name"))) {
        esp_yaml_read_text(yaml, node, "metric.name", table->metric, sizeof table->metric);
    }
    if ((node = esp_yaml_get(metric, "goal"))) {
        esp_yaml_read_word(yaml, node, "metric.goal", esp_goal_words, &goal);
    }
    table->maximize = goal == 1;
}

/* A schedule's type alone, or a mapping with its shares. */
static void
read_schedule(struct esp_yaml *yaml, const struct esp_yaml_node *root, struct esp_table *table)
{
    const struct esp_yaml_node *node = esp_yaml_get(root, "schedule");
    int schedule = -1;
    if (node) {
        const struct esp_yaml_node *type = esp_yaml_get(node, "type");
        const char *const *names = esp_trainer_field("schedule.type")->names;
        esp_yaml_read_word(yaml, type ? type : node, "schedule", names, &schedule);
    }
    table->schedule = schedule;
    table->warmup = read_share(yaml, node, "warmup");
    table->decay = read_share(yaml, node, "decay");
    table->floor = read_share(yaml, node, "floor");
}

static void
read_params(struct esp_yaml *yaml, const struct esp_yaml_node *root, struct esp_table *table)
{
    const struct esp_yaml_node *node = esp_yaml_get(root, "parameters");
    size_t count = node ? esp_yaml_size(node) : 0;
    if (count == 0 || count > ESP_PARAMS_MAX) {
        esp_yaml_fault(
            yaml, node ? node : root, "parameters must name 1 to %d columns", ESP_PARAMS_MAX);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        read_param(yaml,
                   esp_yaml_scalar(esp_yaml_key(node, i)),
                   esp_yaml_item(node, i),
                   &table->params[table->param_count++]);
    }
}

/* The description; `trials` and `curves` get the names of the other files where it gives
 * them. */
static void
read_description(struct esp_yaml *yaml, struct esp_table *table, char *trials, char *curves)
{
    const struct esp_yaml_node *root = esp_yaml_root(yaml), *node;
    if (!root || esp_yaml_kind(root) != ESP_YAML_MAPPING) {
        esp_yaml_fault(yaml, root, "a table's description is a mapping with name and horizon");
        return;
    }
    node = esp_yaml_get(root, "name");
    if (!node) {
        esp_yaml_fault(yaml, root, "`name` is missing");
    } else {
        esp_yaml_read_text(yaml, node, "name", table->name, sizeof table->name);
    }
    read_horizon(yaml, root, table);
    read_model(yaml, root, table);
    read_metric(yaml, root, table);
    read_schedule(yaml, root, table);
    read_params(yaml, root, table);
    if ((node = esp_yaml_get(root, "trials"))) {
        esp_yaml_read_text(yaml, node, "trials", trials, ESP_PATH_MAX);
    }
    if ((node = esp_yaml_get(root, "curves"))) {
        esp_yaml_read_text(yaml, node, "curves", curves, ESP_PATH_MAX);
    }
}

/* Path of a table's file: the name that the description gives, in its folder, or the
 * description's own name with another ending. */
static void file_beside(const char *path, const char *given, const char *ending, char *out)
{
    char folder[ESP_PATH_MAX];
    snprintf(folder, sizeof folder, "%s", path);
    const char *dir = dirname(folder);
    if (*given == '/') {
        snprintf(out, ESP_PATH_MAX, "%s", given);
    } else if (*given) {
        snprintf(out, ESP_PATH_MAX, "%.2000s/%.2000s", dir, given);
    } else {
        size_t stem = strlen(path);
        stem -= stem > 5 && strcmp(path + stem - 5, ".yaml") == 0 ? 5 : 0;
        snprintf(out, ESP_PATH_MAX, "%.*s%s", (int)(stem < 4000 ? stem : 4000), path, ending);
    }
}

int esp_table_read(const char *path, struct esp_table *table, struct esp_error *error)
{
    char trials[ESP_PATH_MAX] = "", curves[ESP_PATH_MAX] = "", file[ESP_PATH_MAX];
    struct esp_yaml *yaml = NULL;
    memset(table, 0, sizeof *table);
    int rc = esp_yaml_open_file(path, &yaml, error);
    if (rc < 0) {
        return rc;
    }
    read_description(yaml, table, trials, curves);
    rc = esp_yaml_faults(yaml, error);
    esp_yaml_destroy(yaml);
    if (rc == 0) {
        file_beside(path, trials, ".trials.csv", file);
        rc = esp_table_read_trials(table, file, error);
    }
    if (rc == 0) {
        file_beside(path, curves, ".curves.csv", file);
        rc = esp_table_read_curves(table, file, error);
    }
    if (rc == 0) {
        snprintf(table->source, sizeof table->source, "%s", file);
        table->full = table->horizon;
        rc = esp_table_find_best(table, error);
    }
    if (rc < 0) {
        esp_table_release(table);
    }
    return rc;
}
