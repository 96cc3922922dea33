/* Replacing the data in the text of a study, for `run --data FILE`. */
#include "../../../controller/study/override.h"
#include "../../../controller/study/study.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char head[] =
    "name: x # ä name\nmethod: random\nparameters: {learning_rate: {min: 1e-4, max: 1e-3}}\n";

static char *study_with(const char *data)
{
    char *text = NULL;
    assert_true(asprintf(&text, "%strainer:\n  data: %s\n  tokens: 100000\n", head, data) > 0);
    return text;
}

/* Replaces the data, checks that nothing else has changed, and reads the study again. */
static void replaces(const char *data)
{
    const char *path = "/tmp/a \"quoted\\ text\".txt";
    char *before = study_with(data), *after = NULL;
    struct esp_error error = {0};
    assert_int_equal(esp_study_override_data(before, "x.yaml", path, &after, &error), 0);
    char *expected = study_with("\"/tmp/a \\\"quoted\\\\ text\\\".txt\"");
    const char *comment = strstr(data, " #");
    if (!comment) {
        assert_string_equal(after, expected);
    }
    struct esp_study *study = NULL;
    assert_int_equal(esp_study_read_text(after, "x.yaml", "/", &study, NULL, &error), 0);
    assert_string_equal(study->trainer.data, path);
    esp_study_destroy(study);
    free(before);
    free(after);
    free(expected);
}

static void replaces_plain_and_quoted_scalars(void **state)
{
    (void)state;
    replaces("corpus.txt");
    replaces("/usr/include/*.h   # all of them");
    replaces("'it''s here.txt'");
    replaces("\"b\\\"c.txt\"");
}

static void replaces_in_a_flow_mapping(void **state)
{
    (void)state;
    char text[512], *after = NULL;
    struct esp_error error = {0};
    snprintf(text, sizeof text, "%strainer: {tokens: 100000, data: corpus.txt}\n", head);
    assert_int_equal(esp_study_override_data(text, "x.yaml", "/d", &after, &error), 0);
    assert_non_null(strstr(after, "trainer: {tokens: 100000, data: \"/d\"}\n"));
    free(after);
}

static void refuses_a_file_without_replaceable_data(void **state)
{
    (void)state;
    char text[512], *after = NULL;
    struct esp_error error = {0};
    assert_int_equal(esp_study_override_data("name: [", "x.yaml", "/d", &after, &error),
                     -EINVAL);
    assert_non_null(strstr(error.text, "x.yaml:"));
    assert_int_equal(esp_study_override_data(head, "x.yaml", "/d", &after, &error), -EINVAL);
    assert_non_null(strstr(error.text, "trainer.data"));
    snprintf(
        text, sizeof text, "%strainer:\n  tokens: 100000\n  data: |\n    a\n    b\n", head);
    assert_int_equal(esp_study_override_data(text, "x.yaml", "/d", &after, &error), -EINVAL);
    assert_non_null(strstr(error.text, "x.yaml:"));
    assert_null(after);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replaces_plain_and_quoted_scalars),
        cmocka_unit_test(replaces_in_a_flow_mapping),
        cmocka_unit_test(refuses_a_file_without_replaceable_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
