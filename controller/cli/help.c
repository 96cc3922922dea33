/* --help of a verb and of the program. */
#include "verb.h"

#include "../view/buffer.h"
#include "../view/human.h"

#include <stdio.h>
#include <string.h>

#define WIDTH 80
/* Columns of the left part of a list: a verb, an option. */
#define LEFT_COLUMNS 26

/* Prints words with line breaks, from `column` on; further lines are indented. */
static void print_wrapped(FILE *out, const char *text, int column, int indent)
{
    bool begins = true;
    for (const char *word = text + strspn(text, " "); *word;) {
        size_t length = strcspn(word, " ");
        struct esp_buffer copy = {0};
        esp_buffer_add_bytes(&copy, word, length);
        int width = esp_human_width(esp_buffer_get(&copy));
        if (!begins && column + 1 + width > WIDTH) {
            fprintf(out, "\n%*s", indent, "");
            column = indent;
            begins = true;
        }
        fprintf(out, "%s%s", begins ? "" : " ", esp_buffer_get(&copy));
        column += width + !begins;
        begins = false;
        esp_buffer_release(&copy);
        word += length;
        word += strspn(word, " ");
    }
    fputs("\n", out);
}

/* The lines of a verb's details: paragraphs, and lines that are kept as they are. */
static void print_details(FILE *out, const char *details)
{
    struct esp_buffer line = {0};
    while (*details) {
        size_t length = strcspn(details, "\n");
        esp_buffer_clear(&line);
        esp_buffer_add_bytes(&line, details, length);
        if (details[0] == ' ') {
            fprintf(out, "%s\n", esp_buffer_get(&line));
        } else {
            print_wrapped(out, esp_buffer_get(&line), 0, 0);
        }
        details += length + (details[length] == '\n');
    }
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

static void print_option(FILE *out, const struct esp_option *option)
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
    int width = esp_human_width(esp_buffer_get(&left));
    if (width >= LEFT_COLUMNS) {
        fprintf(out, "%s\n%*s", esp_buffer_get(&left), LEFT_COLUMNS, "");
    } else {
        fprintf(out, "%s%*s", esp_buffer_get(&left), LEFT_COLUMNS - width, "");
    }
    print_wrapped(out, esp_buffer_get(&help), LEFT_COLUMNS, LEFT_COLUMNS);
    esp_buffer_release(&left);
    esp_buffer_release(&help);
}

void esp_help_verb(FILE *out, const struct esp_cli_verb *verb)
{
    const struct esp_option *options[ESP_CLI_VERB_OPTIONS_MAX];
    size_t count = esp_cli_verb_options(verb, options);
    fprintf(out,
            "%s.\n\nUsage: espalier %s [OPTIONS]%s%s\n",
            verb->summary,
            verb->name,
            verb->operands[0] ? " " : "",
            verb->operands);
    if (verb->details) {
        fputs("\n", out);
        print_details(out, verb->details);
    }
    fputs("\nOptions:\n", out);
    for (size_t i = 0; i < count; i++) {
        print_option(out, options[i]);
    }
}

void esp_help_program(FILE *out)
{
    fputs("espalier finds the training settings of a transformer in little device time.\n\n"
          "Usage: espalier VERB [OPTIONS] [OPERANDS]\n\n"
          "  espalier run STUDY.yaml      start a search, or continue an interrupted one\n"
          "  espalier watch runs/NAME     follow it\n\n"
          "Verbs:\n",
          out);
    for (size_t i = 0; i < esp_cli_verb_count; i++) {
        const struct esp_cli_verb *verb = esp_cli_verbs[i];
        int width = 2 + (int)strlen(verb->name) + 1 + esp_human_width(verb->operands);
        fprintf(out,
                "  %s %s%*s ",
                verb->name,
                verb->operands,
                width < LEFT_COLUMNS ? LEFT_COLUMNS - width : 0,
                "");
        print_wrapped(out, verb->summary, LEFT_COLUMNS + 1, LEFT_COLUMNS + 1);
    }
    fputs("\nSTUDY.yaml is a study file. DIR is the folder of a study: runs/NAME, or what\n"
          "`run` was given with --dir. TRIAL is the number of a trial, as `ls` shows it.\n\n"
          "`espalier VERB --help` describes a verb and its options. `espalier --man` prints\n"
          "the manual page, `espalier --completion` a completion script for bash, and\n"
          "`espalier --version` the version.\n\n"
          "Exit codes:\n",
          out);
#define PRINT_EXIT(name, code, meaning) fprintf(out, "  %3d  %s\n", code, meaning);
    ESP_EXIT_CODES(PRINT_EXIT)
#undef PRINT_EXIT
}
