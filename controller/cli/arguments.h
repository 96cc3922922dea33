/* What a command line says, and the tables it is read by.
 *
 * One table of options and one of verbs drive getopt_long, `--help`, the shell completion and
 * the manual page, so that none of them can differ from another. */
#ifndef ESPALIER_CLI_ARGUMENTS_H
#define ESPALIER_CLI_ARGUMENTS_H

#include <espalier/error.h>
#include <espalier/exit.h>
#include <espalier/limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct esp_arguments {
    const char *verb;
    const char *dir;
    const char *device;
    const char *data;
    const char *format;
    const char *prompt;
    const char *connect;
    int64_t study;
    int64_t workers;
    int64_t count;
    int64_t tokens;
    int64_t seed; /* -1: not given */
    double temperature;
    double interval;
    bool json;
    bool curves;
    bool once;
    bool help;
    char **operands;
    int operand_count;
};

enum esp_option_type {
    ESP_OPTION_FLAG,  /* bool */
    ESP_OPTION_TEXT,  /* const char * */
    ESP_OPTION_WORD,  /* const char *, one of `words` */
    ESP_OPTION_COUNT, /* int64_t in [min, max] */
    ESP_OPTION_REAL,  /* double in [min, max] */
};

struct esp_option {
    const char *name;
    char letter; /* 0: none */
    enum esp_option_type type;
    size_t offset; /* into struct esp_arguments */
    const char *argument;
    const char *verbs; /* names between spaces, or "*" */
    const char *help;
    const char *const *words;
    double min, max;
};

struct esp_verb_entry {
    const char *name;
    const char *operands; /* "DIR TRIAL…", for people */
    int operand_min, operand_max;
    const char *summary; /* one line */
    const char *details; /* more of `--help` and the manual, or NULL */
    /* Returns the exit code; a failure's words are in the error. */
    int (*main)(const struct esp_arguments *arguments, struct esp_error *error);
    /* Instead: reads its own command line (argv[0] is the verb). */
    int (*raw)(int argc, char **argv);
};

extern const struct esp_option esp_options[];
extern const size_t esp_option_count;
extern const struct esp_verb_entry esp_verbs[];
extern const size_t esp_verb_count;

bool esp_option_serves(const struct esp_option *option, const char *verb);
const struct esp_verb_entry *esp_verb_find(const char *name);

/* Reads the command line of a verb (argv[0] is the verb). -EINVAL with words and a suggestion.
 */
int esp_arguments_read(const struct esp_verb_entry *verb,
                       int argc,
                       char **argv,
                       struct esp_arguments *out,
                       struct esp_error *error);

/* "espalier: unknown verb …" with the nearest one. */
void esp_verb_unknown(const char *word, struct esp_error *error);

/* Help on a stream: of one verb, or the whole program's. */
void esp_help_verb(FILE *out, const struct esp_verb_entry *verb);
void esp_help_program(FILE *out);

/* espalier.1 in roff, and a completion for bash. */
void esp_manual_print(FILE *out);
void esp_completion_print(FILE *out);

/* A trial's number as people write it ("7" or "#7"). -EINVAL. */
int esp_arguments_trial(const char *text, int64_t *trial, struct esp_error *error);

#endif
