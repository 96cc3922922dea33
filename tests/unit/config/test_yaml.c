/* The YAML reader: places, scalars, faults, and malformed or hostile texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <espalier/yaml.h>

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct esp_yaml *open_text(const char *text)
{
    struct esp_yaml *yaml = NULL;

    assert_int_equal(esp_yaml_open_text(text, strlen(text), "f.yaml", &yaml, NULL), 0);
    return yaml;
}

static struct esp_value value_of(const char *scalar)
{
    static struct esp_yaml *yaml;
    char text[256];

    esp_yaml_destroy(yaml);
    snprintf(text, sizeof text, "v: %s", scalar);
    yaml = open_text(text);
    assert_non_null(esp_yaml_root(yaml));
    struct esp_value value = esp_yaml_value(esp_yaml_get(esp_yaml_root(yaml), "v"));
    if (value.type != ESP_VALUE_TEXT) {
        esp_yaml_destroy(yaml);
        yaml = NULL;
    }
    return value;
}

static void expect_fault(const char *text, const char *head)
{
    struct esp_yaml *yaml = open_text(text);
    struct esp_error error = {""};

    assert_int_equal(esp_yaml_faults(yaml, &error), -EINVAL);
    if (strncmp(error.text, head, strlen(head)) != 0) {
        fail_msg("expected %s\ngot      %s", head, error.text);
    }
    esp_yaml_destroy(yaml);
}

static void numbers_are_read_in_all_common_forms(void **state)
{
    const struct {
        const char *text;
        double real;
        enum esp_value_type type;
    } cases[] = {
        {"1e-5", 1e-5, ESP_VALUE_REAL},
        {"1E-5", 1e-5, ESP_VALUE_REAL},
        {".5", 0.5, ESP_VALUE_REAL},
        {"3.0", 3, ESP_VALUE_REAL},
        {"+1", 1, ESP_VALUE_INTEGER},
        {"-7", -7, ESP_VALUE_INTEGER},
        {"6.e-5", 6e-5, ESP_VALUE_REAL},
        {"1_000_000", 1e6, ESP_VALUE_INTEGER},
        {"2e7", 2e7, ESP_VALUE_REAL},
        {"1.0e+3", 1000, ESP_VALUE_REAL},
        {"0", 0, ESP_VALUE_INTEGER},
        {"inf", INFINITY, ESP_VALUE_REAL},
        {"-.inf", -INFINITY, ESP_VALUE_REAL},
        {"9223372036854775807", 0x1p63, ESP_VALUE_INTEGER},
        {"9223372036854775808", 0x1p63, ESP_VALUE_REAL},
        {"010", 8, ESP_VALUE_INTEGER},
        {"-010", -8, ESP_VALUE_INTEGER},
        {"0_17", 15, ESP_VALUE_INTEGER},
        {"00", 0, ESP_VALUE_INTEGER},
        {"0x1F", 31, ESP_VALUE_INTEGER},
        {"0xffff_ffff_ffff_ffff_f", 0x1p68, ESP_VALUE_REAL},
        {"0b101", 5, ESP_VALUE_INTEGER},
        {"1:30", 90, ESP_VALUE_INTEGER},
        {"1:0:59", 3659, ESP_VALUE_INTEGER},
        {"010.5", 10.5, ESP_VALUE_REAL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct esp_value value = value_of(cases[i].text);
        assert_int_equal(value.type, cases[i].type);
        assert_true(value.real == cases[i].real);
    }
    assert_true(isnan(value_of(".nan").real));
    assert_true(isnan(value_of("NaN").real));
}

static void text_that_resembles_a_number_is_text(void **state)
{
    const char *const cases[] = {"1e",  "e5",     ".",     "+",        "1.2.3",  "0X10",
                                 "0x",  "0b2",    "08",    "019",      "0o17",   "1:60",
                                 ":30", "1_",     "_1",    "1__0",     "12 a",   "1e-",
                                 "--1", "'1e-5'", "\"3\"", "infinite", "!!str 5"};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(value_of(cases[i]).type, ESP_VALUE_TEXT);
    }
    assert_string_equal(value_of("'1e-5'").text, "1e-5");
}

static void whole_numbers_that_yaml_1_2_reads_differently_are_named(void **state)
{
    const struct {
        const char *text;
        const char *clause; /* NULL: both read it alike */
    } cases[] = {
        {"010", "010 is 8, as in YAML 1.1, which W&B reads; in YAML 1.2 it is 10"},
        {"-010", "-010 is -8, as in YAML 1.1, which W&B reads; in YAML 1.2 it is -10"},
        {"0b11", "0b11 is 3, as in YAML 1.1, which W&B reads; in YAML 1.2 it is text"},
        {"1:30", "1:30 is 90, as in YAML 1.1, which W&B reads; in YAML 1.2 it is text"},
        {"08", "08 is text, as in YAML 1.1, which W&B reads; in YAML 1.2 it is 8"},
        {"0o17", "0o17 is text, as in YAML 1.1, which W&B reads; in YAML 1.2 it is 15"},
        {"07", NULL},
        {"0", NULL},
        {"0x1F", NULL},
        {"10", NULL},
        {"'010'", NULL},
        {"0ops", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char clause[160] = "";
        struct esp_yaml *yaml = open_text(cases[i].text);
        bool differs = esp_yaml_differs(esp_yaml_root(yaml), clause, sizeof clause);
        assert_int_equal(differs, cases[i].clause != NULL);
        assert_string_equal(clause, cases[i].clause ? cases[i].clause : "");
        esp_yaml_destroy(yaml);
    }
}

static void booleans_are_those_of_yaml_1_1(void **state)
{
    const char *const yes[] = {"true", "True", "TRUE", "yes", "Yes", "on"};
    const char *const no[] = {"false", "False", "no", "NO", "off"};

    (void)state;
    for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++) {
        assert_int_equal(value_of(yes[i]).type, ESP_VALUE_BOOLEAN);
        assert_int_equal(value_of(yes[i]).integer, 1);
    }
    for (size_t i = 0; i < sizeof no / sizeof no[0]; i++) {
        assert_int_equal(value_of(no[i]).type, ESP_VALUE_BOOLEAN);
        assert_int_equal(value_of(no[i]).integer, 0);
    }
    assert_int_equal(value_of("yEs").type, ESP_VALUE_TEXT);
    assert_int_equal(value_of("\"true\"").type, ESP_VALUE_TEXT);
}

static void every_node_has_its_line_and_column(void **state)
{
    struct esp_yaml *yaml = open_text("# first\na: 1\nä: {b: [x, \"y\"], c: 2}\n");
    const struct esp_yaml_node *inner = esp_yaml_get(esp_yaml_root(yaml), "ä");
    const struct esp_yaml_node *list = esp_yaml_get(inner, "b");

    (void)state;
    assert_int_equal(esp_yaml_line(inner), 3);
    assert_int_equal(esp_yaml_column(inner), 4);
    assert_int_equal(esp_yaml_column(list), 8);
    assert_int_equal(esp_yaml_column(esp_yaml_item(list, 1)), 12);
    assert_int_equal(esp_yaml_column(esp_yaml_get_key(inner, "c")), 18);
    esp_yaml_destroy(yaml);
}

static void a_fault_shows_its_line_with_a_caret(void **state)
{
    struct esp_yaml *yaml = open_text("a: 1\nbeta: {ä: 2, c: 3}\n");
    struct esp_error error = {""};

    (void)state;
    esp_yaml_fault(yaml, esp_yaml_get(esp_yaml_get(esp_yaml_root(yaml), "beta"), "c"), "no");
    assert_int_equal(esp_yaml_faults(yaml, &error), -EINVAL);
    assert_string_equal(error.text,
                        "f.yaml:2:17: no\n"
                        "    2 | beta: {ä: 2, c: 3}\n"
                        "      |                 ^");
    esp_yaml_destroy(yaml);
}

static void a_long_line_is_cut_around_the_fault(void **state)
{
    char text[2000] = "key: ";
    struct esp_yaml *yaml;
    struct esp_error error = {""};

    (void)state;
    for (int i = 0; i < 100; i++) {
        strcat(text, "abcdefgh ");
    }
    strcat(text, "\nkey: 1");
    memcpy(text + 5, "[", 1);
    memcpy(strstr(text, "\n") - 1, "]", 1);
    memcpy(text + 500, ", *oops ,", 9);
    yaml = open_text(text);
    assert_int_equal(esp_yaml_faults(yaml, &error), -EINVAL);
    char *caret = strrchr(error.text, '^');
    char *line = strchr(error.text, '\n');
    assert_non_null(caret);
    assert_non_null(strstr(error.text, "*oops"));
    assert_true(caret - line < 300);
    esp_yaml_destroy(yaml);
}

static void faults_come_in_the_order_of_the_file_and_are_counted(void **state)
{
    char text[2000] = "";
    struct esp_yaml *yaml;
    struct esp_error error = {""};
    char *all;

    (void)state;
    for (int i = 0; i < 60; i++) {
        sprintf(text + strlen(text), "k%d: 1\n", i);
    }
    yaml = open_text(text);
    for (int i = 59; i >= 0; i--) {
        esp_yaml_fault(yaml, esp_yaml_key(esp_yaml_root(yaml), (size_t)i), "fault %d", i);
    }
    assert_int_equal(esp_yaml_fault_count(yaml), 60);
    assert_int_equal(esp_yaml_faults(yaml, &error), -EINVAL);
    /* The first fifty that were added are kept, and printed in the order of the file. */
    assert_true(strncmp(error.text, "f.yaml:11:1: fault 10", 21) == 0);
    assert_non_null(strstr(error.text, "\nand "));
    assert_true(strlen(error.text) < ESP_ERROR_TEXT_MAX);
    all = esp_yaml_faults_text(yaml);
    assert_non_null(strstr(all, "fault 59"));
    assert_non_null(strstr(all, "and 10 more"));
    free(all);
    esp_yaml_destroy(yaml);
}

static void unknown_keys_get_a_suggestion(void **state)
{
    static const char *const names[] = {"method", "metric", NULL};
    struct esp_yaml *yaml = open_text("metod: 1\nmetric: 2\nzzz: 3\n");
    struct esp_error error = {""};

    (void)state;
    esp_yaml_check_keys(yaml, esp_yaml_root(yaml), names, "");
    assert_int_equal(esp_yaml_fault_count(yaml), 2);
    esp_yaml_faults(yaml, &error);
    assert_non_null(
        strstr(error.text, "1:1: unknown key \"metod\"; did you mean \"method\"?\n"));
    assert_non_null(strstr(error.text, "3:1: unknown key \"zzz\"\n"));
    esp_yaml_destroy(yaml);
}

static void syntax_errors_are_faults_with_a_place(void **state)
{
    (void)state;
    expect_fault("", "f.yaml: the file is empty");
    expect_fault("# only a comment\n", "f.yaml: the file is empty");
    expect_fault("a: 1\nb: 2\na: 3\n",
                 "f.yaml:3:1: the key \"a\" is given twice, first on line 1");
    expect_fault("a: {b: 1, b: 2}", "f.yaml:1:11: the key \"b\" is given twice");
    expect_fault("a: [1, 2\n", "f.yaml:2:1: flow sequence without a closing bracket");
    expect_fault("a:\n\tb: 1\n", "f.yaml:2:1: tab character may not be used as indentation");
    expect_fault("a: @b", "f.yaml:1:4: plain scalar cannot start with '@'");
    expect_fault("a: \xff", "f.yaml:1:4: the byte 0xff is not UTF-8");
    expect_fault("a: \xc0\xaf", "f.yaml:1:4: the byte 0xc0 is not UTF-8");
    expect_fault("a: \xed\xa0\x80", "f.yaml:1:4: the byte 0xed is not UTF-8");
    expect_fault("\xff\xfe"
                 "a",
                 "f.yaml: the file is UTF-16");
    expect_fault("a: \x01", "f.yaml:1:4: the control character 0x01");
    expect_fault("a: \"x\\0y\"", "f.yaml:1:4: the escape \\0");
    expect_fault("a: 1\n---\nb: 2\n", "f.yaml:2:1: a second document");
    expect_fault("[a, b]: 1\nc: 2", "f.yaml:1:1: a key must be text, not a list");
    expect_fault("a: *b", "f.yaml:1:5: there is no anchor &b before this alias");
    expect_fault("a: &x [1, *x]", "f.yaml:1:12: the alias *x contains itself");
    expect_fault("<<: 3\na: 1", "f.yaml:1:5: << takes a mapping");
}

static void a_nul_byte_is_a_fault(void **state)
{
    struct esp_yaml *yaml = NULL;
    struct esp_error error = {""};

    (void)state;
    assert_int_equal(esp_yaml_open_text("a: \0b", 5, "f.yaml", &yaml, NULL), 0);
    assert_int_equal(esp_yaml_faults(yaml, &error), -EINVAL);
    assert_non_null(strstr(error.text, "1:4: the control character 0x00"));
    esp_yaml_destroy(yaml);
}

static void a_byte_order_mark_is_skipped(void **state)
{
    struct esp_yaml *yaml = open_text("\xef\xbb\xbf"
                                      "a: 1");

    (void)state;
    assert_int_equal(esp_yaml_fault_count(yaml), 0);
    assert_non_null(esp_yaml_get(esp_yaml_root(yaml), "a"));
    esp_yaml_destroy(yaml);
}

static void keys_of_the_mapping_take_precedence_over_merged_ones(void **state)
{
    struct esp_yaml *yaml = open_text("base: &b {x: 1, y: 2}\n"
                                      "more: &m {y: 3, z: 4}\n"
                                      "one: {<<: *b, x: 9}\n"
                                      "two: {<<: [*b, *m]}\n");
    const struct esp_yaml_node *one = esp_yaml_get(esp_yaml_root(yaml), "one");
    const struct esp_yaml_node *two = esp_yaml_get(esp_yaml_root(yaml), "two");

    (void)state;
    assert_int_equal(esp_yaml_fault_count(yaml), 0);
    assert_int_equal(esp_yaml_size(one), 2);
    assert_string_equal(esp_yaml_scalar(esp_yaml_get(one, "x")), "9");
    assert_string_equal(esp_yaml_scalar(esp_yaml_get(one, "y")), "2");
    assert_int_equal(esp_yaml_size(two), 3);
    assert_string_equal(esp_yaml_scalar(esp_yaml_get(two, "y")), "2");
    esp_yaml_destroy(yaml);
}

static void an_alias_bomb_is_refused(void **state)
{
    char text[4096] = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";

    (void)state;
    for (int i = 1; i < 20; i++) {
        sprintf(text + strlen(text), "a%d: &a%d [", i, i);
        for (int j = 0; j < 10; j++) {
            sprintf(text + strlen(text), "%s*a%d", j ? ", " : "", i - 1);
        }
        strcat(text, "]\n");
    }
    expect_fault(text, "f.yaml:5:");
    struct esp_yaml *yaml = open_text(text);
    struct esp_error error;
    esp_yaml_faults(yaml, &error);
    assert_non_null(strstr(error.text, "multiply to more than 100000 values"));
    assert_null(esp_yaml_root(yaml));
    esp_yaml_destroy(yaml);
}

static void aliases_of_long_texts_are_limited(void **state)
{
    size_t size = 600000;
    char *text = malloc(size + 20000);
    struct esp_error error = {""};
    struct esp_yaml *yaml = NULL;

    (void)state;
    strcpy(text, "a: &a ");
    memset(text + 6, 'x', size);
    strcpy(text + 6 + size, "\nb: [");
    for (int i = 0; i < 1000; i++) {
        strcat(text + 6 + size, "*a , ");
    }
    strcat(text + 6 + size, "]");
    assert_int_equal(esp_yaml_open_text(text, strlen(text), "f.yaml", &yaml, NULL), 0);
    assert_int_equal(esp_yaml_faults(yaml, &error), -EINVAL);
    assert_non_null(strstr(error.text, "multiply"));
    esp_yaml_destroy(yaml);
    free(text);
}

static void deep_nesting_is_refused_in_every_style(void **state)
{
    char text[20000] = "a: ";

    (void)state;
    for (int i = 0; i < 5000; i++) {
        strcat(text, "[");
    }
    expect_fault(text, "f.yaml:1:35: nested deeper than 32 levels");
    text[0] = '\0';
    for (int i = 0; i < 100; i++) {
        sprintf(text + strlen(text), "%*sk:\n", i, "");
    }
    expect_fault(text, "f.yaml:32:32: nested deeper than 32 levels");
    /* Through aliases: each doubles the depth of the one before. */
    strcpy(text,
           "a: &a [[[[[[[[[[x]]]]]]]]]]\nb: &b [[[[[[[[[[*a]]]]]]]]]]\nc: "
           "[[[[[[[[[[[[*b]]]]]]]]]]]]\n");
    struct esp_yaml *yaml = open_text(text);
    struct esp_error error = {""};
    assert_int_equal(esp_yaml_faults(yaml, &error), -EINVAL);
    assert_non_null(strstr(error.text, "nested deeper"));
    esp_yaml_destroy(yaml);
}

static void a_file_that_is_too_large_is_refused(void **state)
{
    size_t size = ESP_YAML_BYTES_MAX + 1;
    char *text = malloc(size);
    struct esp_yaml *yaml = NULL;
    struct esp_error error = {""};

    (void)state;
    memset(text, '#', size);
    assert_int_equal(esp_yaml_open_text(text, size, "f.yaml", &yaml, NULL), 0);
    assert_int_equal(esp_yaml_faults(yaml, &error), -EINVAL);
    assert_string_equal(error.text,
                        "f.yaml: the file has 1048577 bytes; a study has at most 1048576");
    esp_yaml_destroy(yaml);
    free(text);
}

static void a_file_with_very_many_keys_is_read_quickly(void **state)
{
    static const char *const names[] = {"method", NULL};
    char *text = malloc(ESP_YAML_BYTES_MAX);
    size_t used = 0;
    struct esp_yaml *yaml = NULL;

    (void)state;
    for (int i = 0; i < 49000; i++) {
        used += (size_t)sprintf(text + used, "k%d:\n", i % 48999);
    }
    assert_int_equal(esp_yaml_open_text(text, used, "f.yaml", &yaml, NULL), 0);
    assert_int_equal(esp_yaml_fault_count(yaml), 1);
    esp_yaml_check_keys(yaml, esp_yaml_root(yaml), names, "");
    assert_int_equal(esp_yaml_fault_count(yaml), 49001);
    esp_yaml_destroy(yaml);
    free(text);
}

static void files_that_cannot_be_read_are_errors(void **state)
{
    struct esp_yaml *yaml = NULL;
    struct esp_error error = {""};

    (void)state;
    assert_int_equal(esp_yaml_open_file("/nowhere/x.yaml", &yaml, &error), -ENOENT);
    assert_non_null(strstr(error.text, "/nowhere/x.yaml: cannot be read"));
    assert_int_equal(esp_yaml_open_file("/", &yaml, &error), -EISDIR);
    assert_int_equal(esp_yaml_open_file("/dev/zero", &yaml, &error), -EINVAL);
    assert_null(yaml);
}

static void readers_refuse_values_of_another_type(void **state)
{
    static const char *const names[] = {"up", "down", "top-down", NULL};
    struct esp_yaml *yaml = open_text("a: x\nb: 1.5\nc: \"3\"\nd: [1]\ne: nan\nf: ~\ng: upp\n"
                                      "h: 1e3\ni: Top_down\n");
    const struct esp_yaml_node *root = esp_yaml_root(yaml);
    double real = 7;
    int64_t whole = 7;
    bool truth = true;
    int index = 7;
    char text[4] = "abc";
    struct esp_error error = {""};

    (void)state;
    assert_false(esp_yaml_read_real(yaml, esp_yaml_get(root, "a"), "a", &real));
    assert_false(esp_yaml_read_integer(yaml, esp_yaml_get(root, "b"), "b", &whole));
    assert_false(esp_yaml_read_real(yaml, esp_yaml_get(root, "c"), "c", &real));
    assert_false(esp_yaml_read_boolean(yaml, esp_yaml_get(root, "d"), "d", &truth));
    assert_false(esp_yaml_read_real(yaml, esp_yaml_get(root, "e"), "e", &real));
    assert_false(esp_yaml_read_text(yaml, esp_yaml_get(root, "f"), "f", text, sizeof text));
    assert_false(esp_yaml_read_word(yaml, esp_yaml_get(root, "g"), "g", names, &index));
    assert_true(real == 7 && whole == 7 && truth && index == 7 && strcmp(text, "abc") == 0);
    assert_true(esp_yaml_read_integer(yaml, esp_yaml_get(root, "h"), "h", &whole));
    assert_int_equal(whole, 1000);
    assert_true(esp_yaml_read_word(yaml, esp_yaml_get(root, "i"), "i", names, &index));
    assert_int_equal(index, 2);
    esp_yaml_faults(yaml, &error);
    assert_non_null(strstr(error.text, "1:4: a must be a finite number, not x\n"));
    assert_non_null(strstr(error.text, "2:4: b must be a whole number, not 1.5\n"));
    assert_non_null(strstr(error.text, "3:4: c must be a finite number, not the text \"3\"\n"));
    assert_non_null(strstr(error.text, "4:4: d must be true or false, not a list\n"));
    assert_non_null(strstr(error.text, "5:4: e must be a finite number, not nan\n"));
    assert_non_null(strstr(error.text, "f must be text, not nothing\n"));
    assert_non_null(strstr(
        error.text, "g must be one of up, down, top-down, not upp; did you mean \"up\"?\n"));
    esp_yaml_destroy(yaml);
}

static void json_keeps_types_and_escapes(void **state)
{
    struct esp_yaml *yaml = open_text("a: [1, .5, yes, \"x\\\"y\", ~, {b: 0.1}]");
    char *json = esp_yaml_json(esp_yaml_get(esp_yaml_root(yaml), "a"));

    (void)state;
    assert_string_equal(json, "[1, 0.5, true, \"x\\\"y\", null, {\"b\": 0.1}]");
    free(json);
    esp_yaml_destroy(yaml);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_read_in_all_common_forms),
        cmocka_unit_test(text_that_resembles_a_number_is_text),
        cmocka_unit_test(whole_numbers_that_yaml_1_2_reads_differently_are_named),
        cmocka_unit_test(booleans_are_those_of_yaml_1_1),
        cmocka_unit_test(every_node_has_its_line_and_column),
        cmocka_unit_test(a_fault_shows_its_line_with_a_caret),
        cmocka_unit_test(a_long_line_is_cut_around_the_fault),
        cmocka_unit_test(faults_come_in_the_order_of_the_file_and_are_counted),
        cmocka_unit_test(unknown_keys_get_a_suggestion),
        cmocka_unit_test(syntax_errors_are_faults_with_a_place),
        cmocka_unit_test(a_nul_byte_is_a_fault),
        cmocka_unit_test(a_byte_order_mark_is_skipped),
        cmocka_unit_test(keys_of_the_mapping_take_precedence_over_merged_ones),
        cmocka_unit_test(an_alias_bomb_is_refused),
        cmocka_unit_test(aliases_of_long_texts_are_limited),
        cmocka_unit_test(deep_nesting_is_refused_in_every_style),
        cmocka_unit_test(a_file_that_is_too_large_is_refused),
        cmocka_unit_test(a_file_with_very_many_keys_is_read_quickly),
        cmocka_unit_test(files_that_cannot_be_read_are_errors),
        cmocka_unit_test(readers_refuse_values_of_another_type),
        cmocka_unit_test(json_keeps_types_and_escapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
