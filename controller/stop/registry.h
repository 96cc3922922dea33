/* The schedulers, one row each, and the keys of `early_terminate`, one row each.
 *
 * The rows drive the study file's reader, `replay --scheduler`, error messages, the comparison
 * of studies and the reference of settings. A new scheduler is one file with its operations,
 * one value of enum esp_scheduler_type and one row; a new key is one member of struct
 * esp_stopping and one row. Nothing here creates a scheduler. */
#ifndef ESPALIER_STOP_REGISTRY_H
#define ESPALIER_STOP_REGISTRY_H

#include "scheduler.h"

#include <espalier/study.h>
#include <espalier/study_key.h>

/* Keys that a row can name, and the NULL behind them. */
#define ESP_SCHEDULER_KEYS_MAX 8
#define ESP_SCHEDULER_ALIASES_MAX 2
/* "default", the name and the aliases of every row, and a NULL. */
#define ESP_SCHEDULER_NAMES_MAX 32

/* How the values of a key in two studies must compare, so that the score of one may calibrate
 * the discards of the other (discard.h). */
enum esp_key_match {
    ESP_MATCH_ANY,
    ESP_MATCH_EQUAL,
    ESP_MATCH_SHARE, /* tokens: about the same share of the horizon */
};

/* How a key in tokens compares with trainer.tokens, where that is known. */
enum esp_key_horizon {
    ESP_HORIZON_ANY,
    ESP_HORIZON_BELOW,
    ESP_HORIZON_UP_TO,
};

struct esp_stopping_key {
    struct esp_key key;
    size_t offset; /* into struct esp_stopping; of a LIST: unused */
    enum esp_key_match match;
    enum esp_key_horizon horizon;
};

/* Another name of a scheduler, which also chooses its `form`. */
struct esp_scheduler_alias {
    const char *name;
    int form;
};

struct esp_scheduler_row {
    enum esp_scheduler_type type;
    const char *name; /* unique: messages, replay, the reference */
    /* early_terminate.type; NULL: the name. Of rows that share a word, the first is meant
     * unless the file has a key that only another one takes. */
    const char *word;
    const char *variant; /* a row that shares its word: what its keys choose, for messages */
    struct esp_scheduler_alias aliases[ESP_SCHEDULER_ALIASES_MAX];
    const struct esp_scheduler_ops *ops;
    const char *keys[ESP_SCHEDULER_KEYS_MAX];     /* it takes; `repeats` is everyone's */
    const char *required[ESP_SCHEDULER_KEYS_MAX]; /* of these, in a study file */
    double risk; /* default of `risk`; 0: it does not take that key */
    int repeats; /* default of `repeats` where a trainer's seed is ours to set */
    bool blind;  /* what it trains, and in which order, does not depend on losses */
    /* How `early_terminate` may look and what its number means, where the name alone does not
     * describe the scheduler; else NULL. */
    const char *example, *example_meaning;
    const char *summary; /* one sentence, without a full stop */
};

/* In the order of enum esp_scheduler_type, without ESP_SCHEDULER_DEFAULT. */
extern const struct esp_scheduler_row esp_schedulers[];
extern const int esp_scheduler_count;

/* In the order in which messages list them. */
extern const struct esp_stopping_key esp_stopping_keys[];
extern const int esp_stopping_key_count;

/* The scheduler that a study uses: the one that its file names, or the default for its trainer.
 * Freeze-thaw pauses trials and projects their losses to the horizon, so it is the default
 * where the trainer can save and the horizon is known; otherwise it is none. */
const struct esp_scheduler_row *esp_scheduler_of(const struct esp_study *study);
/* The row of a type; ESP_SCHEDULER_DEFAULT has none and fails an assertion. */
const struct esp_scheduler_row *esp_scheduler_of_type(enum esp_scheduler_type type);
/* Sets type and form from a name or alias; "default" is ESP_SCHEDULER_DEFAULT. -EINVAL: there
 * is no such scheduler; the error lists them. */
int esp_scheduler_find(const char *name,
                       enum esp_scheduler_type *type,
                       int *form,
                       struct esp_error *error);
/* All that `esp_scheduler_find` takes, NULL-terminated. */
void esp_scheduler_names(const char *names[ESP_SCHEDULER_NAMES_MAX]);

/* The word of early_terminate.type. */
const char *esp_scheduler_word(const struct esp_scheduler_row *row);
bool esp_scheduler_takes(const struct esp_scheduler_row *row, const char *key);
bool esp_scheduler_requires(const struct esp_scheduler_row *row, const char *key);

/* The key of that name, or NULL. */
const struct esp_stopping_key *esp_stopping_key_named(const char *name);
/* The value of a key: a number, a word's index, or 0 and 1. Not of a LIST. */
double esp_stopping_get(const struct esp_stopping *stopping,
                        const struct esp_stopping_key *key);
void esp_stopping_set(struct esp_stopping *stopping,
                      const struct esp_stopping_key *key,
                      double value);
/* The section as a scheduler that takes none of the keys has it; owned memory is not freed. */
void esp_stopping_init(struct esp_stopping *stopping);
/* `eta`, or its default where it is 0: not given. */
double esp_stopping_eta(const struct esp_stopping *stopping);

#endif
