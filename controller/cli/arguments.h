/* The values that a verb's command line gives. */
#ifndef ESPALIER_CLI_ARGUMENTS_H
#define ESPALIER_CLI_ARGUMENTS_H

#include <espalier/error.h>
#include <espalier/exit.h>
#include <espalier/limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct esp_cli_verb;

/* One member per option (option.h). A member that was not given holds its option's default;
 * without a default it is NULL, 0 or false, seed -1, and risk NaN. */
struct esp_arguments {
    const char *dir;
    const char *device;
    const char *data;
    const char *format;
    const char *prompt;
    const char *connect;
    int64_t workers;
    int64_t count;
    int64_t tokens;
    int64_t seed;
    double temperature;
    double interval;
    bool json;
    bool markdown;
    bool curves;
    bool once;
    bool help;
    /* replay */
    const char *method;
    const char *scheduler;
    const char *prior;
    const char *ablate;
    const char *cost;
    const char *calibration;
    const char *plot;
    double eta;
    double risk;
    double budget;
    int64_t seeds;
    int64_t first_seed;
    bool calibrate;
    /* What is left after the options. */
    char **operands;
    int operand_count;
};

/* Reads the command line of a verb (argv[0] is the verb). -EINVAL, with a suggestion in `error`
 * for a misspelt option. With --help the number of operands is not checked. */
int esp_arguments_read(const struct esp_cli_verb *verb,
                       int argc,
                       char **argv,
                       struct esp_arguments *out,
                       struct esp_error *error);

/* A trial's number as people write it ("7" or "#7"). -EINVAL. */
int esp_arguments_trial(const char *text, int64_t *trial, struct esp_error *error);

#endif
