/* The options of all verbs, one row each.
 *
 * Each verb names the options that it takes (verb.h). getopt_long, --help, the manual page and
 * the shell completion are driven by these rows. */
#ifndef ESPALIER_CLI_OPTION_H
#define ESPALIER_CLI_OPTION_H

#include "arguments.h"

enum esp_option_id {
    ESP_OPTION_NONE,
    ESP_OPTION_HELP,
    ESP_OPTION_JSON,
    ESP_OPTION_MARKDOWN,
    ESP_OPTION_DIR,
    ESP_OPTION_WORKERS,
    ESP_OPTION_DEVICE,
    ESP_OPTION_DATA,
    ESP_OPTION_NUMBER,
    ESP_OPTION_FORMAT,
    ESP_OPTION_CURVES,
    ESP_OPTION_HORIZON,
    ESP_OPTION_PROMPT,
    ESP_OPTION_LENGTH,
    ESP_OPTION_TEMPERATURE,
    ESP_OPTION_SEED,
    ESP_OPTION_SAMPLE_DEVICE,
    ESP_OPTION_INTERVAL,
    ESP_OPTION_ONCE,
    ESP_OPTION_CONNECT,
    ESP_OPTION_METHOD,
    ESP_OPTION_SCHEDULER,
    ESP_OPTION_PRIOR,
    ESP_OPTION_ETA,
    ESP_OPTION_RISK,
    ESP_OPTION_CALIBRATE,
    ESP_OPTION_CALIBRATION,
    ESP_OPTION_ABLATE,
    ESP_OPTION_SEEDS,
    ESP_OPTION_FIRST_SEED,
    ESP_OPTION_BUDGET,
    ESP_OPTION_COST,
    ESP_OPTION_PARALLEL,
    ESP_OPTION_PLOT,
    ESP_OPTION_COUNT,
};

enum esp_option_type {
    ESP_OPTION_TYPE_FLAG,    /* bool */
    ESP_OPTION_TYPE_TEXT,    /* const char * */
    ESP_OPTION_TYPE_CHOICE,  /* const char *, one of `words` or `names` */
    ESP_OPTION_TYPE_INTEGER, /* int64_t in [min, max], also written 2e7 or 2M; max 0: any 64
                                bits */
    ESP_OPTION_TYPE_REAL,    /* double in [min, max] */
};

/* Names that one option can list, and the NULL behind them. */
#define ESP_OPTION_NAMES_MAX 32

struct esp_option {
    const char *name;
    char letter; /* 0: none */
    enum esp_option_type type;
    size_t offset;            /* into struct esp_arguments */
    const char *argument;     /* as --help shows it; NULL for a flag */
    const char *help;         /* sentence without a full stop */
    const char *fallback;     /* default value, as one would type it; NULL: none */
    const char *const *words; /* choices, NULL-terminated, that `argument` shows; or NULL */
    double min, max;
    /* Gives the choices, or the known values of a text, NULL-terminated; or NULL. --help lists
     * them. */
    void (*names)(const char *names[ESP_OPTION_NAMES_MAX]);
};

/* In the order of enum esp_option_id. */
extern const struct esp_option esp_options[ESP_OPTION_COUNT];

/* The values of an option with a fixed list of values, NULL-terminated. */
void esp_option_values(const struct esp_option *option,
                       const char *values[ESP_OPTION_NAMES_MAX]);

/* Stores an option's value in its member of `out`. `text` is NULL for a flag. -EINVAL. */
int esp_option_set(const struct esp_option *option,
                   const char *text,
                   struct esp_arguments *out,
                   struct esp_error *error);

#endif
