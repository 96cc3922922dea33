/* The verbs of the command line.
 *
 * A verb is one file, cmd_NAME.c, which ends with its row: its name, operands, help, options
 * and function. verbs.c lists the rows. Dispatch, --help, the manual page and the shell
 * completion are made from them, so a new verb is one file and one name in that list. */
#ifndef ESPALIER_CLI_VERB_H
#define ESPALIER_CLI_VERB_H

#include "option.h"

#include <limits.h>
#include <stdio.h>

/* The longest list is that of `replay`, and the ESP_OPTION_NONE behind it. */
#define ESP_CLI_VERB_OPTIONS_MAX 20
/* Operands without a limit. */
#define ESP_CLI_ANY INT_MAX

struct esp_cli_verb {
    const char *name;
    const char *operands; /* as a usage line shows them: "DIR TRIAL…" */
    int operand_min, operand_max;
    const char *summary; /* one imperative sentence without a full stop */
    /* More for --help and the manual page, or NULL. Each line is a paragraph; lines that begin
     * with spaces are printed as they are. */
    const char *details;
    /* Options that it takes besides --help; ESP_OPTION_NONE ends them. */
    enum esp_option_id options[ESP_CLI_VERB_OPTIONS_MAX];
    /* Returns the exit code. `error` is empty at first; its text is printed on failure. */
    int (*main)(const struct esp_arguments *arguments, struct esp_error *error);
};

/* In the order of --help. */
extern const struct esp_cli_verb *const esp_cli_verbs[];
extern const size_t esp_cli_verb_count;

/* Returns NULL for an unknown name. */
const struct esp_cli_verb *esp_cli_verb_find(const char *name);

/* "unknown verb …", with the most similar name. */
void esp_cli_verb_unknown(const char *word, struct esp_error *error);

/* The options of a verb, --help last. Returns how many. */
size_t esp_cli_verb_options(const struct esp_cli_verb *verb,
                            const struct esp_option *options[ESP_CLI_VERB_OPTIONS_MAX]);

/* Runs a verb with its command line (argv[0] is the verb): reads the options, prints help where
 * that is asked for, and prints an error to stderr. Returns the exit code. */
int esp_cli_verb_run(const struct esp_cli_verb *verb, int argc, char **argv);

/* --help of one verb, and of the program. */
void esp_help_verb(FILE *out, const struct esp_cli_verb *verb);
void esp_help_program(FILE *out);

/* The manual page espalier.1 (roff), and a completion for bash. */
void esp_manual_print(FILE *out);
void esp_completion_print(FILE *out);

#endif
