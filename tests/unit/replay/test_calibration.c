/* Scores from a file, and the scores of all tables except one. */
#include "replay/calibration.h"
#include "stop/discard.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char path[] = "/tmp/espalier-scores-XXXXXX";

static int read_scores(const char *text, struct esp_scores *scores, struct esp_error *error)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    return esp_scores_read(path, scores, error);
}

static void a_line_holds_one_score(void **state)
{
    (void)state;
    struct esp_scores scores;
    struct esp_error error = {""};
    assert_int_equal(
        read_scores("# from June\n3\n\n  0.5  # half\r\nnan\n4e2", &scores, &error), 0);
    assert_int_equal(scores.count, 4);
    assert_true(scores.numbers[0] == 3 && scores.numbers[1] == 0.5);
    assert_true(scores.numbers[2] != scores.numbers[2]);
    assert_true(scores.numbers[3] == 400);
    esp_scores_release(&scores);
}

static void faults_name_file_line_and_value(void **state)
{
    (void)state;
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"3\nfour\n", ":2: \"four\""},
        {"3 4\n", ":1: \"3 4\""},
        {"-1\n", ":1: \"-1\""},
        {"inf\n", ":1: \"inf\""},
        {"# nothing\n", "holds no score"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct esp_scores scores;
        struct esp_error error = {""};
        assert_int_equal(read_scores(cases[i].text, &scores, &error), -EINVAL);
        if (!strstr(error.text, cases[i].words) || !strstr(error.text, path)) {
            fail_msg("case %zu: %s", i, error.text);
        }
        assert_null(scores.numbers);
    }
    struct esp_scores scores;
    struct esp_error error = {""};
    assert_int_equal(esp_scores_read("/nonexistent/s", &scores, &error), -ENOENT);
}

static void a_table_does_not_calibrate_itself(void **state)
{
    (void)state;
    double numbers[] = {1, 2, 10, 20, 100, 200};
    static const double expected[3][4] = {{10, 20, 100, 200}, {1, 2, 100, 200}, {1, 2, 10, 20}};
    struct esp_scores all = {numbers, 6}, others;
    for (int table = 0; table < 3; table++) {
        assert_int_equal(esp_scores_without(&all, table, 2, &others), 0);
        assert_int_equal(others.count, 4);
        assert_memory_equal(others.numbers, expected[table], sizeof expected[table]);
        esp_scores_release(&others);
    }
    struct esp_scores alone = {numbers, 2};
    assert_int_equal(esp_scores_without(&alone, 0, 2, &others), 0);
    assert_int_equal(others.count, 0);
    esp_scores_release(&others);
    assert_int_equal(esp_discard_needed(0.05), 19);
    assert_int_equal(esp_discard_needed(0.3), 3);
    assert_int_equal(esp_discard_needed(0), 0);
}

static int make_file(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int drop_file(void **state)
{
    (void)state;
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_holds_one_score),
        cmocka_unit_test(faults_name_file_line_and_value),
        cmocka_unit_test(a_table_does_not_calibrate_itself),
    };
    return cmocka_run_group_tests(tests, make_file, drop_file);
}
