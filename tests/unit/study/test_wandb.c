/* Typical W&B sweep files are read without changes. */
#include "texts.h"

static struct esp_study *read_sweep(const char *text, struct esp_study_messages *messages)
{
    struct esp_study *study = NULL;
    struct esp_error error = {""};

    if (esp_study_read_text(text, "sweep.yaml", "/base", &study, messages, &error) != 0) {
        fail_msg("%s", error.text);
    }
    return study;
}

/* Bounds without a distribution, W&B's hyperband, and keys for the server. */
static void a_bayes_sweep_with_hyperband_loads(void **state)
{
    struct esp_study_messages messages;
    struct esp_study *s = read_sweep("program: train.py\n"
                                     "project: cnn-fashion\n"
                                     "entity: my-team\n"
                                     "method: bayes\n"
                                     "metric:\n"
                                     "  name: val_loss\n"
                                     "  goal: minimize\n"
                                     "parameters:\n"
                                     "  learning-rate:\n"
                                     "    min: 0.001\n"
                                     "    max: 0.1\n"
                                     "  optimizer:\n"
                                     "    values: [\"adam\", \"sgd\"]\n"
                                     "  epochs:\n"
                                     "    value: 27\n"
                                     "  batch_size:\n"
                                     "    min: 16\n"
                                     "    max: 256\n"
                                     "early_terminate:\n"
                                     "  type: hyperband\n"
                                     "  s: 2\n"
                                     "  eta: 3\n"
                                     "  max_iter: 27\n",
                                     &messages);

    (void)state;
    assert_string_equal(messages.warning,
                        "keys for a W&B server have no effect here: project, entity");
    assert_false(s->abilities.settings_known);
    assert_string_equal(s->name, "sweep");
    assert_int_equal(s->param_count, 4);
    assert_int_equal(s->params[0].distribution, ESP_INT_UNIFORM);
    assert_int_equal(s->params[1].distribution, ESP_CONSTANT);
    assert_int_equal(s->params[2].distribution, ESP_UNIFORM);
    assert_string_equal(s->params[3].choices[1].text, "sgd");
    assert_int_equal(s->stopping.type, ESP_SCHEDULER_WANDB_HYPERBAND);
    assert_int_equal(s->prior.kind, ESP_PRIOR_NONE);
    /* The default command, with the program inserted. */
    assert_string_equal(s->command[0], "${env}");
    assert_string_equal(s->command[1], "${interpreter}");
    assert_string_equal(s->command[2], "train.py");
    assert_string_equal(s->command[3], "${args}");
    assert_null(s->command[4]);
    esp_study_messages_release(&messages);
    esp_study_destroy(s);
}

/* A command, arguments without hyphens for Hydra, and 1e-5, which PyYAML reads as text. */
static void a_random_sweep_with_a_command_loads(void **state)
{
    struct esp_study_messages messages;
    struct esp_study *s = read_sweep("program: main.py\n"
                                     "name: my sweep / second try\n"
                                     "method: random\n"
                                     "run_cap: 50\n"
                                     "metric: {name: test.accuracy, goal: maximize}\n"
                                     "command:\n"
                                     "  - ${env}\n"
                                     "  - python3\n"
                                     "  - ${program}\n"
                                     "  - ${args_no_hyphens}\n"
                                     "  - \"--data=${envvar:DATA}\"\n"
                                     "parameters:\n"
                                     "  optimizer.lr:\n"
                                     "    distribution: log_uniform_values\n"
                                     "    min: 1e-5\n"
                                     "    max: 1e-1\n"
                                     "  optimizer.momentum: {distribution: normal, mu: 0.9, "
                                     "sigma: 0.01}\n"
                                     "  use_bn: {values: [true, false]}\n"
                                     "  layers:\n"
                                     "    values:\n"
                                     "      - [64, 64]\n"
                                     "      - [128]\n"
                                     "  note: {value: null}\n",
                                     &messages);

    (void)state;
    assert_null(messages.warning);
    assert_true(s->maximize);
    assert_string_equal(s->metric, "test.accuracy");
    assert_string_equal(s->command[2], "main.py");
    assert_string_equal(s->command[3], "${args_no_hyphens}");
    assert_string_equal(s->command[4], "--data=${envvar:DATA}");
    assert_string_equal(s->params[0].name, "layers");
    assert_string_equal(s->params[0].choices[0].text, "[64, 64]");
    assert_string_equal(s->params[1].choices[0].text, "None");
    assert_true(s->params[2].min == 1e-5);
    assert_int_equal(s->params[4].choices[0].type, ESP_VALUE_BOOLEAN);
    assert_int_equal(s->run_cap, 50);
    esp_study_messages_release(&messages);
    esp_study_destroy(s);
}

/* Nested parameters, as in W&B's own example. */
static void nested_parameters_are_joined_by_dots(void **state)
{
    struct esp_study_messages messages;
    struct esp_study *s =
        read_sweep("program: sweep_nest.py\n"
                   "method: random\n"
                   "metric: {name: loss, goal: minimize}\n"
                   "parameters:\n"
                   "  optimizer:\n"
                   "    parameters:\n"
                   "      learning_rate: {values: [0.01, 0.001]}\n"
                   "      momentum: {value: 0.9}\n"
                   "  fc1: {parameters: {drop: {parameters: {p: {min: 0.0, max: "
                   "0.5}}}}}\n",
                   &messages);

    (void)state;
    assert_int_equal(s->param_count, 3);
    assert_string_equal(s->params[0].name, "fc1.drop.p");
    assert_string_equal(s->params[1].name, "optimizer.learning_rate");
    assert_string_equal(s->params[2].name, "optimizer.momentum");
    esp_study_messages_release(&messages);
    esp_study_destroy(s);
}

/* Every top-level key of W&B's schema, also those of launch jobs, and anchors for bounds. */
static void every_key_of_the_schema_is_accepted(void **state)
{
    struct esp_study_messages messages;
    struct esp_study *s =
        read_sweep("apiVersion: v1\nkind: sweep\nname: all\ndescription: |\n  two\n  lines\n"
                   "project: p\nentity: e\ncontroller: {type: local}\njob: team/job:latest\n"
                   "image_uri: x/y:z\nscheduler: {engine: wandb}\nprogram: t.py\n"
                   "method: bayes\nrun_cap: 3\n"
                   "metric: {name: l, goal: minimize, target: 0.1, impute: best, "
                   "impute_while_running: false}\n"
                   "early_terminate: {type: hyperband, min_iter: 3, strict: true}\n"
                   "parameters:\n  a: &bounds {distribution: uniform, min: 0, max: 1}\n"
                   "  b: *bounds\n  c: {<<: *bounds, max: 2}\n",
                   &messages);

    (void)state;
    assert_string_equal(messages.warning,
                        "metric.impute has no effect: failed trials count as bad; keys for a "
                        "W&B server have no effect here: project, entity, controller, "
                        "apiVersion, kind, job, image_uri, scheduler");
    assert_null(strchr(messages.warning, '\n'));
    assert_true(s->params[1].max == 1 && s->params[2].max == 2);
    assert_true(s->stopping.strict);
    assert_string_equal(s->description, "two\nlines\n");
    esp_study_messages_release(&messages);
    esp_study_destroy(s);
}

static void without_a_metric_a_program_minimizes_loss(void **state)
{
    struct esp_study_messages messages;
    struct esp_study *s = read_sweep("program: t.py\nmethod: grid\n"
                                     "parameters: {a: {values: [1, 2]}, b: {min: 1, max: 3}}\n",
                                     &messages);

    (void)state;
    assert_string_equal(s->metric, "loss");
    assert_string_equal(messages.warning,
                        "no metric is named: the metric \"loss\" is minimized");
    esp_study_messages_release(&messages);
    esp_study_destroy(s);
}

static void a_command_without_a_program_loads(void **state)
{
    struct esp_study_messages messages;
    struct esp_study *s = read_sweep("method: random\nmetric: {name: loss}\n"
                                     "command: [./train, -v, \"${args}\", 3]\n"
                                     "parameters: {a: {min: 0.1, max: 1}}\n",
                                     &messages);

    (void)state;
    assert_string_equal(s->command[0], "./train");
    assert_string_equal(s->command[3], "3");
    assert_null(s->command[4]);
    esp_study_messages_release(&messages);
    esp_study_destroy(s);
}

/* W&B draws a value as many times as often as it is in the list. */
static void a_value_given_twice_is_drawn_twice_as_often(void **state)
{
    struct esp_study_messages messages;
    struct esp_study *s = read_sweep("method: random\nprogram: t.py\nmetric: {name: l}\n"
                                     "parameters:\n  a: {values: [1, x, 1.0, true, x, x]}\n"
                                     "  b: {values: [2, 3, 2], probabilities: [0.25, 0.5, "
                                     "0.25]}\n",
                                     &messages);

    (void)state;
    assert_int_equal(s->params[0].choice_count, 3);
    assert_string_equal(s->params[0].choices[1].text, "x");
    assert_int_equal(s->params[0].choices[2].type, ESP_VALUE_BOOLEAN);
    assert_true(s->params[0].probabilities[0] == 2.0 / 6);
    assert_true(s->params[0].probabilities[1] == 3.0 / 6);
    assert_int_equal(s->params[1].choice_count, 2);
    assert_true(s->params[1].probabilities[0] == 0.5);
    assert_string_equal(messages.warning,
                        "a: a value that is in `values` more than once is drawn as many times "
                        "as often; b: a value that is in `values` more than once is drawn as "
                        "many times as often");
    esp_study_messages_release(&messages);
    esp_study_destroy(s);
}

static void a_grid_tries_a_value_given_twice_once(void **state)
{
    struct esp_study_messages messages;
    struct esp_study *s = read_sweep("method: grid\nprogram: t.py\nmetric: {name: l}\n"
                                     "parameters: {a: {values: [1, 2, 2]}}\n",
                                     &messages);

    (void)state;
    assert_int_equal(s->params[0].distribution, ESP_CATEGORICAL);
    assert_int_equal(esp_param_grid_count(&s->params[0]), 2);
    assert_string_equal(messages.warning,
                        "a: a value that is in `values` more than once is tried once");
    esp_study_messages_release(&messages);
    esp_study_destroy(s);
}

static void probabilities_sum_to_1_within_1e_5(void **state)
{
    struct esp_study_messages messages;
    struct esp_study *s = read_sweep("method: random\nprogram: t.py\nmetric: {name: l}\n"
                                     "parameters: {a: {values: [1, 2, 3], probabilities: "
                                     "[0.33333, 0.33333, 0.33333]}}\n",
                                     &messages);

    (void)state;
    assert_true(esp_param_draw(&s->params[0], 0) == 0);
    assert_true(esp_param_draw(&s->params[0], 1) == 2);
    esp_study_messages_release(&messages);
    esp_study_destroy(s);
}

static void s_may_be_0_beside_min_iter(void **state)
{
    struct esp_study_messages messages;
    struct esp_study *s = read_sweep("method: random\nprogram: t.py\nmetric: {name: l}\n"
                                     "parameters: {a: {values: [1, 2]}}\n"
                                     "early_terminate: {type: hyperband, min_iter: 3, s: 0}\n",
                                     &messages);

    (void)state;
    assert_int_equal(s->stopping.min_iter, 3);
    assert_int_equal(s->stopping.s, 0);
    esp_study_messages_release(&messages);
    esp_study_destroy(s);
}

static void integers_are_read_as_in_yaml_1_1_with_a_warning(void **state)
{
    struct esp_study_messages messages;
    struct esp_study *s = read_sweep("method: random\nprogram: t.py\nname: 010\n"
                                     "metric: {name: l}\n"
                                     "parameters:\n  a: {min: 010, max: 0x1F}\n"
                                     "  b: {values: [08, 9]}\n",
                                     &messages);

    (void)state;
    assert_true(s->params[0].min == 8 && s->params[0].max == 31);
    assert_string_equal(s->params[1].choices[0].text, "08");
    assert_string_equal(messages.warning,
                        "line 6: 010 is 8, as in YAML 1.1, which W&B reads; in YAML 1.2 it is "
                        "10; line 7: 08 is text, as in YAML 1.1, which W&B reads; in YAML 1.2 "
                        "it is 8");
    esp_study_messages_release(&messages);
    esp_study_destroy(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bayes_sweep_with_hyperband_loads),
        cmocka_unit_test(a_random_sweep_with_a_command_loads),
        cmocka_unit_test(nested_parameters_are_joined_by_dots),
        cmocka_unit_test(every_key_of_the_schema_is_accepted),
        cmocka_unit_test(without_a_metric_a_program_minimizes_loss),
        cmocka_unit_test(a_command_without_a_program_loads),
        cmocka_unit_test(a_value_given_twice_is_drawn_twice_as_often),
        cmocka_unit_test(a_grid_tries_a_value_given_twice_once),
        cmocka_unit_test(probabilities_sum_to_1_within_1e_5),
        cmocka_unit_test(s_may_be_0_beside_min_iter),
        cmocka_unit_test(integers_are_read_as_in_yaml_1_1_with_a_warning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
