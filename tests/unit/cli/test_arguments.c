/* The tables of options and verbs, and reading command lines by them. */
#include "../../../controller/cli/verb.h"
#include "../../../controller/search/registry.h"
#include "../../../controller/view/buffer.h"
#include "../../../controller/view/human.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
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
    const struct esp_cli_verb *verb = esp_cli_verb_find(words[0]);
    assert_non_null(verb);
    return esp_arguments_read(verb, count, words, out, error);
}

static void options_and_operands_can_be_mixed(void **state)
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

static void options_that_are_not_given_have_their_default(void **state)
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

static void faults_name_the_argument_and_a_remedy(void **state)
{
    (void)state;
    static const struct {
        const char *line, *words;
    } cases[] = {
        {"run s.yaml --worker 3x", "3x"},
        {"run s.yaml --workers 0", "1 to 4096"},
        {"run s.yaml --workers -1", "-1"},
        {"run s.yaml --wrokers 3", "did you mean --workers"},
        {"run s.yaml --device gpu", "auto, cpu, cuda"},
        {"run s.yaml --dir", "needs a value"},
        {"run", "an operand is missing"},
        {"run a b", "too many"},
        {"status d --curves",
         "unknown option --curves. `espalier status --help` lists the options."},
        {"ls d --jsn", "unknown option --jsn; did you mean --json? `espalier ls --help` lists"},
        {"export d --format xml", "csv, jsonl"},
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
    assert_null(esp_cli_verb_find("statsu"));
    esp_cli_verb_unknown("statsu", &error);
    assert_non_null(strstr(error.text, "did you mean \"status\""));
    esp_cli_verb_unknown("xyzzy", &error);
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

static void the_tables_are_consistent(void **state)
{
    (void)state;
    bool used[ESP_OPTION_COUNT] = {[ESP_OPTION_HELP] = true};
    for (size_t i = ESP_OPTION_NONE + 1; i < ESP_OPTION_COUNT; i++) {
        const struct esp_option *option = &esp_options[i];
        assert_non_null(option->name);
        assert_true(option->help[strlen(option->help) - 1] != '.');
        assert_true((option->type == ESP_OPTION_TYPE_FLAG) == (option->argument == NULL));
        assert_true(
            (option->type == ESP_OPTION_TYPE_CHOICE) ==
            (option->words || (option->type == ESP_OPTION_TYPE_CHOICE && option->names)));
    }
    for (size_t v = 0; v < esp_cli_verb_count; v++) {
        const struct esp_cli_verb *verb = esp_cli_verbs[v];
        const struct esp_option *options[ESP_CLI_VERB_OPTIONS_MAX];
        size_t count = esp_cli_verb_options(verb, options);
        assert_ptr_equal(esp_cli_verb_find(verb->name), verb);
        assert_non_null(verb->main);
        assert_true(verb->operand_min <= verb->operand_max);
        assert_true(verb->summary[0] && verb->summary[strlen(verb->summary) - 1] != '.');
        for (size_t i = 0; i < count; i++) {
            used[options[i] - esp_options] = true;
            for (size_t j = 0; j < i; j++) {
                assert_string_not_equal(options[i]->name, options[j]->name);
                assert_false(options[i]->letter && options[i]->letter == options[j]->letter);
            }
        }
    }
    for (size_t i = ESP_OPTION_NONE + 1; i < ESP_OPTION_COUNT; i++) {
        assert_true(used[i]);
    }
}

static void every_default_is_a_value_of_its_option(void **state)
{
    (void)state;
    for (size_t i = ESP_OPTION_NONE + 1; i < ESP_OPTION_COUNT; i++) {
        struct esp_arguments a = {0};
        if (esp_options[i].fallback) {
            assert_int_equal(esp_option_set(&esp_options[i], esp_options[i].fallback, &a, NULL),
                             0);
        }
    }
    assert_string_equal(esp_options[ESP_OPTION_METHOD].fallback, esp_sampler_default()->name);
}

static void replay_reads_its_options_through_the_table(void **state)
{
    (void)state;
    struct esp_arguments a;
    struct esp_error error;
    assert_int_equal(read_line("replay t.yaml", &a, &error), 0);
    assert_string_equal(a.scheduler, "default");
    assert_string_equal(a.cost, "tokens");
    assert_int_equal(a.seeds, 20);
    assert_int_equal(a.first_seed, 1);
    assert_true(a.budget == 20);
    assert_int_equal(a.workers, 1);
    assert_true(isnan(a.risk) && a.eta == 0);
    assert_int_equal(
        read_line(
            "replay a b --risk 0.05 --calibrate --seeds 3 --eta 4 --budget 0.5", &a, &error),
        0);
    assert_true(a.risk == 0.05 && a.eta == 4 && a.budget == 0.5 && a.calibrate);
    assert_int_equal(a.seeds, 3);
    assert_int_equal(a.operand_count, 2);
    assert_int_equal(read_line("replay t.yaml --risk 2", &a, &error), -EINVAL);
    assert_int_equal(read_line("replay t.yaml --cost euros", &a, &error), -EINVAL);
    assert_int_equal(read_line("replay", &a, &error), -EINVAL);
}

static char *print_help(size_t *size)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, size);
    esp_help_program(out);
    for (size_t v = 0; v < esp_cli_verb_count; v++) {
        esp_help_verb(out, esp_cli_verbs[v]);
    }
    fclose(out);
    return text;
}

static void help_fits_into_80_columns(void **state)
{
    (void)state;
    size_t size = 0;
    setlocale(LC_CTYPE, "C.UTF-8");
    char *text = print_help(&size);
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        if (esp_human_width(line) > 80) {
            fail_msg("too wide: %s", line);
        }
    }
    free(text);
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
    for (size_t v = 0; v < esp_cli_verb_count; v++) {
        char entry[64];
        snprintf(entry, sizeof entry, ".TP\n\\fB%s\\fR", esp_cli_verbs[v]->name);
        assert_non_null(strstr(text, entry));
        snprintf(entry, sizeof entry, "    %s) options=", esp_cli_verbs[v]->name);
        assert_non_null(strstr(text, entry));
    }
    for (size_t i = ESP_OPTION_NONE + 1; i < ESP_OPTION_COUNT; i++) {
        char entry[64];
        snprintf(entry, sizeof entry, "--%s ", esp_options[i].name);
        assert_non_null(strstr(text, entry));
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_and_operands_can_be_mixed),
        cmocka_unit_test(options_that_are_not_given_have_their_default),
        cmocka_unit_test(faults_name_the_argument_and_a_remedy),
        cmocka_unit_test(an_unknown_verb_gets_a_suggestion),
        cmocka_unit_test(trials_are_numbers),
        cmocka_unit_test(the_tables_are_consistent),
        cmocka_unit_test(every_default_is_a_value_of_its_option),
        cmocka_unit_test(replay_reads_its_options_through_the_table),
        cmocka_unit_test(help_fits_into_80_columns),
        cmocka_unit_test(help_and_manual_name_every_verb_and_option),
    };
    return cmocka_run_group_tests_name("cli/arguments", tests, NULL, NULL);
}
