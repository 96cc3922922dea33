/* Study files read as the settings of one training. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <espalier/config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[ESP_PATH_MAX];
static char path[ESP_PATH_MAX + 16];

static int set_up(void **state)
{
    char made[] = "/tmp/espalier-config-XXXXXX";

    (void)state;
    if (!mkdtemp(made) || !realpath(made, folder)) {
        return -1;
    }
    snprintf(path, sizeof path, "%s/c.yaml", folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static int read_text(const char *text, struct esp_trainer *out, struct esp_error *error)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
    return esp_config_read(path, out, error);
}

static void expect(const char *text, const char *words)
{
    struct esp_trainer t;
    struct esp_error error = {""};

    assert_int_equal(read_text(text, &t, &error), -EINVAL);
    if (!strstr(error.text, words)) {
        fail_msg("expected %s\ngot      %s", words, error.text);
    }
}

static void the_trainer_alone_is_enough(void **state)
{
    struct esp_trainer t;
    struct esp_error error = {""};
    char data[ESP_PATH_MAX + 16];

    (void)state;
    assert_int_equal(read_text("trainer:\n"
                               "  data: ./corpus.txt\n"
                               "  tokens: 2e6\n"
                               "  model: {layers: 2, width: 64, heads: 4, context: 32, "
                               "activation: gelu_tanh}\n"
                               "  schedule: {type: wsd, warmup: .1, decay: 0.3, floor: 0}\n"
                               "  batch_size: 8\n",
                               &t,
                               &error),
                     0);
    snprintf(data, sizeof data, "%s/corpus.txt", folder);
    assert_string_equal(t.data, data);
    assert_int_equal(t.tokens, 2000000);
    assert_int_equal(t.layers, 2);
    assert_int_equal(t.activation, ESP_ACTIVATION_GELU_TANH);
    assert_int_equal(t.schedule, ESP_SCHEDULE_WSD);
    assert_true(t.warmup == 0.1 && t.decay == 0.3 && t.floor == 0);
    assert_int_equal(t.batch_size, 8);
    assert_true(t.beta2 == 0.95);
}

static void single_valued_parameters_set_the_trainer(void **state)
{
    struct esp_trainer t;
    struct esp_error error = {""};

    (void)state;
    assert_int_equal(read_text("name: x\nmethod: grid\n"
                               "trainer: {data: /c.txt, tokens: 1e6, schedule: linear}\n"
                               "parameters:\n"
                               "  learning_rate: {value: 1e-5}\n"
                               "  batch_size: {values: [4]}\n"
                               "  clip: 0.5\n"
                               "  schedule: {parameters: {warmup: {value: 0.25}}}\n",
                               &t,
                               &error),
                     0);
    assert_string_equal(t.data, "/c.txt");
    assert_true(t.learning_rate == 1e-5 && t.clip == 0.5 && t.warmup == 0.25);
    assert_int_equal(t.batch_size, 4);
    assert_int_equal(t.schedule, ESP_SCHEDULE_LINEAR);
}

static void activation_and_objective_may_be_given_without_their_section(void **state)
{
    struct esp_trainer t;
    struct esp_error error = {""};

    (void)state;
    assert_int_equal(
        read_text("trainer: {data: /c, tokens: 1e6, activation: gelu_tanh, objective: masked}",
                  &t,
                  &error),
        0);
    assert_int_equal(t.activation, ESP_ACTIVATION_GELU_TANH);
    assert_int_equal(t.objective, ESP_OBJECTIVE_MASKED);
}

static void faults_of_a_single_training_have_their_place(void **state)
{
    (void)state;
    expect("parameters: {clip: 1}", "1:1: `trainer` is missing");
    expect("trainer: {tokens: 1e6}", "1:10: trainer.data is missing");
    expect("trainer: {data: c}", "1:10: trainer.tokens is missing");
    expect("trainer: {data: c, tokens: 1e6}\nparameters: {batch_size: {values: [4, 8]}}",
           "2:26: batch_size does not have exactly one value");
    expect("trainer: {data: c, tokens: 1e6}\nparameters: {learning_rate: {min: 1, max: 2}}",
           "2:29: learning_rate does not have exactly one value");
    expect(
        "trainer: {data: c, tokens: 1e6}\nparameters: {lerning_rate: 1}",
        "2:14: the trainer has no setting \"lerning_rate\"; did you mean \"learning_rate\"?");
    expect("trainer: {data: c, tokens: 1e6}\nparameters: {tokens: 1}",
           "2:14: tokens cannot be a parameter");
    expect("trainer: {data: c, tokens: 1e6, layers: 2, model: {layers: 3}}",
           "layers is given twice");
    expect("trainer: {data: c, tokens: 1e6, model: 3}", "trainer.model must be a mapping");
    expect("trainer: {data: c, tokens: 100}", "less than one step");
    expect("trainer: {data: c, tokens: 1e6, batch_size: [1, 2]}",
           "a setting that is searched belongs in `parameters`");
    expect("trainer: {data: \"\", tokens: 1e6}", "data is empty");
    expect("trainer: {data: c, tokens: 1e6, typ: 3}\ntrainr: 2\n",
           "2:1: unknown key \"trainr\"");
    expect("trainer: nothing", "trainer must be a mapping");
    expect("- 1", "a study is a mapping");
}

static void a_failed_read_leaves_the_trainer_unchanged(void **state)
{
    struct esp_trainer t;
    struct esp_trainer before;
    struct esp_error error;

    (void)state;
    memset(&t, 7, sizeof t);
    before = t;
    assert_int_equal(read_text("trainer: {data: c}", &t, &error), -EINVAL);
    assert_memory_equal(&t, &before, sizeof t);
}

static void paths_are_relative_to_the_folder(void **state)
{
    char out[ESP_PATH_MAX];

    (void)state;
    assert_int_equal(esp_config_resolve("a.txt", "/b", out), 0);
    assert_string_equal(out, "/b/a.txt");
    assert_int_equal(esp_config_resolve("../a.txt", "/b/", out), 0);
    assert_string_equal(out, "/b/../a.txt");
    assert_int_equal(esp_config_resolve("/a.txt", "/b", out), 0);
    assert_string_equal(out, "/a.txt");
    setenv("HOME", "/home/me", 1);
    assert_int_equal(esp_config_resolve("~/a.txt", "/b", out), 0);
    assert_string_equal(out, "/home/me/a.txt");
    assert_int_equal(esp_config_resolve("*.txt", "/b[1]", out), 0);
    assert_string_equal(out, "/b\\[1]/*.txt");
    assert_int_equal(esp_config_resolve("a.txt", "/b[1]", out), 0);
    assert_string_equal(out, "/b[1]/a.txt");
    char *long_path = malloc(ESP_PATH_MAX);
    memset(long_path, 'a', ESP_PATH_MAX - 1);
    long_path[ESP_PATH_MAX - 1] = '\0';
    assert_int_equal(esp_config_resolve(long_path, "/b", out), -ENAMETOOLONG);
    free(long_path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_trainer_alone_is_enough),
        cmocka_unit_test(single_valued_parameters_set_the_trainer),
        cmocka_unit_test(activation_and_objective_may_be_given_without_their_section),
        cmocka_unit_test(faults_of_a_single_training_have_their_place),
        cmocka_unit_test(a_failed_read_leaves_the_trainer_unchanged),
        cmocka_unit_test(paths_are_relative_to_the_folder),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
