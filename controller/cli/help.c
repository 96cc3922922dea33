/* --help, and what to say to a word that is no verb. */
#include "../view/buffer.h"
#include "arguments.h"

#include <espalier/suggest.h>
#include <stdio.h>
#include <string.h>

#define VERBS_MAX 64
#define LEFT_COLUMNS 28

const struct esp_verb_entry *esp_verb_find(const char *name)
{
    for (size_t i = 0; i < esp_verb_count; i++) {
        if (strcmp(esp_verbs[i].name, name) == 0) {
            return &esp_verbs[i];
        }
    }
    return NULL;
}

void esp_verb_unknown(const char *word, struct esp_error *error)
{
    const char *names[VERBS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < esp_verb_count && count < VERBS_MAX; i++) {
        names[count++] = esp_verbs[i].name;
    }
    const char *near = esp_suggest(word, names, count);
    esp_error_set(error,
                  0,
                  "unknown verb \"%s\"%s%s%s `espalier --help` lists them.",
                  word,
                  near ? "; did you mean \"" : ".",
                  near ? near : "",
                  near ? "\"?" : "");
}

static void print_option(FILE *out, const struct esp_option *option)
{
    char left[64];
    int length = 0;
    if (option->letter) {
        length = snprintf(left, sizeof left, "-%c, ", option->letter);
    } else {
        length = snprintf(left, sizeof left, "    ");
    }
    snprintf(left + length,
             sizeof left - (size_t)length,
             "--%s%s%s",
             option->name,
             option->argument ? " " : "",
             option->argument ? option->argument : "");
    fprintf(out, "  %-26s %s\n", left, option->help);
}

void esp_help_verb(FILE *out, const struct esp_verb_entry *verb)
{
    fprintf(out,
            "espalier %s%s%s\n  %s\n",
            verb->name,
            verb->operands[0] ? " " : "",
            verb->operands,
            verb->summary);
    if (verb->details) {
        fprintf(out, "\n%s\n", verb->details);
    }
    if (verb->raw) {
        return;
    }
    fputs("\nOptions:\n", out);
    for (size_t i = 0; i < esp_option_count; i++) {
        if (esp_option_serves(&esp_options[i], verb->name)) {
            print_option(out, &esp_options[i]);
        }
    }
}

void esp_help_program(FILE *out)
{
    fputs("espalier finds the training settings of a transformer for the least device time.\n\n"
          "  espalier run STUDY.yaml        start a search, or go on where it stood\n"
          "  espalier watch runs/NAME       look at it\n\n"
          "Verbs:\n",
          out);
    for (size_t i = 0; i < esp_verb_count; i++) {
        char left[64];
        snprintf(left, sizeof left, "%s %s", esp_verbs[i].name, esp_verbs[i].operands);
        int pad = LEFT_COLUMNS - esp_buffer_width(left);
        fprintf(out, "  %s%*s %s\n", left, pad > 0 ? pad : 0, "", esp_verbs[i].summary);
    }
    fputs(
        "\n`espalier VERB --help` says more of one. `espalier --man` prints the manual page,\n"
        "`espalier --completion` a completion for bash, `espalier --version` the version.\n\n"
        "Exit codes:\n",
        out);
#define PRINT_EXIT(name, code, meaning) fprintf(out, "  %3d  %s\n", code, meaning);
    ESP_EXIT_CODES(PRINT_EXIT)
#undef PRINT_EXIT
}
