/* The table of options, and storing their values. */
#include "option.h"

#include "../search/registry.h"
#include "../stop/registry.h"
#include "../view/export.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(ESP_SAMPLER_NAMES_MAX <= ESP_OPTION_NAMES_MAX &&
                   ESP_SCHEDULER_NAMES_MAX <= ESP_OPTION_NAMES_MAX &&
                   ESP_EXPORT_FORMATS_MAX <= ESP_OPTION_NAMES_MAX,
               "an option can list every sampler, scheduler and export format");

/* A count beyond 2^53 would not survive its way through JSON. */
#define COUNT_MAX 9007199254740992.0
/* Searches of one replay: fifty times the default, for a close look. */
#define REPLAY_SEEDS_MAX 1000
#define REPLAY_WORKERS_MAX 1024

static const char *const devices[] = {"auto", "cpu", "cuda", NULL};
static const char *const costs[] = {"tokens", "seconds", NULL};

#define FLAG(member)                                                                           \
    .type = ESP_OPTION_TYPE_FLAG, .offset = offsetof(struct esp_arguments, member)
#define TEXT(member, shown)                                                                    \
    .type = ESP_OPTION_TYPE_TEXT, .offset = offsetof(struct esp_arguments, member),            \
    .argument = (shown)
#define CHOICE(member, shown, choices)                                                         \
    .type = ESP_OPTION_TYPE_CHOICE, .offset = offsetof(struct esp_arguments, member),          \
    .argument = (shown), .words = (choices)
#define INTEGER(member, shown, least, most)                                                    \
    .type = ESP_OPTION_TYPE_INTEGER, .offset = offsetof(struct esp_arguments, member),         \
    .argument = (shown), .min = (least), .max = (most)
#define REAL(member, shown, least, most)                                                       \
    .type = ESP_OPTION_TYPE_REAL, .offset = offsetof(struct esp_arguments, member),            \
    .argument = (shown), .min = (least), .max = (most)

const struct esp_option esp_options[ESP_OPTION_COUNT] = {
    [ESP_OPTION_HELP] = {"help", 'h', FLAG(help), .help = "Print this help"},
    [ESP_OPTION_JSON] = {"json", 'j', FLAG(json), .help = "Print the result as JSON"},
    [ESP_OPTION_MARKDOWN] = {"markdown",
                             0,
                             FLAG(markdown),
                             .help = "Print the whole reference as Markdown"},
    [ESP_OPTION_DIR] = {"dir",
                        'd',
                        TEXT(dir, "DIR"),
                        .help =
                            "Folder of the study; default: runs/NAME, with the study's name"},
    [ESP_OPTION_WORKERS] = {"workers",
                            'w',
                            INTEGER(workers, "N", 1, ESP_PROCESSES_MAX),
                            .help = "Trial processes to run at once; default: `workers` of the "
                                    "study file, or one per core or GPU"},
    [ESP_OPTION_DEVICE] = {"device",
                           0,
                           CHOICE(device, "auto|cpu|cuda", devices),
                           .help = "Device to train on; auto uses a GPU where there is one",
                           .fallback = "auto"},
    [ESP_OPTION_DATA] = {"data",
                         0,
                         TEXT(data, "FILE"),
                         .help = "Train on this file or glob instead of the study file's "
                                 "trainer.data"},
    [ESP_OPTION_NUMBER] = {"number",
                           'n',
                           INTEGER(count, "N", 1, ESP_TRIALS_MAX),
                           .help = "How many settings to list",
                           .fallback = "5"},
    [ESP_OPTION_FORMAT] = {"format",
                           0,
                           CHOICE(format, "FORMAT", NULL),
                           .help = "Format of the rows",
                           .fallback = "csv",
                           .names = esp_export_format_names},
    [ESP_OPTION_CURVES] = {"curves",
                           0,
                           FLAG(curves),
                           .help = "Write one row per point of every loss curve instead of one "
                                   "row per trial"},
    [ESP_OPTION_HORIZON] = {"tokens",
                            't',
                            INTEGER(tokens, "N", 1, COUNT_MAX),
                            .help = "New horizon of each trial, in tokens"},
    [ESP_OPTION_PROMPT] = {"prompt",
                           'p',
                           TEXT(prompt, "TEXT"),
                           .help = "Text to continue; default: none"},
    [ESP_OPTION_LENGTH] = {"tokens",
                           't',
                           INTEGER(tokens, "N", 1, COUNT_MAX),
                           .help = "How many tokens to generate"},
    [ESP_OPTION_TEMPERATURE] = {"temperature",
                                0,
                                REAL(temperature, "X", 0, 100),
                                .help = "Sampling temperature; 0 always takes the most likely "
                                        "token",
                                .fallback = "0.8"},
    [ESP_OPTION_SEED] = {"seed",
                         's',
                         INTEGER(seed, "N", 0, COUNT_MAX),
                         .help = "Seed of the generated text"},
    [ESP_OPTION_SAMPLE_DEVICE] = {"device",
                                  0,
                                  CHOICE(device, "auto|cpu|cuda", devices),
                                  .help = "Device to run the model on; auto uses a GPU where "
                                          "there is one",
                                  .fallback = "auto"},
    [ESP_OPTION_INTERVAL] = {"interval",
                             0,
                             REAL(interval, "SECONDS", 0.1, 3600),
                             .help = "Least time between two updates of the screen",
                             .fallback = "1"},
    [ESP_OPTION_ONCE] = {"once", 0, FLAG(once), .help = "Print the table once and exit"},
    [ESP_OPTION_CONNECT] = {"connect",
                            'c',
                            TEXT(connect, "ENDPOINT"),
                            .help = "Socket of the controller"},
    [ESP_OPTION_METHOD] = {"method",
                           0,
                           TEXT(method, "METHOD"),
                           .help = "Search method",
                           .fallback = "bayes",
                           .names = esp_sampler_names},
    [ESP_OPTION_SCHEDULER] = {"scheduler",
                              0,
                              TEXT(scheduler, "SCHEDULER"),
                              .help =
                                  "Stopping rule: as early_terminate describes it in a study "
                                  "file, '{type: patience, patience: 5}', or one of",
                              .fallback = "default",
                              .names = esp_scheduler_names},
    [ESP_OPTION_PRIOR] = {"prior",
                          0,
                          TEXT(prior, "PRIOR"),
                          .help =
                              "step-law, step-law+2 (with the learning rate moved by two "
                              "octaves), none, or NAME=VALUE[,NAME=VALUE…][,width=OCTAVES]; "
                              "the default is step-law where the table describes its model, "
                              "and typical values in many dimensions",
                          .fallback = "default"},
    [ESP_OPTION_ETA] = {"eta",
                        0,
                        REAL(eta, "ETA", 1.01, 100),
                        .help = "Reduction factor of the scheduler; default: the scheduler's"},
    [ESP_OPTION_RISK] = {"risk",
                         0,
                         REAL(risk, "RISK", 0, 1),
                         .help =
                             "Discard paused trials, with at most this chance that the best "
                             "one is discarded; needs --calibrate or --calibration"},
    [ESP_OPTION_CALIBRATE] = {"calibrate",
                              0,
                              FLAG(calibrate),
                              .help = "Measure on the other tables of this call what can be "
                                      "discarded at --risk"},
    [ESP_OPTION_CALIBRATION] = {"calibration",
                                0,
                                TEXT(calibration, "FILE"),
                                .help = "Read the scores for --risk from FILE, one number per "
                                        "line"},
    [ESP_OPTION_ABLATE] = {"ablate",
                           0,
                           TEXT(ablate, "PARTS"),
                           .help = "Parts of the search to switch off, separated by commas: "
                                   "curve, schedule, prior"},
    [ESP_OPTION_SEEDS] = {"seeds",
                          0,
                          INTEGER(seeds, "N", 1, REPLAY_SEEDS_MAX),
                          .help = "Searches per table, each with its own seed",
                          .fallback = "20"},
    [ESP_OPTION_FIRST_SEED] = {"first-seed",
                               0,
                               INTEGER(first_seed, "K", 0, 1e9),
                               .help = "Seed of the first search",
                               .fallback = "1"},
    [ESP_OPTION_BUDGET] = {"budget",
                           0,
                           REAL(budget, "B", 1e-6, 1e6),
                           .help = "What a search may cost, in full trainings",
                           .fallback = "20"},
    [ESP_OPTION_COST] = {"cost",
                         0,
                         CHOICE(cost, "tokens|seconds", costs),
                         .help = "Unit of cost for budgets and schedulers: tokens, or device "
                                 "seconds, where a full training is the median recorded one",
                         .fallback = "tokens"},
    [ESP_OPTION_PARALLEL] = {"workers",
                             'w',
                             INTEGER(workers, "W", 1, REPLAY_WORKERS_MAX),
                             .help = "Trials that train at once",
                             .fallback = "1"},
    [ESP_OPTION_PLOT] = {"plot",
                         0,
                         TEXT(plot, "FILE.svg"),
                         .help = "Draw regret against cost, one panel per table"},
};

/* A whole number, also written 2e7 or 2M. -EINVAL. */
static int read_count(const char *text, int64_t *out)
{
    char *end = NULL;
    errno = 0;
    double real = strtod(text, &end);
    if (end == text || *text == '-' || isspace((unsigned char)*text) || errno != 0) {
        return -EINVAL;
    }
    double unit = *end == 'k' || *end == 'K' ? 1e3 : *end == 'M' ? 1e6 : *end == 'G' ? 1e9 : 0;
    if (unit > 0) {
        real *= unit;
        end++;
    }
    if (*end != '\0' || !(real >= 0 && real <= COUNT_MAX) || real != (double)(int64_t)real) {
        return -EINVAL;
    }
    *out = (int64_t)real;
    return 0;
}

void esp_option_values(const struct esp_option *option,
                       const char *values[ESP_OPTION_NAMES_MAX])
{
    size_t count = 0;
    values[0] = NULL;
    if (option->names) {
        option->names(values);
        return;
    }
    for (const char *const *word = option->words; word && *word; word++) {
        values[count++] = *word;
    }
    values[count] = NULL;
}

static int set_choice(const struct esp_option *option,
                      const char *text,
                      const char **place,
                      struct esp_error *error)
{
    const char *values[ESP_OPTION_NAMES_MAX];
    char list[256] = "";
    size_t length = 0;
    esp_option_values(option, values);
    for (const char **value = values; *value; value++) {
        if (strcmp(*value, text) == 0) {
            *place = *value;
            return 0;
        }
        int more =
            snprintf(list + length, sizeof list - length, "%s%s", length ? ", " : "", *value);
        length =
            more > 0 && (size_t)more < sizeof list - length ? length + (size_t)more : length;
    }
    return esp_error_set(
        error, -EINVAL, "--%s %s: must be one of %s.", option->name, text, list);
}

static int set_integer(const struct esp_option *option,
                       const char *text,
                       int64_t *place,
                       struct esp_error *error)
{
    char *end = NULL;
    if (option->max == 0) { /* any 64 bits */
        errno = 0;
        *place = (int64_t)strtoull(text, &end, 10);
        return end != text && *end == '\0' && errno == 0
                   ? 0
                   : esp_error_set(error,
                                   -EINVAL,
                                   "--%s %s: must be a whole number.",
                                   option->name,
                                   text);
    }
    int64_t count;
    if (read_count(text, &count) < 0 || (double)count < option->min ||
        (double)count > option->max) {
        return esp_error_set(error,
                             -EINVAL,
                             "--%s %s: must be a whole number from %.0f to %.0f.",
                             option->name,
                             text,
                             option->min,
                             option->max);
    }
    *place = count;
    return 0;
}

static int set_real(const struct esp_option *option,
                    const char *text,
                    double *place,
                    struct esp_error *error)
{
    char *end = NULL;
    double real = strtod(text, &end);
    if (end == text || *end != '\0' || !(real >= option->min && real <= option->max)) {
        return esp_error_set(error,
                             -EINVAL,
                             "--%s %s: must be a number from %g to %g.",
                             option->name,
                             text,
                             option->min,
                             option->max);
    }
    *place = real;
    return 0;
}

int esp_option_set(const struct esp_option *option,
                   const char *text,
                   struct esp_arguments *out,
                   struct esp_error *error)
{
    void *place = (char *)out + option->offset;
    switch (option->type) {
    case ESP_OPTION_TYPE_FLAG:
        *(bool *)place = true;
        return 0;
    case ESP_OPTION_TYPE_TEXT:
        *(const char **)place = text;
        return 0;
    case ESP_OPTION_TYPE_CHOICE:
        return set_choice(option, text, place, error);
    case ESP_OPTION_TYPE_INTEGER:
        return set_integer(option, text, place, error);
    case ESP_OPTION_TYPE_REAL:
        return set_real(option, text, place, error);
    }
    return -EINVAL;
}
