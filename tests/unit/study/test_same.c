/* Which changes of a study file let its search continue. */
#include "texts.h"

#define BASE                                                                                   \
    "name: n\nmethod: bayes\nseed: 1\n"                                                        \
    "metric: {name: val_loss}\n"                                                               \
    "prior: {center: {learning_rate: 0.01}, width: 1}\n"                                       \
    "early_terminate: {type: asha, eta: 3}\n"                                                  \
    "trainer: {data: c.txt, tokens: 1e6}\n"                                                    \
    "parameters: {learning_rate: {min: 0.001, max: 0.1}, batch_size: {values: [4, 8]}}\n"

/* BASE with the first occurrence of `from` replaced. */
static struct esp_study *edited(const char *from, const char *to)
{
    const char *base = BASE;
    const char *at = strstr(base, from);
    char text[2048];

    assert_non_null(at);
    snprintf(text, sizeof text, "%.*s%s%s", (int)(at - base), base, to, at + strlen(from));
    return read_good(text);
}

static void limits_and_workers_may_change(void **state)
{
    const char *const edits[][2] = {
        {"seed: 1\n", "seed: 1\nrun_cap: 40\n"},
        {"seed: 1\n", "seed: 1\nbudget: {hours: 3}\n"},
        {"seed: 1\n", "seed: 1\nworkers: 7\n"},
        {"seed: 1\n", "seed: 1\ndescription: more\n"},
        {"seed: 1\n", "# a note\nseed: 1\n"},
        {"0.001", "1e-3"},
        {"[4, 8]", "[4.0, 8]"},
        {", eta: 3", ""}, /* the default, written out or not */
    };
    struct esp_study *base = read_good(BASE);

    (void)state;
    for (size_t i = 0; i < sizeof edits / sizeof edits[0]; i++) {
        struct esp_study *s = edited(edits[i][0], edits[i][1]);
        struct esp_error error = {""};
        if (esp_study_same_search(base, s, &error) != 0) {
            fail_msg("%s -> %s: %s", edits[i][0], edits[i][1], error.text);
        }
        esp_study_destroy(s);
    }
    esp_study_destroy(base);
}

static void the_error_names_any_other_changed_key(void **state)
{
    const char *const edits[][3] = {
        {"name: n", "name: m", "`name` differs"},
        {"seed: 1", "seed: 2", "`seed` differs"},
        {"method: bayes", "method: random", "`method` differs"},
        {"{name: val_loss}", "{name: train_loss}", "`metric` differs"},
        {"{name: val_loss}", "{name: val_loss, target: 2}", "`metric` differs"},
        {"0.01}, width", "0.02}, width", "`prior` differs"},
        {"width: 1", "width: 2", "`prior` differs"},
        {"prior: {center: {learning_rate: 0.01}, width: 1}", "prior: none", "`prior` differs"},
        {"eta: 3", "eta: 4", "`early_terminate` differs"},
        {"asha", "pasha", "`early_terminate` differs"},
        {"data: c.txt", "data: d.txt", "`trainer.data` differs"},
        {"tokens: 1e6", "tokens: 2e6", "`trainer.tokens` differs"},
        {"tokens: 1e6", "tokens: 1e6, model: {layers: 4}", "`trainer.model.layers` differs"},
        {"max: 0.1", "max: 0.2", "`parameters.learning_rate` differs"},
        {"[4, 8]", "[4, 8, 16]", "`parameters.batch_size` differs"},
        {"[4, 8]", "[8, 4]", "`parameters.batch_size` differs"},
        {", batch_size: {values: [4, 8]}", "", "`parameters.batch_size` differs"},
        {", batch_size", ", clip: {value: 1}, batch_size", "`parameters.clip` differs"},
        {"learning_rate: {min: 0.001, max: 0.1}",
         "learning_rate: {min: 0.001, max: 0.1, distribution: log_uniform_values}",
         "`parameters.learning_rate` differs"},
        {"trainer: {data: c.txt, tokens: 1e6}", "program: t.py", "`trainer` differs"},
    };
    struct esp_study *base = read_good(BASE);

    (void)state;
    for (size_t i = 0; i < sizeof edits / sizeof edits[0]; i++) {
        struct esp_study *s = edited(edits[i][0], edits[i][1]);
        struct esp_error error = {""};
        assert_int_equal(esp_study_same_search(base, s, &error), -EINVAL);
        if (!strstr(error.text, edits[i][2])) {
            fail_msg("wanted %s, got %s", edits[i][2], error.text);
        }
        assert_int_equal(esp_study_same_search(s, base, &error), -EINVAL);
        esp_study_destroy(s);
    }
    esp_study_destroy(base);
}

static void another_command_is_another_search(void **state)
{
    struct esp_study *a = read_good("program: t.py\nmethod: random\n" PARAMETERS);
    struct esp_study *b = read_good("program: u.py\nmethod: random\n" PARAMETERS);
    struct esp_error error = {""};

    (void)state;
    assert_int_equal(esp_study_same_search(a, a, &error), 0);
    assert_int_equal(esp_study_same_search(a, b, &error), -EINVAL);
    assert_non_null(strstr(error.text, "`command` differs"));
    esp_study_destroy(a);
    esp_study_destroy(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_and_workers_may_change),
        cmocka_unit_test(the_error_names_any_other_changed_key),
        cmocka_unit_test(another_command_is_another_search),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
