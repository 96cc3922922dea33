/* The schedulers, one row each.
 *
 * The rows, with those of the keys (stopping_keys.h), drive the study file's reader, `replay
 * --scheduler`, error messages, the comparison of studies and the reference of settings. A new
 * scheduler is one file with its operations (listed in meson.build), its `extern` in
 * scheduler.h, one value of enum esp_scheduler_type and one row. Nothing here creates a
 * scheduler. */
#ifndef ESPALIER_STOP_REGISTRY_H
#define ESPALIER_STOP_REGISTRY_H

#include "scheduler.h"
#include "stopping_keys.h"

#include <espalier/study.h>

/* Keys that a row can name, and the NULL behind them. */
#define ESP_SCHEDULER_KEYS_MAX 8
#define ESP_SCHEDULER_ALIASES_MAX 2
/* "default", the name and the aliases of every row, and a NULL. */
#define ESP_SCHEDULER_NAMES_MAX 32

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
    const char *keys[ESP_SCHEDULER_KEYS_MAX];     /* that it takes, besides `repeats` */
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

#endif
