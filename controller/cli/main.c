/* espalier: finds its verb, reads the rest by the tables, and prints the words of a failure. */
#include "arguments.h"

#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static int run_verb(const struct esp_verb_entry *verb, int argc, char **argv)
{
    struct esp_error error = {{0}};
    struct esp_arguments arguments;
    if (verb->raw) {
        return verb->raw(argc, argv);
    }
    if (esp_arguments_read(verb, argc, argv, &arguments, &error) < 0) {
        fprintf(stderr, "espalier: %s\n", error.text);
        return ESP_EXIT_USAGE;
    }
    if (arguments.help) {
        esp_help_verb(stdout, verb);
        return ESP_EXIT_DONE;
    }
    int code = verb->main(&arguments, &error);
    if (error.text[0] && code != ESP_EXIT_DONE) {
        size_t length = strlen(error.text);
        fprintf(
            stderr, "espalier: %s%s", error.text, error.text[length - 1] == '\n' ? "" : "\n");
    }
    return code;
}

int main(int argc, char **argv)
{
    struct esp_error error = {{0}};
    setlocale(LC_CTYPE, ""); /* widths of characters; numbers stay as they are everywhere */
    signal(SIGPIPE, SIG_IGN);
    const char *word = argc > 1 ? argv[1] : "--help";
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0) {
        const struct esp_verb_entry *verb = argc > 2 ? esp_verb_find(argv[2]) : NULL;
        if (verb) {
            esp_help_verb(stdout, verb);
        } else {
            esp_help_program(argc > 1 ? stdout : stderr);
        }
        return argc > 1 ? ESP_EXIT_DONE : ESP_EXIT_USAGE;
    }
    if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0) {
        puts("espalier " ESP_VERSION);
        return ESP_EXIT_DONE;
    }
    if (strcmp(word, "--man") == 0) {
        esp_manual_print(stdout);
        return ESP_EXIT_DONE;
    }
    if (strcmp(word, "--completion") == 0) {
        esp_completion_print(stdout);
        return ESP_EXIT_DONE;
    }
    const struct esp_verb_entry *verb = esp_verb_find(word);
    if (!verb) {
        esp_verb_unknown(word, &error);
        fprintf(stderr, "espalier: %s\n", error.text);
        return ESP_EXIT_USAGE;
    }
    return run_verb(verb, argc - 1, argv + 1);
}
