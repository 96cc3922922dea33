/* JSON, CSV and numbers for people. */
#include "../../../controller/view/buffer.h"
#include "../../../controller/view/columns.h"
#include "../../../controller/view/csv.h"
#include "../../../controller/view/human.h"
#include "../../../controller/view/json.h"

#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void check_json(const char *string, const char *expected)
{
    struct esp_buffer text = {0};
    esp_json_string(&text, string);
    assert_string_equal(esp_buffer_get(&text), expected);
    esp_buffer_release(&text);
}

static void json_strings_escape_any_bytes(void **state)
{
    (void)state;
    check_json(NULL, "null");
    check_json("", "\"\"");
    check_json("a\"b\\c\n\t\r", "\"a\\\"b\\\\c\\n\\t\\r\"");
    check_json("\x01\x1f\x7f", "\"\\u0001\\u001f\\u007f\"");
    check_json("é€😀", "\"é€😀\"");
    check_json("\xff\xc3", "\"\\ufffd\\ufffd\"");            /* not UTF-8; cut off */
    check_json("\xc0\xaf", "\"\\ufffd\\ufffd\"");            /* overlong */
    check_json("\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\""); /* a surrogate */
}

static void check_real(double value, const char *json, const char *csv)
{
    struct esp_buffer text = {0};
    esp_json_real(&text, value);
    assert_string_equal(esp_buffer_get(&text), json);
    esp_buffer_clear(&text);
    esp_csv_real(&text, value);
    assert_string_equal(esp_buffer_get(&text), csv);
    esp_buffer_release(&text);
}

static void reals_are_short_and_exact(void **state)
{
    (void)state;
    check_real(0.1, "0.1", "0.1");
    check_real(3e-4, "0.0003", "0.0003");
    check_real(-0.0, "-0", "-0");
    check_real(1e300, "1e+300", "1e+300");
    check_real(0.1 + 0.2, "0.30000000000000004", "0.30000000000000004");
    check_real(NAN, "null", "");
    check_real(INFINITY, "null", "inf");
    check_real(-INFINITY, "null", "-inf");
    for (int i = 1; i < 2000; i++) {
        double value = exp(i * 0.37 - 350) * 1.2345678901234567;
        struct esp_buffer text = {0};
        esp_json_real(&text, value);
        assert_true(strtod(esp_buffer_get(&text), NULL) == value);
        esp_buffer_release(&text);
    }
}

static void check_csv(const char *string, const char *expected)
{
    struct esp_buffer text = {0};
    esp_csv_string(&text, string);
    assert_string_equal(esp_buffer_get(&text), expected);
    esp_buffer_release(&text);
}

static void csv_fields_are_quoted_where_required(void **state)
{
    (void)state;
    check_csv("plain text", "plain text");
    check_csv("a,b", "\"a,b\"");
    check_csv("say \"x\"", "\"say \"\"x\"\"\"");
    check_csv("two\nlines", "\"two\nlines\"");
    check_csv("", "");
}

static void
check_words(void (*add)(struct esp_buffer *, double), double value, const char *words)
{
    struct esp_buffer text = {0};
    add(&text, value);
    assert_string_equal(esp_buffer_get(&text), words);
    esp_buffer_release(&text);
}

static void counts_and_times_are_rounded_for_people(void **state)
{
    (void)state;
    check_words(esp_human_count, 950, "950");
    check_words(esp_human_count, 1250000, "1.25M");
    check_words(esp_human_count, 999999, "1M");
    check_words(esp_human_count, 14.4e9, "14.4G");
    check_words(esp_human_seconds, 3.21, "3.2 s");
    check_words(esp_human_seconds, 59.7, "1 min 0 s");
    check_words(esp_human_seconds, 250, "4 min 10 s");
    check_words(esp_human_seconds, 7500, "2 h 5 min");
    check_words(esp_human_seconds, NAN, "?");
}

static void check_table(const struct esp_columns *table, int width, const char *expected)
{
    struct esp_buffer text = {0};
    esp_columns_print(table, width, "ls", false, &text);
    assert_string_equal(esp_buffer_get(&text), expected);
    esp_buffer_release(&text);
}

static void tables_align_and_name_the_columns_that_do_not_fit(void **state)
{
    (void)state;
    struct esp_columns table = {0};
    esp_columns_head(&table, "n", true, 0);
    esp_columns_head(&table, "größe", false, 1);
    esp_columns_head(&table, "c", false, 2);
    esp_columns_add(&table, "100");
    esp_columns_add(&table, "ß");
    esp_columns_add(&table, "one\ntwo");
    check_table(&table, 0, "  n  größe  c\n100  ß      one two\n");
    check_table(&table, 19, "  n  größe  c\n100  ß      one two\n");
    check_table(&table, 18, "  n  größe\n100  ß\nhidden: c (ls)\n");
    check_table(&table, 2, "  n\n100\nhidden: 2 columns (ls)\n");
    esp_columns_release(&table);
}

static void columns_of_a_lower_rank_get_their_place_first(void **state)
{
    (void)state;
    struct esp_columns table = {0};
    const char *names[] = {"trial", "weight_decay_of_all_matrices", "dropout", "state"};
    const int ranks[] = {0, 3, 2, 1};
    for (int i = 0; i < 4; i++) {
        esp_columns_head(&table, names[i], true, ranks[i]);
    }
    for (int i = 0; i < 4; i++) {
        esp_columns_add(&table, "1");
    }
    check_table(&table,
                41,
                "trial  dropout  state\n    1        1      1\n"
                "hidden: weight_decay_of_all_matrices (ls)\n");
    check_table(
        &table, 30, "trial  dropout  state\n    1        1      1\nhidden: 1 column (ls)\n");
    check_table(&table, 12, "trial  state\n    1      1\nhidden: 2 columns (ls)\n");
    esp_columns_release(&table);
}

int main(void)
{
    setlocale(LC_CTYPE, "C.UTF-8");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_strings_escape_any_bytes),
        cmocka_unit_test(reals_are_short_and_exact),
        cmocka_unit_test(csv_fields_are_quoted_where_required),
        cmocka_unit_test(counts_and_times_are_rounded_for_people),
        cmocka_unit_test(tables_align_and_name_the_columns_that_do_not_fit),
        cmocka_unit_test(columns_of_a_lower_rank_get_their_place_first),
    };
    return cmocka_run_group_tests_name("view/text", tests, NULL, NULL);
}
