/* Reading a verb's command line by the table of options. */
#include "arguments.h"

#include "verb.h"

#include <ctype.h>
#include <errno.h>
#include <espalier/suggest.h>
#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What getopt_long returns for the option at index i is i + LONG_FIRST; letters are below. */
#define LONG_FIRST 1000

/* The options of a verb as getopt_long takes them. */
struct syntax {
    const struct esp_option *options[ESP_CLI_VERB_OPTIONS_MAX];
    size_t count;
    struct option longs[ESP_CLI_VERB_OPTIONS_MAX + 1];
    char shorts[2 * ESP_CLI_VERB_OPTIONS_MAX + 2];
};

static void make_syntax(const struct esp_cli_verb *verb, struct syntax *syntax)
{
    size_t letters = 0;
    *syntax = (struct syntax){0};
    syntax->count = esp_cli_verb_options(verb, syntax->options);
    syntax->shorts[letters++] = ':'; /* tell a missing value from an unknown option */
    for (size_t i = 0; i < syntax->count; i++) {
        const struct esp_option *option = syntax->options[i];
        bool takes_value = option->type != ESP_OPTION_TYPE_FLAG;
        syntax->longs[i] =
            (struct option){.name = option->name,
                            .has_arg = takes_value ? required_argument : no_argument,
                            .val = LONG_FIRST + (int)i};
        if (option->letter) {
            syntax->shorts[letters++] = option->letter;
            if (takes_value) {
                syntax->shorts[letters++] = ':';
            }
        }
    }
}

/* What getopt_long returned; NULL for an unknown option. */
static const struct esp_option *option_of(const struct syntax *syntax, int c)
{
    if (c >= LONG_FIRST) {
        return syntax->options[c - LONG_FIRST];
    }
    for (size_t i = 0; i < syntax->count; i++) {
        if (syntax->options[i]->letter == c) {
            return syntax->options[i];
        }
    }
    return NULL;
}

static int unknown_option(const struct esp_cli_verb *verb,
                          const struct syntax *syntax,
                          const char *text,
                          struct esp_error *error)
{
    char word[ESP_NAME_MAX];
    const char *names[ESP_CLI_VERB_OPTIONS_MAX];
    for (size_t i = 0; i < syntax->count; i++) {
        names[i] = syntax->options[i]->name;
    }
    snprintf(word, sizeof word, "%s", text + strspn(text, "-"));
    word[strcspn(word, "=")] = '\0';
    const char *near = esp_suggest(word, names, syntax->count);
    return esp_error_set(error,
                         -EINVAL,
                         "%s: unknown option %s%s%s%s `espalier %s --help` lists the options.",
                         verb->name,
                         text,
                         near ? "; did you mean --" : "",
                         near ? near : "",
                         near ? "?" : ".",
                         verb->name);
}

static int
set_defaults(const struct syntax *syntax, struct esp_arguments *out, struct esp_error *error)
{
    *out = (struct esp_arguments){.seed = -1, .risk = NAN};
    for (size_t i = 0; i < syntax->count; i++) {
        const struct esp_option *option = syntax->options[i];
        int rc = option->fallback ? esp_option_set(option, option->fallback, out, error) : 0;
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

static int check_operands(const struct esp_cli_verb *verb,
                          const struct esp_arguments *arguments,
                          struct esp_error *error)
{
    int count = arguments->operand_count;
    if (count >= verb->operand_min && count <= verb->operand_max) {
        return 0;
    }
    return esp_error_set(error,
                         -EINVAL,
                         "%s: %s. Usage: espalier %s%s%s",
                         verb->name,
                         count < verb->operand_min ? "an operand is missing"
                                                   : "too many operands",
                         verb->name,
                         verb->operands[0] ? " " : "",
                         verb->operands);
}

int esp_arguments_read(const struct esp_cli_verb *verb,
                       int argc,
                       char **argv,
                       struct esp_arguments *out,
                       struct esp_error *error)
{
    struct syntax syntax;
    make_syntax(verb, &syntax);
    int rc = set_defaults(&syntax, out, error);
    opterr = 0;
    optind = 0; /* glibc: start from the beginning, also after an earlier command line */
    for (int c;
         rc == 0 && (c = getopt_long(argc, argv, syntax.shorts, syntax.longs, NULL)) != -1;) {
        if (c == ':') {
            return esp_error_set(
                error, -EINVAL, "%s: %s needs a value.", verb->name, argv[optind - 1]);
        }
        const struct esp_option *option = option_of(&syntax, c);
        if (!option) {
            char letter[3] = {'-', (char)optopt, '\0'};
            bool is_letter = optopt != 0 && optopt < LONG_FIRST;
            return unknown_option(verb, &syntax, is_letter ? letter : argv[optind - 1], error);
        }
        rc = esp_option_set(option, optarg, out, error);
    }
    if (rc < 0) {
        return rc;
    }
    out->operands = argv + optind;
    out->operand_count = argc - optind;
    return out->help ? 0 : check_operands(verb, out, error);
}

int esp_arguments_trial(const char *text, int64_t *trial, struct esp_error *error)
{
    char *end = NULL;
    const char *digits = text[0] == '#' ? text + 1 : text;
    errno = 0;
    long long value = isdigit((unsigned char)*digits) ? strtoll(digits, &end, 10) : -1;
    if (value < 0 || *end != '\0' || errno != 0 || value >= ESP_TRIALS_MAX) {
        return esp_error_set(error,
                             -EINVAL,
                             "%s: not a trial number. `espalier ls DIR` lists the trials.",
                             text);
    }
    *trial = value;
    return 0;
}
