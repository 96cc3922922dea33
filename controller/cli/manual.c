/* The manual page espalier.1, in roff with the man macros. */
#include "../study/settings.h"
#include "verb.h"

#include <stdio.h>
#include <string.h>

/* Prints `length` bytes of text: a backslash, a hyphen, and a dot or quote that begins a line
 * are escaped. */
static void print_bytes(FILE *out, const char *text, size_t length)
{
    bool begins_line = true;
    for (const char *p = text; p < text + length; p++) {
        if (begins_line && (*p == '.' || *p == '\'')) {
            fputs("\\&", out);
        }
        begins_line = *p == '\n';
        if (*p == '\\') {
            fputs("\\e", out);
        } else if (*p == '-') {
            fputs("\\-", out);
        } else {
            fputc(*p, out);
        }
    }
}

static void print_text(FILE *out, const char *text)
{
    print_bytes(out, text, strlen(text));
}

/* Paragraphs, and lines that are kept as they are. */
static void print_details(FILE *out, const char *details)
{
    fputs(".RS\n", out);
    while (*details) {
        size_t length = strcspn(details, "\n");
        if (details[0] == ' ') {
            fputs(".nf\n", out);
            print_bytes(out, details, length);
            fputs("\n.fi\n", out);
        } else if (length > 0) {
            fputs(".PP\n", out);
            print_bytes(out, details, length);
            fputs("\n", out);
        }
        details += length + (details[length] == '\n');
    }
    fputs(".RE\n", out);
}

static void print_option(FILE *out, const struct esp_option *option)
{
    fputs(".RS\n.TP\n\\fB", out);
    if (option->letter) {
        fprintf(out, "\\-%c\\fR, \\fB", option->letter);
    }
    fputs("\\-\\-", out);
    print_text(out, option->name);
    fputs("\\fR", out);
    if (option->argument) {
        fputs(" \\fI", out);
        print_text(out, option->argument);
        fputs("\\fR", out);
    }
    fputs("\n", out);
    print_text(out, option->help);
    if (option->names) {
        const char *names[ESP_OPTION_NAMES_MAX] = {0};
        option->names(names);
        for (size_t i = 0; i < ESP_OPTION_NAMES_MAX && names[i]; i++) {
            fputs(i ? ", " : ": ", out);
            print_text(out, names[i]);
        }
    }
    if (option->fallback) {
        fputs(" (default: ", out);
        print_text(out, option->fallback);
        fputs(")", out);
    }
    fputs(".\n.RE\n", out);
}

static void print_verb(FILE *out, const struct esp_cli_verb *verb)
{
    const struct esp_option *options[ESP_CLI_VERB_OPTIONS_MAX];
    size_t count = esp_cli_verb_options(verb, options);
    fprintf(out, ".TP\n\\fB%s\\fR \\fI", verb->name);
    print_text(out, verb->operands);
    fputs("\\fR\n", out);
    print_text(out, verb->summary);
    fputs(".\n", out);
    if (verb->details) {
        print_details(out, verb->details);
    }
    for (size_t i = 0; i < count; i++) {
        if (options[i] != &esp_options[ESP_OPTION_HELP]) {
            print_option(out, options[i]);
        }
    }
}

static void print_setting(FILE *out, const struct esp_settings_row *row)
{
    char text[ESP_SETTINGS_TEXT_MAX];

    fputs(".TP\n\\fB", out);
    print_text(out, row->key.name);
    fprintf(out, "\\fR (%s", esp_settings_type(row));
    esp_settings_range(row, text);
    if (text[0]) {
        fputs(", ", out);
        print_text(out, text);
    }
    fputs("; ", out);
    fputs(row->key.required ? "" : "default: ", out);
    esp_settings_default(row, text);
    print_text(out, text);
    fputs(")\n", out);
    print_text(out, row->key.meaning);
    if (row->key.unit) {
        fputs(" (", out);
        print_text(out, row->key.unit);
        fputs(")", out);
    }
    fputs("\n", out);
}

/* Every key of the study file, as `espalier settings` lists them. */
static void print_settings(FILE *out)
{
    struct esp_settings *settings = esp_settings_create();

    if (!settings) {
        return;
    }
    fputs(".SH STUDY FILE\n"
          "A study is one YAML file with the keys below.\n",
          out);
    for (int g = 0; g < settings->group_count; g++) {
        const struct esp_settings_group *group = &settings->groups[g];
        fputs(".SS ", out);
        print_text(out, group->title);
        fputs("\n", out);
        print_text(out, group->about);
        fputs("\n", out);
        for (int i = group->first; i < group->first + group->count; i++) {
            print_setting(out, &settings->rows[i]);
        }
    }
    esp_settings_destroy(settings);
}

void esp_manual_print(FILE *out)
{
    fputs(".TH ESPALIER 1 \"\" \"espalier " ESP_VERSION "\" \"User Commands\"\n"
          ".SH NAME\n"
          "espalier \\- find the training settings of a transformer\n"
          ".SH SYNOPSIS\n.nf\n",
          out);
    for (size_t i = 0; i < esp_cli_verb_count; i++) {
        fprintf(out, "\\fBespalier %s\\fR \\fI", esp_cli_verbs[i]->name);
        print_text(out, esp_cli_verbs[i]->operands);
        fputs("\\fR\n", out);
    }
    fputs(".fi\n.SH DESCRIPTION\n"
          "espalier searches for the learning rate, batch size and other settings with which\n"
          "a transformer trains best. A controller proposes settings and gives them to trial\n"
          "processes that train. It reads their loss curves while they train, and pauses,\n"
          "continues or stops each trial. Everything is recorded at once in DIR/study.db, so\n"
          "that a search can be watched, changed, and continued after any interruption.\n"
          ".PP\n"
          "STUDY.yaml is a study file. DIR is the folder of a study: runs/NAME, unless\n"
          "\\fBrun\\fR was given another with \\fB\\-\\-dir\\fR. TRIAL is the number of a "
          "trial.\n"
          ".PP\n"
          "Results are printed to stdout, messages and progress to stderr. Every verb takes\n"
          "\\fB\\-\\-help\\fR.\n"
          ".SH VERBS\n",
          out);
    for (size_t i = 0; i < esp_cli_verb_count; i++) {
        print_verb(out, esp_cli_verbs[i]);
    }
    print_settings(out);
    fputs(".SH EXIT STATUS\n", out);
#define PRINT_EXIT(name, code, meaning) fprintf(out, ".TP\n%d\n%s.\n", code, meaning);
    ESP_EXIT_CODES(PRINT_EXIT)
#undef PRINT_EXIT
    fputs(
        ".SH SIGNALS\n"
        "The first SIGINT or SIGTERM saves every trial and exits. A second one exits at\n"
        "once. Either way nothing recorded is lost, and \\fBespalier resume\\fR \\fIDIR\\fR\n"
        "continues the search.\n"
        ".SH JSON\n"
        "A value that is not finite is printed as null. Bytes that are not UTF\\-8 are\n"
        "printed as U+FFFD.\n"
        ".SH ENVIRONMENT\n"
        ".TP\nNO_COLOR\nIf set and not empty, colors are never used.\n"
        ".SH FILES\n"
        ".TP\nDIR/study.db\nThe record of the study (SQLite). Optuna can open it read\\-only.\n"
        ".TP\nDIR/checkpoints/TRIAL/ATTEMPT\\-TOKENS\nCheckpoints of trials.\n"
        ".TP\nDIR/logs\nOutput of the trial processes.\n",
        out);
}
