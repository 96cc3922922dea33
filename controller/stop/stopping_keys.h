/* The keys of `early_terminate` in a study file, one row each.
 *
 * A new key is one member of struct esp_stopping and one row; the schedulers that take it name
 * it in their own rows (registry.h). */
#ifndef ESPALIER_STOP_STOPPING_KEYS_H
#define ESPALIER_STOP_STOPPING_KEYS_H

#include <espalier/study.h>
#include <espalier/study_key.h>

/* Default of `risk` for the schedulers that take it. */
#define ESP_RISK_DEFAULT 0.05

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

/* In the order in which messages list them. */
extern const struct esp_stopping_key esp_stopping_keys[];
extern const int esp_stopping_key_count;

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
