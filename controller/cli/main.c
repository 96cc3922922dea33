/* The program espalier: finds the verb and runs it. */
#include "verb.h"

#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

/* --help and the other options that stand in the place of a verb. Returns an exit code, or -1
 * when `word` is none of them. */
static int run_option(const char *word)
{
    if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0) {
        puts("espalier " ESP_VERSION);
    } else if (strcmp(word, "--man") == 0) {
        esp_manual_print(stdout);
    } else if (strcmp(word, "--completion") == 0) {
        esp_completion_print(stdout);
    } else {
        return -1;
    }
    return ESP_EXIT_DONE;
}

static bool asks_for_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0;
}

int main(int argc, char **argv)
{
    struct esp_error error = {{0}};
    setlocale(LC_CTYPE, ""); /* for the width of characters; numbers keep their C form */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a write beyond the limit on file sizes fails with EFBIG */
    if (argc < 2) {
        esp_help_program(stderr);
        return ESP_EXIT_USAGE;
    }
    const char *word = argv[1];
    if (asks_for_help(word)) {
        const struct esp_cli_verb *verb = argc > 2 ? esp_cli_verb_find(argv[2]) : NULL;
        if (verb) {
            esp_help_verb(stdout, verb);
        } else {
            esp_help_program(stdout);
        }
        return ESP_EXIT_DONE;
    }
    int code = run_option(word);
    if (code >= 0) {
        return code;
    }
    const struct esp_cli_verb *verb = esp_cli_verb_find(word);
    if (!verb) {
        esp_cli_verb_unknown(word, &error);
        fprintf(stderr, "espalier: %s\n", error.text);
        return ESP_EXIT_USAGE;
    }
    return esp_cli_verb_run(verb, argc - 1, argv + 1);
}
