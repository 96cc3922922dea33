/* Valid studies: every key is read into its member. */
#include "texts.h"

#include <unistd.h>

static const char *const full =
    "name: quickstart\n"
    "description: what is best\n"
    "seed: 7\n"
    "method: bayes\n"
    "prior: {center: {learning_rate: 1e-3, batch_size: 16}, width: 1.5}\n"
    "metric: {name: val_loss, goal: minimize, target: 2.5}\n"
    "parameters:\n"
    "  learning_rate: {distribution: log_uniform_values, min: 1e-4, max: 3e-2}\n"
    "  batch_size: {values: [4, 8, 16, 32, 64]}        # sequences per update\n"
    "early_terminate: {type: asha, eta: 4, min: 5e4, max: 5e5, form: stopping, risk: 0.1}\n"
    "run_cap: 24\n"
    "trainer:\n"
    "  data: corpus.txt\n"
    "  model: {layers: 3, width: 96, heads: 3, context: 64}\n"
    "  tokens: 1000000\n"
    "  schedule: {type: cosine, warmup: 0.02, floor: 0.1}\n"
    "  precision: auto\n"
    "budget: {tokens: 2e7, hours: 1, usd: 5, price_per_hour: 2}\n"
    "workers: 3\n";

static void every_key_is_read(void **state)
{
    struct esp_study *s = read_good(full);

    (void)state;
    assert_string_equal(s->name, "quickstart");
    assert_string_equal(s->description, "what is best");
    assert_true(s->seed == 7);
    assert_int_equal(s->method, ESP_METHOD_BAYES);
    assert_int_equal(s->prior.kind, ESP_PRIOR_CENTER);
    assert_true(s->prior.given && s->prior.width == 1.5);
    /* Sorted by name: batch_size, learning_rate. */
    assert_int_equal(s->param_count, 2);
    assert_string_equal(s->params[0].name, "batch_size");
    assert_true(s->prior.center[0] == 16 && s->prior.center[1] == 1e-3);
    assert_true(isnan(s->prior.center[2]));
    assert_int_equal(s->params[0].choice_count, 5);
    assert_int_equal(s->params[0].choices[4].integer, 64);
    assert_int_equal(s->params[1].line, 8);
    assert_int_equal(s->params[1].column, 3);
    assert_true(s->params[1].min == 1e-4 && s->params[1].max == 3e-2);
    assert_string_equal(s->metric, "val_loss");
    assert_true(!s->maximize && s->has_target && s->target == 2.5);
    assert_int_equal(s->stopping.type, ESP_SCHEDULER_ASHA);
    assert_true(s->stopping.eta == 4 && s->stopping.min == 5e4 && s->stopping.max == 5e5);
    assert_true(s->stopping.form == ESP_ASHA_STOPPING && s->stopping.risk == 0.1);
    assert_int_equal(s->run_cap, 24);
    assert_true(s->abilities.settings_known && !s->command);
    assert_string_equal(s->trainer.data, "/base/corpus.txt");
    assert_int_equal(s->trainer.tokens, 1000000);
    assert_true(s->budget.tokens == 2e7 && s->budget.seconds == 3600 && s->budget.usd == 5);
    assert_true(s->budget.price_per_hour == 2);
    assert_int_equal(s->workers, 3);
    assert_string_equal(s->source, full);
    esp_study_destroy(s);
}

/* Other limits bound the cost of the search, so a missing price is only a warning. */
static void a_budget_in_usd_without_a_price_is_a_warning(void **state)
{
    struct esp_study *s = NULL;
    struct esp_study_messages messages;
    struct esp_error error = {""};
    const char *text =
        "name: quickstart\nseed: 1\nmethod: bayes                  # grid | random\n"
        "prior: step-law                # or none\n"
        "metric: {name: val_loss, goal: minimize}\nparameters:\n"
        "  learning_rate: {distribution: log_uniform_values, min: 1e-4, max: 3e-2}\n"
        "  batch_size: {values: [4, 8, 16, 32, 64]}\n"
        "early_terminate: {type: asha, eta: 3}\nrun_cap: 24\ntrainer:\n"
        "  data: corpus.txt\n  model: {layers: 3, width: 96, heads: 3, context: 64}\n"
        "  tokens: 1000000\n  schedule: {type: cosine, warmup: 0.02, floor: 0.1}\n"
        "  precision: auto\nbudget: {tokens: 2e7, hours: 1, usd: 5}\nworkers: auto\n";

    (void)state;
    assert_int_equal(esp_study_read_text(text, "q.yaml", "/b", &s, &messages, &error), 0);
    assert_non_null(
        strstr(messages.warning, "budget.usd has no effect without price_per_hour"));
    assert_int_equal(s->prior.kind, ESP_PRIOR_STEP_LAW);
    assert_int_equal(s->workers, 0);
    esp_study_messages_release(&messages);
    esp_study_destroy(s);
}

static void defaults_are_those_of_the_built_in_trainer(void **state)
{
    struct esp_study *s = read_good("method: random\n" TRAINER PARAMETERS);

    (void)state;
    assert_string_equal(s->name, "s");
    assert_string_equal(s->metric, "val_loss");
    assert_int_equal(s->stopping.type, ESP_SCHEDULER_DEFAULT);
    assert_int_equal(s->prior.kind, ESP_PRIOR_STEP_LAW);
    assert_false(s->prior.given);
    assert_true(s->run_cap == 0 && s->workers == 0 && s->seed == 0);
    assert_true(s->budget.tokens == 0 && s->budget.usd == 0);
    assert_true(isnan(s->stopping.threshold));
    esp_study_destroy(s);
}

static int repeats_of(const char *text)
{
    struct esp_study *s = read_good(text);
    int repeats = s->stopping.repeats;
    assert_int_equal(s->stopping.repeats_given, strstr(text, "repeats") != NULL);
    esp_study_destroy(s);
    return repeats;
}

static void freeze_thaw_repeats_ties_by_default(void **state)
{
    (void)state;
    static const char grid[] = "parameters: {learning_rate: {values: [0.1, 0.2]}}\n";
    char text[512];
    assert_int_equal(repeats_of("method: random\n" TRAINER PARAMETERS), 1);
    assert_int_equal(
        repeats_of("method: random\n" TRAINER PARAMETERS "early_terminate: freeze-thaw\n"), 1);
    assert_int_equal(
        repeats_of("method: random\n" TRAINER PARAMETERS "early_terminate: {type: asha}\n"), 0);
    assert_int_equal(repeats_of("method: random\n" TRAINER PARAMETERS
                                "early_terminate: {type: asha, repeats: 2}\n"),
                     2);
    assert_int_equal(repeats_of("method: random\n" TRAINER PARAMETERS
                                "early_terminate: {type: freeze-thaw, repeats: 0}\n"),
                     0);
    snprintf(text, sizeof text, "method: grid\n" TRAINER "%s", grid);
    assert_int_equal(repeats_of(text), 0);
    assert_int_equal(
        repeats_of("method: random\n" TRAINER "parameters: {seed: {values: [1, 2]}}\n"), 0);
    assert_int_equal(
        repeats_of("program: t.py\nmethod: random\nparameters: {x: {min: 1.0, max: 2.0}}\n"),
        0);
}

static void each_scheduler_reads_its_keys_and_has_defaults_for_the_others(void **state)
{
    const struct {
        const char *text;
        struct esp_stopping wanted;
    } cases[] = {
        {"none", {.type = ESP_SCHEDULER_NONE}},
        {"{type: none}", {.type = ESP_SCHEDULER_NONE}},
        {"{type: asha}", {.type = ESP_SCHEDULER_ASHA, .eta = 3, .risk = 0.05}},
        {"{type: hyperband}", {.type = ESP_SCHEDULER_HYPERBAND, .eta = 3, .risk = 0.05}},
        {"{type: hyperband, min_iter: 3}",
         {.type = ESP_SCHEDULER_WANDB_HYPERBAND, .eta = 3, .min_iter = 3, .strict = true}},
        {"{type: hyperband, max_iter: 27, s: 2, eta: 2, strict: no}",
         {.type = ESP_SCHEDULER_WANDB_HYPERBAND, .eta = 2, .max_iter = 27, .s = 2}},
        {"{type: bohb, eta: 2}", {.type = ESP_SCHEDULER_BOHB, .eta = 2, .risk = 0.05}},
        {"{type: pasha, min: 1e3}",
         {.type = ESP_SCHEDULER_PASHA, .eta = 3, .min = 1e3, .risk = 0.05}},
        {"{type: halving, risk: 0}", {.type = ESP_SCHEDULER_HALVING, .eta = 3}},
        {"{type: cut, at: 5e4}",
         {.type = ESP_SCHEDULER_CUT, .eta = 3, .risk = 0.05, .at = 5e4}},
        {"{type: median}", {.type = ESP_SCHEDULER_MEDIAN, .startup_trials = 5}},
        {"{type: percentile, percentile: 25, warmup_tokens: 1e5}",
         {.type = ESP_SCHEDULER_PERCENTILE,
          .startup_trials = 5,
          .percentile = 25,
          .warmup_tokens = 1e5}},
        {"{type: patience, patience: 4, min_delta: .01}",
         {.type = ESP_SCHEDULER_PATIENCE, .patience = 4, .min_delta = 0.01}},
        {"{type: freeze-thaw}", {.type = ESP_SCHEDULER_FREEZE_THAW, .eta = 3, .risk = 0.05}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[512];
        snprintf(text,
                 sizeof text,
                 "method: random\n" TRAINER PARAMETERS "early_terminate: %s\n",
                 cases[i].text);
        struct esp_study *s = read_good(text);
        struct esp_stopping got = s->stopping;
        struct esp_stopping wanted = cases[i].wanted;
        assert_true(isnan(got.threshold));
        assert_int_equal(got.line, 4);
        assert_true(got.type == wanted.type && got.eta == wanted.eta && got.min == wanted.min);
        assert_true(got.max == wanted.max && got.risk == wanted.risk && got.s == wanted.s);
        assert_true(got.min_iter == wanted.min_iter && got.max_iter == wanted.max_iter);
        assert_true(got.strict == wanted.strict && got.startup_trials == wanted.startup_trials);
        assert_true(got.warmup_tokens == wanted.warmup_tokens && got.at == wanted.at);
        assert_true(got.percentile == wanted.percentile && got.patience == wanted.patience);
        assert_true(got.min_delta == wanted.min_delta && got.form == ESP_ASHA_PROMOTION);
        esp_study_destroy(s);
    }
    struct esp_study *s = read_good("method: random\n" TRAINER PARAMETERS
                                    "early_terminate: {type: threshold, threshold: -1}\n");
    assert_true(s->stopping.threshold == -1 && s->stopping.at == 0);
    esp_study_destroy(s);
}

static void settings_of_the_trainer_can_be_searched(void **state)
{
    struct esp_study *s = read_good(
        "method: grid\n" TRAINER "parameters:\n"
        "  schedule: {values: [cosine, wsd]}\n"
        "  warmup: {values: [0, 0.1]}\n"
        "  model: {parameters: {width: {values: [48, 96]}, layers: {min: 1, max: 3}}}\n"
        "  precision: {value: fp32}\n"
        "  seed: {min: 0, max: 2}\n"
        "  clip: 1\n");

    (void)state;
    assert_int_equal(s->param_count, 7);
    assert_string_equal(s->params[1].name, "model.layers");
    assert_string_equal(s->params[2].name, "model.width");
    for (int i = 0; i < s->param_count; i++) {
        struct esp_value value =
            esp_param_value(&s->params[i], esp_param_draw(&s->params[i], 0));
        assert_int_equal(esp_trainer_set(&s->trainer, s->params[i].name, &value, NULL), 0);
    }
    assert_int_equal(esp_trainer_validate(&s->trainer, NULL), 0);
    esp_study_destroy(s);
}

static void parameters_are_sorted_by_name(void **state)
{
    struct esp_study *a = read_good("method: random\n" TRAINER
                                    "parameters: {clip: 1, beta1: {min: 0.5, max: 0.9}}\n");
    struct esp_study *b = read_good("method: random\n" TRAINER
                                    "parameters: {beta1: {min: 0.5, max: 0.9}, clip: 1}\n");

    (void)state;
    assert_string_equal(a->params[0].name, "beta1");
    assert_int_equal(esp_study_same_search(a, b, NULL), 0);
    esp_study_destroy(a);
    esp_study_destroy(b);
}

static void a_text_read_again_is_the_same_study_as_the_file(void **state)
{
    char path[] = "/tmp/espalier-study-XXXXXX";
    int fd = mkstemp(path);
    struct esp_study *file = NULL;
    struct esp_study *text = NULL;
    struct esp_error error = {""};

    (void)state;
    assert_int_equal(write(fd, full, strlen(full)), (ssize_t)strlen(full));
    close(fd);
    assert_int_equal(esp_study_read_file(path, &file, NULL, &error), 0);
    assert_string_equal(file->trainer.data, "/tmp/corpus.txt");
    assert_int_equal(esp_study_read_text(file->source, path, "/tmp", &text, NULL, &error), 0);
    assert_int_equal(esp_study_same_search(file, text, &error), 0);
    assert_memory_equal(&file->trainer, &text->trainer, sizeof file->trainer);
    assert_string_equal(file->source, text->source);
    esp_study_destroy(file);
    esp_study_destroy(text);
    unlink(path);
}

static void a_study_name_becomes_one_component_of_a_path(void **state)
{
    const char *const cases[][2] = {{"quick", "quick"},
                                    {"a/b", "a-b"},
                                    {"../up", "---up"},
                                    {".hidden", "-hidden"},
                                    {"my sweep", "my sweep"},
                                    {"..", "--"},
                                    {"end ", "end-"}};
    struct esp_study *s = read_good("method: random\n" TRAINER PARAMETERS);
    char out[ESP_NAME_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        snprintf(s->name, sizeof s->name, "%s", cases[i][0]);
        esp_study_folder_name(s, out, sizeof out);
        assert_string_equal(out, cases[i][1]);
    }
    esp_study_destroy(s);
}

static void a_prior_without_effect_is_a_warning(void **state)
{
    struct esp_study *s = NULL;
    struct esp_study_messages messages;
    struct esp_error error;

    (void)state;
    assert_int_equal(esp_study_read_text("method: random\nprior: step-law\n" TRAINER PARAMETERS,
                                         "s.yaml",
                                         "/",
                                         &s,
                                         &messages,
                                         &error),
                     0);
    assert_string_equal(messages.warning, "prior has no effect on method random");
    esp_study_messages_release(&messages);
    esp_study_destroy(s);
}

/* log_uniform with values instead of exponents would search from 1.0 to 1.1. */
static void exponents_that_look_like_values_are_a_warning(void **state)
{
    struct esp_study *s = NULL;
    struct esp_study_messages messages;
    struct esp_error error;

    (void)state;
    assert_int_equal(
        esp_study_read_text(
            "method: random\nprogram: t.py\nmetric: {name: loss}\nparameters: {lr: "
            "{distribution: log_uniform, min: 1e-5, max: 0.1}}\n",
            "s.yaml",
            "/",
            &s,
            &messages,
            &error),
        0);
    assert_string_equal(messages.warning,
                        "lr: the bounds of log_uniform are exponents, so it draws from 1 to "
                        "1.105; for 1e-05 to 0.1 write log_uniform_values");
    esp_study_messages_release(&messages);
    esp_study_destroy(s);
}

/* The examples in studies/. */
static void the_studies_of_the_repository_are_read_without_faults(void **state)
{
    const char *const files[] = {
        "studies/wandb-sweep.yaml", "studies/grid.yaml", "studies/random-median.yaml"};

    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        struct esp_study *s = NULL;
        struct esp_error error = {""};
        if (esp_study_read_file(files[i], &s, NULL, &error) != 0) {
            fail_msg("%s", error.text);
        }
        assert_true(s->source[0] == '#' && strchr(s->source, '?') < strchr(s->source, ':'));
        esp_study_destroy(s);
    }
}

static void a_scheduler_read_alone_replaces_that_of_the_study(void **state)
{
    struct esp_study *s = read_good(full);
    struct esp_error error = {0};

    (void)state;
    assert_int_equal(
        esp_study_read_stopping(s, "{type: patience, patience: 5}", "--scheduler", &error), 0);
    assert_int_equal(s->stopping.type, ESP_SCHEDULER_PATIENCE);
    assert_int_equal(s->stopping.patience, 5);
    assert_int_equal(s->stopping.form, ESP_ASHA_PROMOTION); /* as in the file's asha */
    assert_int_equal(s->stopping.line, 0);
    assert_int_equal(
        esp_study_read_stopping(s, "{type: asha, min: 2e6, foo: 1}", "--scheduler", &error),
        -EINVAL);
    assert_non_null(strstr(error.text, "--scheduler:1:"));
    assert_non_null(strstr(error.text, "beyond the horizon"));
    assert_non_null(strstr(error.text, "\"foo\""));
    assert_int_equal(
        esp_study_read_stopping(s, "asha\nbudget: {tokens: 1}", "--scheduler", &error),
        -EINVAL);
    assert_non_null(strstr(error.text, "\"budget\""));
    esp_study_destroy(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_is_read),
        cmocka_unit_test(a_budget_in_usd_without_a_price_is_a_warning),
        cmocka_unit_test(defaults_are_those_of_the_built_in_trainer),
        cmocka_unit_test(freeze_thaw_repeats_ties_by_default),
        cmocka_unit_test(each_scheduler_reads_its_keys_and_has_defaults_for_the_others),
        cmocka_unit_test(settings_of_the_trainer_can_be_searched),
        cmocka_unit_test(parameters_are_sorted_by_name),
        cmocka_unit_test(a_text_read_again_is_the_same_study_as_the_file),
        cmocka_unit_test(a_study_name_becomes_one_component_of_a_path),
        cmocka_unit_test(a_prior_without_effect_is_a_warning),
        cmocka_unit_test(exponents_that_look_like_values_are_a_warning),
        cmocka_unit_test(a_scheduler_read_alone_replaces_that_of_the_study),
        cmocka_unit_test(the_studies_of_the_repository_are_read_without_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
