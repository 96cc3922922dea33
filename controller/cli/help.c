/* --help of a verb and of the program. */
#include "verb.h"

#include "../view/buffer.h"
#include "../view/human.h"

#include <stdio.h>
#include <string.h>

#define WIDTH 80
/* Columns of the left part of a list: a verb, an option. */
#define LEFT_COLUMNS 26

/* Adds the lines of a verb's details: paragraphs, and lines that are kept as they are. */
static void add_details(const char *details, struct esp_buffer *out)
{
    struct esp_buffer line = {0};
    while (*details) {
        size_t length = strcspn(details, "\n");
        esp_buffer_clear(&line);
        esp_buffer_add_bytes(&line, details, length);
        if (details[0] == ' ') {
            esp_buffer_addf(out, "%s\n", esp_buffer_get(&line));
        } else {
            esp_human_wrapped(out, esp_buffer_get(&line), 0, 0, WIDTH);
        }
        details += length + (details[length] == '\n');
    }
    out->failed |= line.failed;
    esp_buffer_release(&line);
}

/* "Search method: grid, random, … [default: bayes]" */
static void add_option_help(const struct esp_option *option, struct esp_buffer *out)
{
    esp_buffer_add(out, option->help);
    if (option->names) {
        const char *names[ESP_OPTION_NAMES_MAX] = {0};
        option->names(names);
        for (size_t i = 0; i < ESP_OPTION_NAMES_MAX && names[i]; i++) {
            esp_buffer_addf(out, "%s%s", i ? ", " : ": ", names[i]);
        }
    }
    if (option->fallback) {
        esp_buffer_addf(out, " [default: %s]", option->fallback);
    }
}

/* Adds `left`, and `right` beside it, or below it when `left` is too wide. */
static void add_two_columns(const char *left, const char *right, struct esp_buffer *out)
{
    int width = esp_human_width(left);
    bool fits = width < LEFT_COLUMNS;
    esp_buffer_addf(
        out, "%s%s%*s", left, fits ? "" : "\n", fits ? LEFT_COLUMNS - width : LEFT_COLUMNS, "");
    esp_human_wrapped(out, right, LEFT_COLUMNS, LEFT_COLUMNS, WIDTH);
}

static void add_option(const struct esp_option *option, struct esp_buffer *out)
{
    struct esp_buffer left = {0}, help = {0};
    if (option->letter) {
        esp_buffer_addf(&left, "  -%c, ", option->letter);
    } else {
        esp_buffer_add(&left, "      ");
    }
    esp_buffer_addf(&left,
                    "--%s%s%s",
                    option->name,
                    option->argument ? " " : "",
                    option->argument ? option->argument : "");
    add_option_help(option, &help);
    add_two_columns(esp_buffer_get(&left), esp_buffer_get(&help), out);
    out->failed |= left.failed || help.failed;
    esp_buffer_release(&left);
    esp_buffer_release(&help);
}

void esp_help_verb(FILE *out, const struct esp_cli_verb *verb)
{
    const struct esp_option *options[ESP_CLI_VERB_OPTIONS_MAX];
    size_t count = esp_cli_verb_options(verb, options);
    struct esp_buffer text = {0};
    esp_buffer_addf(&text,
                    "%s.\n\nUsage: espalier %s [OPTIONS]%s%s\n",
                    verb->summary,
                    verb->name,
                    verb->operands[0] ? " " : "",
                    verb->operands);
    if (verb->details) {
        esp_buffer_add(&text, "\n");
        add_details(verb->details, &text);
    }
    esp_buffer_add(&text, "\nOptions:\n");
    for (size_t i = 0; i < count; i++) {
        add_option(options[i], &text);
    }
    fputs(esp_buffer_get(&text), out);
    esp_buffer_release(&text);
}

static void add_verbs(struct esp_buffer *out)
{
    struct esp_buffer left = {0};
    for (size_t i = 0; i < esp_cli_verb_count; i++) {
        const struct esp_cli_verb *verb = esp_cli_verbs[i];
        esp_buffer_clear(&left);
        esp_buffer_addf(&left, "  %s %s", verb->name, verb->operands);
        add_two_columns(esp_buffer_get(&left), verb->summary, out);
    }
    out->failed |= left.failed;
    esp_buffer_release(&left);
}

static void add_exit_codes(struct esp_buffer *out)
{
#define ADD_EXIT(name, code, meaning) esp_buffer_addf(out, "  %3d  %s\n", code, meaning);
    ESP_EXIT_CODES(ADD_EXIT)
#undef ADD_EXIT
}

void esp_help_program(FILE *out)
{
    struct esp_buffer text = {0};
    esp_buffer_add(
        &text,
        "espalier finds the training settings of a transformer in little device time.\n\n"
        "Usage: espalier VERB [OPTIONS] [OPERANDS]\n\n"
        "  espalier run STUDY.yaml      start a search, or continue an interrupted one\n"
        "  espalier watch runs/NAME     follow it\n\n"
        "Verbs:\n");
    add_verbs(&text);
    esp_buffer_add(
        &text,
        "\nSTUDY.yaml is a study file. DIR is the folder of a study: runs/NAME, or what\n"
        "`run` was given with --dir. TRIAL is the number of a trial, as `ls` shows it.\n\n"
        "`espalier VERB --help` describes a verb and its options. `espalier --man` prints\n"
        "the manual page, `espalier --completion` a completion script for bash, and\n"
        "`espalier --version` the version.\n\n"
        "Exit codes:\n");
    add_exit_codes(&text);
    fputs(esp_buffer_get(&text), out);
    esp_buffer_release(&text);
}
