/* What only shows when all of a study is read: that every trial it can draw may be trained.
 *
 * A fault points at the node that a person would change. */
#include "read_distribution.h"

#include "../search/registry.h"
#include "stopping_section.h"

#include <math.h>
#include <string.h>

/* How far into the tails a distribution without bounds must stay within a setting's range: the
 * trials beyond, one in 10,000 on each side, fail with the setting's own words. */
#define TAIL 1e-4

static const struct esp_yaml_node *trainer_node(const struct reader *r, const char *name)
{
    size_t index = (size_t)(esp_trainer_field(name) - esp_trainer_fields);

    return r->trainer_nodes[index] ? r->trainer_nodes[index] : r->trainer;
}

static bool is_choice(const struct esp_param *param)
{
    return param->distribution == ESP_CONSTANT || param->distribution == ESP_CATEGORICAL ||
           param->distribution == ESP_CATEGORICAL_WEIGHTED;
}

static bool is_unbounded(const struct esp_param *param)
{
    return param->distribution == ESP_NORMAL || param->distribution == ESP_LOG_NORMAL;
}

/* The node of choice `index`. */
static const struct esp_yaml_node *choice_node(const struct reader *r, int param, int index)
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
            esp_yaml_fault(r->yaml, choice_node(r, index, i), "%s", error.text);
        }
    }
}

/* The bound's node, or the parameter's where it has no bounds. */
static const struct esp_yaml_node *
bound_node(const struct reader *r, int param, const char *key)
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
                       bound_node(r, index, key),
                       "%s (the %s this draws)",
                       error.text,
                       key[1] == 'i' ? "smallest" : "largest");
    }
}

static void check_range(struct reader *r, int index, const struct esp_field *field)
{
    const struct esp_param *param = &r->study->params[index];
    double tail = is_unbounded(param) ? TAIL : 0;

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
        esp_yaml_fault(r->yaml,
                       r->param_nodes[index],
                       "%s cannot be searched, as its trials could not be compared; set it in "
                       "`trainer`",
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
    if (is_choice(param)) {
        check_choices(r, index);
    } else {
        check_range(r, index, field);
    }
}

/* The parameter that sets a field, or -1. */
static int param_of(const struct esp_study *study, const char *name)
{
    const struct esp_field *field = esp_trainer_field(name);

    for (int i = 0; i < study->param_count; i++) {
        if (esp_trainer_field(study->params[i].name) == field) {
            return i;
        }
    }
    return -1;
}

/* The largest value of an integer setting over all trials, and the node to change it at. */
static int64_t largest(struct reader *r, const char *name, const struct esp_yaml_node **node)
{
    int index = param_of(r->study, name);
    struct esp_value value = esp_trainer_get(&r->study->trainer, esp_trainer_field(name));
    const struct esp_param *param;
    int64_t most;

    if (index < 0) {
        *node = trainer_node(r, name);
        return value.integer;
    }
    param = &r->study->params[index];
    if (!is_choice(param)) {
        *node = bound_node(r, index, "max");
        return (int64_t)esp_param_draw(param, is_unbounded(param) ? 1 - TAIL : 1);
    }
    most = INT64_MIN;
    for (int i = 0; i < param->choice_count; i++) {
        int64_t x = (int64_t)param->choices[i].real;
        if (x > most) {
            most = x;
            *node = choice_node(r, index, i);
        }
    }
    return most;
}

static void check_steps(struct reader *r)
{
    const struct esp_yaml_node *batch_node = NULL;
    const struct esp_yaml_node *context_node = NULL;
    int64_t batch = largest(r, "batch_size", &batch_node);
    int64_t context = largest(r, "model.context", &context_node);
    int64_t tokens = r->study->trainer.tokens;

    if (batch * context > tokens) {
        bool searched = param_of(r->study, "batch_size") >= 0;
        esp_yaml_fault(r->yaml,
                       searched ? batch_node : trainer_node(r, "tokens"),
                       "batch_size %lld × context %lld = %lld tokens is more than the %lld of "
                       "trainer.tokens: such a trial has no step",
                       (long long)batch,
                       (long long)context,
                       (long long)(batch * context),
                       (long long)tokens);
    }
}

/* The values of an integer setting over all trials, where they can be listed. */
static int list_values(struct reader *r, const char *name, int index, int64_t *out)
{
    const struct esp_param *param = &r->study->params[index < 0 ? 0 : index];

    if (index < 0) {
        out[0] = esp_trainer_get(&r->study->trainer, esp_trainer_field(name)).integer;
        return 1;
    }
    if (is_choice(param)) {
        for (int i = 0; i < param->choice_count; i++) {
            out[i] = (int64_t)param->choices[i].real;
        }
        return param->choice_count;
    }
    if (param->distribution == ESP_INT_UNIFORM && param->max - param->min < ESP_CHOICES_MAX) {
        int count = (int)(param->max - param->min) + 1;
        for (int i = 0; i < count; i++) {
            out[i] = (int64_t)param->min + i;
        }
        return count;
    }
    return 0; /* a q_ distribution: a trial that does not fit fails with its own words */
}

static void check_heads(struct reader *r)
{
    int64_t widths[ESP_CHOICES_MAX];
    int64_t heads[ESP_CHOICES_MAX];
    int width_index = param_of(r->study, "model.width");
    int heads_index = param_of(r->study, "model.heads");
    int width_count = list_values(r, "model.width", width_index, widths);
    int heads_count = list_values(r, "model.heads", heads_index, heads);

    for (int i = 0; i < width_count; i++) {
        for (int j = 0; j < heads_count; j++) {
            if (widths[i] % heads[j] != 0) {
                esp_yaml_fault(r->yaml,
                               width_index >= 0   ? r->param_nodes[width_index]
                               : heads_index >= 0 ? r->param_nodes[heads_index]
                                                  : trainer_node(r, "model.width"),
                               "model.width %lld is not divisible by model.heads %lld",
                               (long long)widths[i],
                               (long long)heads[j]);
                return;
            }
        }
    }
}

/* What esp_trainer_validate says of the largest settings of every kind, and was not said above.
 */
static void check_trainer(struct reader *r)
{
    const struct esp_trainer *trainer = &r->study->trainer;
    int warmup = param_of(r->study, "schedule.warmup");

    check_steps(r);
    check_heads(r);
    if (warmup < 0 && trainer->warmup >= 1) {
        esp_yaml_fault(r->yaml,
                       trainer_node(r, "schedule.warmup"),
                       "schedule.warmup must be below 1, or no step is left after it");
    } else if (warmup >= 0) {
        const struct esp_param *param = &r->study->params[warmup];
        double most = is_choice(param) ? 0 : esp_param_draw(param, 1);
        for (int i = 0; is_choice(param) && i < param->choice_count; i++) {
            most = fmax(most, param->choices[i].real);
        }
        if (most >= 1) {
            esp_yaml_fault(r->yaml,
                           r->param_nodes[warmup],
                           "schedule.warmup must be below 1, or no step is left after it");
        }
    }
    if (trainer->report_every > trainer->tokens) {
        esp_yaml_fault(r->yaml,
                       trainer_node(r, "report_every"),
                       "report_every %lld is beyond the %lld of trainer.tokens",
                       (long long)trainer->report_every,
                       (long long)trainer->tokens);
    }
}

static void check_grid(struct reader *r)
{
    double points = 1;

    for (int i = 0; i < r->study->param_count; i++) {
        const struct esp_param *param = &r->study->params[i];
        int64_t count = esp_param_grid_count(param);
        if (count == 0) {
            esp_yaml_fault(r->yaml,
                           r->param_nodes[i],
                           "method grid cannot go through %s: give `values`, int_uniform or "
                           "q_uniform",
                           param->name);
            return;
        }
        points *= (double)count;
    }
    if (points > ESP_TRIALS_MAX && r->study->run_cap == 0) {
        esp_yaml_fault(r->yaml,
                       esp_section_get(&esp_section_top, r->root, "parameters"),
                       "the grid has %.9g points; a study has at most %d trials: give run_cap",
                       points,
                       ESP_TRIALS_MAX);
    }
}

void esp_check_rungs(struct reader *r)
{
    const struct esp_yaml_node *node =
        esp_section_get(&esp_section_top, r->root, "early_terminate");
    double horizon = (double)r->study->trainer.tokens;
    struct esp_stopping_section section;

    esp_stopping_section_init(&section);
    for (int i = 0; i < esp_stopping_key_count; i++) {
        const struct esp_stopping_key *key = &esp_stopping_keys[i];
        double tokens = esp_stopping_get(&r->study->stopping, key);
        bool at = key->horizon == ESP_HORIZON_BELOW && tokens == horizon;
        if (key->horizon != ESP_HORIZON_ANY && (tokens > horizon || at)) {
            esp_yaml_fault(r->yaml,
                           esp_section_get(&section.section, node, key->key.name),
                           "%s %.9g is %s the horizon, %.9g trainer.tokens",
                           key->key.name,
                           tokens,
                           at ? "at" : "beyond",
                           horizon);
        }
    }
}

void esp_check_study(struct reader *r)
{
    int before;

    /* Not of a method that is no word we know, which leaves the study's as it was. */
    const struct esp_yaml_node *method = esp_section_get(&esp_section_top, r->root, "method");
    const struct esp_sampler_row *sampler = esp_sampler_of(r->study);
    if (sampler->exhaustive && method && strcmp(esp_yaml_scalar(method), sampler->name) == 0) {
        check_grid(r);
    }
    if (!r->study->abilities.settings_known) {
        return;
    }
    before = esp_yaml_fault_count(r->yaml);
    for (int i = 0; i < r->study->param_count; i++) {
        check_param(r, i);
    }
    /* Sums over settings of which one is wrong would only confuse. */
    if (esp_yaml_fault_count(r->yaml) > before || r->study->trainer.tokens < 1) {
        return;
    }
    check_trainer(r);
    esp_check_rungs(r);
}
