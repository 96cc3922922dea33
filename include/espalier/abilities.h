/* What a study's trainer can do, and what the controller knows about it.
 *
 * Filled once, when the study file is read. Each place that depends on the kind of trainer asks
 * for the one ability that it needs. A zeroed value describes a program of which nothing is
 * known. */
#ifndef ESPALIER_ABILITIES_H
#define ESPALIER_ABILITIES_H

#include <stdbool.h>

/* The unit in which a trial counts how far it has trained. */
enum esp_progress_unit {
    ESP_PROGRESS_UNKNOWN,
    ESP_PROGRESS_TOKENS,
    ESP_PROGRESS_STEPS,
    ESP_PROGRESS_EPOCHS,
};

struct esp_abilities {
    enum esp_progress_unit progress;
    /* The study file's `trainer` section holds every setting: the data, the model's size and
     * thereby the cost of a token; each parameter is one of esp_trainer_fields. */
    bool settings_known;
    bool can_save;      /* saves a checkpoint on request and continues from it */
    bool horizon_known; /* the length of a complete training is known before it begins */
    /* A trial trains with the seed that it is assigned: the same seed gives the same result,
     * another seed an independent one. Without it a setting cannot be repeated. */
    bool deterministic;
    bool schedule_known; /* the learning rate at every point of the training is known */
};

/* Abilities of the built-in trainer. */
static inline struct esp_abilities esp_abilities_builtin(void)
{
    return (struct esp_abilities){
        .progress = ESP_PROGRESS_TOKENS,
        .settings_known = true,
        .can_save = true,
        .horizon_known = true,
        .deterministic = true,
        .schedule_known = true,
    };
}

#endif
