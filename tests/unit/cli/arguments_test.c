/* The tables of options and verbs, and reading command lines by them. */
#include "../../../controller/cli/arguments.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WORDS_MAX 16

static char *words[WORDS_MAX];

/* Splits at spaces; getopt may permute what it is given. */
static int read_line(const char *line, struct esp_arguments *out, struct esp_error *error)
{
    static char copy[512];
    int count = 0;
    snprintf(copy, sizeof copy, "%s", line);
    for (char *p = strtok(copy, " "); p; p = strtok(NULL, " ")) {
        words[count++] = p;
    }
    words[count] = NULL;
    error->text[0] = '\0';
    const struct esp_verb_entry *verb = esp_verb_find(words[0]);
    assert_non_null(verb);
    return esp_arguments_read(verb, count, words, out, error);
}

static void options_and_operands_mix(void **state)
{
    (void)state;
    struct esp_arguments a;
    struct esp_error error;
    assert_int_equal(read_line("run s.yaml --workers=3 --dir d --device cpu", &a, &error), 0);
    assert_string_equal(a.dir, "d");
    assert_int_equal(a.workers, 3);
    assert_string_equal(a.device, "cpu");
    assert_int_equal(a.operand_count, 1);
    assert_string_equal(a.operands[0], "s.yaml");
    assert_int_equal(read_line("best -n 7 d --json", &a, &error), 0);
    assert_int_equal(a.count, 7);
    assert_true(a.json);
    assert_int_equal(read_line("stop d 1 2 3", &a, &error), 0);
    assert_int_equal(a.operand_count, 4);
    assert_int_equal(read_line("extend d 1 --tokens 2M", &a, &error), 0);
    assert_int_equal(a.tokens, 2000000);
    assert_int_equal(read_line("note d -- --a-text-with-dashes", &a, &error), 0);
    assert_string_equal(a.operands[1], "--a-text-with-dashes");
}

static void defaults_stand_where_nothing_is_said(void **state)
{
    (void)state;
    struct esp_arguments a;
    struct esp_error error;
    assert_int_equal(read_line("run s.yaml", &a, &error), 0);
    assert_null(a.dir);
    assert_string_equal(a.device, "auto");
    assert_int_equal(a.workers, 0);
    assert_false(a.json);
    assert_int_equal(a.seed, -1);
}

static void faults_name_the_word_and_a_remedy(void **state)
{
    (void)state;
    static const struct {
        const char *line, *words;
    } cases[] = {
        {"run s.yaml --worker 3x", "3x"},
        {"run s.yaml --workers 0", "1 to 4096"},
        {"run s.yaml --workers -1", "-1"},
        {"run s.yaml --wrokers 3", "did you mean --workers"},
        {"run s.yaml --device gpu", "auto|cpu|cuda"},
        {"run s.yaml --dir", "needs a value"},
        {"run", "something is missing"},
        {"run a b", "too many"},
        {"status d --curves", "unknown option --curves"},
        {"export d --format xml", "csv|jsonl"},
        {"sample d --temperature warm", "warm"},
        {"best d -n 1.5", "whole number"},
        {"ls d -q", "unknown option -q"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct esp_arguments a;
        struct esp_error error;
        assert_int_equal(read_line(cases[i].line, &a, &error), -EINVAL);
        if (!strstr(error.text, cases[i].words)) {
            fail_msg("%s: \"%s\" lacks \"%s\"", cases[i].line, error.text, cases[i].words);
        }
    }
}

static void an_unknown_verb_gets_a_suggestion(void **state)
{
    (void)state;
    struct esp_error error;
    assert_null(esp_verb_find("statsu"));
    esp_verb_unknown("statsu", &error);
    assert_non_null(strstr(error.text, "did you mean \"status\""));
    esp_verb_unknown("xyzzy", &error);
    assert_null(strstr(error.text, "did you mean"));
}

static void trials_are_numbers(void **state)
{
    (void)state;
    int64_t trial = -1;
    assert_int_equal(esp_arguments_trial("7", &trial, NULL), 0);
    assert_int_equal(trial, 7);
    assert_int_equal(esp_arguments_trial("#12", &trial, NULL), 0);
    assert_int_equal(trial, 12);
    assert_int_equal(esp_arguments_trial("-1", &trial, NULL), -EINVAL);
    assert_int_equal(esp_arguments_trial("7x", &trial, NULL), -EINVAL);
    assert_int_equal(esp_arguments_trial("", &trial, NULL), -EINVAL);
    assert_int_equal(esp_arguments_trial("99999999999999999999", &trial, NULL), -EINVAL);
}

static bool is_verb_list(const char *verbs)
{
    char copy[256];
    if (strcmp(verbs, "*") == 0) {
        return true;
    }
    snprintf(copy, sizeof copy, "%s", verbs);
    for (char *p = strtok(copy, " "); p; p = strtok(NULL, " ")) {
        if (!esp_verb_find(p)) {
            return false;
        }
    }
    return true;
}

static void the_tables_hold_together(void **state)
{
    (void)state;
    for (size_t i = 0; i < esp_option_count; i++) {
        const struct esp_option *option = &esp_options[i];
        assert_true(is_verb_list(option->verbs));
        assert_true((option->type == ESP_OPTION_FLAG) == (option->argument == NULL));
        assert_true((option->type == ESP_OPTION_WORD) == (option->words != NULL));
        for (size_t v = 0; v < esp_verb_count; v++) {
            for (size_t j = 0; j < i; j++) {
                bool both = esp_option_serves(option, esp_verbs[v].name) &&
                            esp_option_serves(&esp_options[j], esp_verbs[v].name);
                assert_false(both && strcmp(option->name, esp_options[j].name) == 0);
                assert_false(both && option->letter && option->letter == esp_options[j].letter);
            }
        }
    }
    for (size_t v = 0; v < esp_verb_count; v++) {
        assert_true((esp_verbs[v].main != NULL) != (esp_verbs[v].raw != NULL));
        assert_true(esp_verbs[v].summary[0] != '\0');
    }
}

static void help_and_manual_name_every_verb_and_option(void **state)
{
    (void)state;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    esp_help_program(out);
    esp_manual_print(out);
    esp_completion_print(out);
    fclose(out);
    for (size_t v = 0; v < esp_verb_count; v++) {
        char entry[64];
        snprintf(entry, sizeof entry, ".TP\n\\fB%s\\fR", esp_verbs[v].name);
        assert_non_null(strstr(text, entry));
        snprintf(entry, sizeof entry, "    %s) options=", esp_verbs[v].name);
        assert_non_null(strstr(text, entry));
    }
    for (size_t i = 0; i < esp_option_count; i++) {
        char entry[64];
        snprintf(entry, sizeof entry, "--%s ", esp_options[i].name);
        assert_non_null(strstr(text, entry));
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_and_operands_mix),
        cmocka_unit_test(defaults_stand_where_nothing_is_said),
        cmocka_unit_test(faults_name_the_word_and_a_remedy),
        cmocka_unit_test(an_unknown_verb_gets_a_suggestion),
        cmocka_unit_test(trials_are_numbers),
        cmocka_unit_test(the_tables_hold_together),
        cmocka_unit_test(help_and_manual_name_every_verb_and_option),
    };
    return cmocka_run_group_tests_name("cli/arguments", tests, NULL, NULL);
}
