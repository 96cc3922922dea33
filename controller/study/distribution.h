/* The distributions of parameters, one row each, and what the files that read them share. */
#ifndef CONTROLLER_STUDY_DISTRIBUTION_H
#define CONTROLLER_STUDY_DISTRIBUTION_H

#include <espalier/study.h>

/* Keys that a row can name, and the NULL behind them. */
#define ESP_DISTRIBUTION_KEYS_MAX 4

struct esp_distribution_row {
    const char *name; /* the word of `distribution` */
    enum esp_distribution distribution;
    bool quantised;                              /* values are rounded to multiples of q */
    const char *keys[ESP_DISTRIBUTION_KEYS_MAX]; /* that it takes, besides `distribution` */
    const char *meaning;                         /* one sentence, without a full stop */
};

extern const struct esp_distribution_row esp_distributions[];
extern const int esp_distribution_count;

bool esp_distribution_takes(const struct esp_distribution_row *row, const char *key);
/* Whether the key has no default: choices and bounds must be given, the rest need not. */
bool esp_distribution_requires(const struct esp_distribution_row *row, const char *key);

#endif
