/* Checks that need the whole study: that every trial it can draw can be trained.
 *
 * A fault points at the node that the user would change. */
#include "check.h"

#include "../search/registry.h"
#include "stopping_section.h"

#include <errno.h>
#include <math.h>
#include <string.h>

static const struct esp_yaml_node *trainer_node(const struct reader *r, const char *name)
{
    size_t index = (size_t)(esp_trainer_field(name) - esp_trainer_fields);

    return r->trainer_nodes[index] ? r->trainer_nodes[index] : r->trainer;
}

/* Index of the parameter that sets a field, or -1. */
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

/* The largest value of an integer setting over all trials, and the node that sets it. */
static int64_t largest(struct reader *r, const char *name, const struct esp_yaml_node **node)
{
    int index = param_of(r->study, name);
    struct esp_value value = esp_trainer_get(&r->study->trainer, esp_trainer_field(name));
    const struct esp_param *param;
    int64_t x_max;

    if (index < 0) {
        *node = trainer_node(r, name);
        return value.integer;
    }
    param = &r->study->params[index];
    if (!esp_is_choice(param)) {
        *node = esp_bound_node(r, index, "max");
        return (int64_t)esp_param_draw(param, esp_is_unbounded(param) ? 1 - ESP_CHECK_TAIL : 1);
    }
    x_max = INT64_MIN;
    for (int i = 0; i < param->choice_count; i++) {
        int64_t x = (int64_t)param->choices[i].real;
        if (x > x_max) {
            x_max = x;
            *node = esp_choice_node(r, index, i);
        }
    }
    return x_max;
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

/* Lists the values of an integer setting over all trials. Their number; 0 where there are too
 * many. */
static int list_values(struct reader *r, const char *name, int index, int64_t *out)
{
    const struct esp_param *param = &r->study->params[index < 0 ? 0 : index];

    if (index < 0) {
        out[0] = esp_trainer_get(&r->study->trainer, esp_trainer_field(name)).integer;
        return 1;
    }
    if (esp_is_choice(param)) {
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
    return 0; /* a q_ distribution: trials that do not fit fail with the trainer's error */
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

/* Makes the checks of esp_trainer_validate for the largest value of every setting. */
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
        double x_max = esp_is_choice(param) ? 0 : esp_param_draw(param, 1);
        for (int i = 0; esp_is_choice(param) && i < param->choice_count; i++) {
            x_max = fmax(x_max, param->choices[i].real);
        }
        if (x_max >= 1) {
            esp_yaml_fault(r->yaml,
                           r->param_nodes[warmup],
                           "schedule.warmup must be below 1, or no step is left after it");
        }
    }
    if (trainer->report_every > trainer->tokens) {
        esp_yaml_fault(r->yaml,
                       trainer_node(r, "report_every"),
                       "report_every %lld is more than the %lld of trainer.tokens",
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
            esp_yaml_fault(
                r->yaml,
                r->param_nodes[i],
                "method grid cannot list the values of %s: use `values`, int_uniform or "
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

/* Creates the scheduler that the file names, for what only it can find: that its first rung is
 * beyond its last one, or that it needs to know how far trials train. */
static void check_scheduler(struct reader *r)
{
    struct esp_stopping *stopping = &r->study->stopping;
    const struct esp_scheduler_row *row = esp_scheduler_of(r->study);
    const struct esp_yaml_node *node =
        esp_section_get(&esp_section_top, r->root, "early_terminate");
    int line = stopping->line;
    struct esp_error error;
    void *scheduler = NULL;

    if (line == 0 || !r->stopping_good || !r->parameters_good) {
        return;
    }
    stopping->line = 0; /* the fault has the place */
    int rc = row->ops->create(r->study, &scheduler, &error);
    stopping->line = line;
    if (rc == 0) {
        row->ops->destroy(scheduler);
    } else if (rc == -ENOMEM) {
        r->out_of_memory = true;
    } else {
        esp_yaml_fault(r->yaml, node, "%s", error.text);
    }
}

void esp_check_study(struct reader *r)
{
    int before;

    /* Only where the file names the method: after a fault in it, the study has the default. */
    const struct esp_yaml_node *method = esp_section_get(&esp_section_top, r->root, "method");
    const struct esp_sampler_row *sampler = esp_sampler_of(r->study);
    if (sampler->exhaustive && method && strcmp(esp_yaml_scalar(method), sampler->name) == 0) {
        check_grid(r);
    }
    if (!r->study->abilities.settings_known) {
        check_scheduler(r);
        return;
    }
    before = esp_yaml_fault_count(r->yaml);
    esp_check_parameters(r);
    /* Sums over settings, one of which is wrong, would only confuse. */
    if (esp_yaml_fault_count(r->yaml) > before || r->study->trainer.tokens < 1) {
        return;
    }
    check_trainer(r);
    before = esp_yaml_fault_count(r->yaml);
    esp_check_rungs(r);
    if (esp_yaml_fault_count(r->yaml) == before) {
        check_scheduler(r);
    }
}

void esp_merge_equal_values(struct reader *r)
{
    for (int i = 0; i < r->study->param_count; i++) {
        struct esp_param *param = &r->study->params[i];
        if (esp_is_choice(param) && param->choice_count > 1) {
            esp_merge_choices(r, param, esp_sampler_of(r->study)->exhaustive);
        }
    }
}
