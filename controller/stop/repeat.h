/* Ties under seed noise are settled by further seeds (early_terminate's `repeats`).
 *
 * Two settings whose losses at the horizon differ by less than the seed noise tie: which of
 * them is better is then a matter of luck. When the search has nothing else to do, the leading
 * settings, ESP_REPEAT_LEADERS at most, are trained once more with another seed, the best
 * first, as long as
 *
 *   - at least two of them tie with the first (seeds.h), and
 *   - the setting has had fewer than `repeats` further seeds.
 *
 * Every loss counts as soon as it is reported: if the second seed of the first setting decides,
 * no other is trained. All that tie get their second seed before one gets a third, and a third
 * waits for every second seed that is being trained. A repeat is never stopped early, because
 * only losses at the horizon are compared.
 *
 * Repeats count as trials, because run_cap promises their number. The last trials of run_cap
 * are therefore kept for repeats (`esp_repeat_reserve`); when nothing ties they become new
 * settings after all. As many are kept of a budget, counted in full trainings: when no more is
 * left of it, leaders that tie come before new settings and paused trials (scheduler_decide.c).
 *
 * Pure: a fold of the events of every trial, repeats included. A decision looks at the first
 * few settings with one seed and at those with repeats. */
#ifndef ESPALIER_STOP_REPEAT_H
#define ESPALIER_STOP_REPEAT_H

#include "search/loss_ranking.h"
#include "setting_rank.h"

#include <espalier/event.h>

#define ESP_REPEAT_LEADERS 3
#define ESP_REPEATS_MAX 2
/* Settings with one seed that are looked at: ESP_REPEAT_LEADERS, and others that may be the
 * same training as one of them. */
#define ESP_REPEAT_LOOKED_AT 16

struct esp_repeat_trial; /* repeat.c */

struct esp_repeat {
    uint32_t repeats_max; /* further seeds per setting; 0: none */
    struct esp_repeat_trial *trials;
    uint32_t count, capacity;
    struct esp_loss_ranking singles; /* settings with one loss and no repeat, by loss */
    uint32_t *repeated;              /* settings with repeats */
    uint32_t repeated_count, repeated_capacity;
    uint32_t since; /* settings whose first repeat is later than the last new setting */
    uint32_t *open; /* repeats that are live or paused */
    uint32_t open_count, open_capacity;
    struct esp_seed_pool pool;
    double loss_min; /* lowest loss at a horizon, of any seed; NaN: none yet */
    double scatter;  /* of the curve of that trial */
};

/* `repeats_max` is early_terminate's repeats, at most ESP_REPEATS_MAX. */
void esp_repeat_init(struct esp_repeat *repeat, uint32_t repeats_max);
void esp_repeat_release(struct esp_repeat *repeat);

/* The folds: a new setting; a repeat of trial `of`, which is itself none; a loss; and changes
 * of a trial's state. */
void esp_repeat_created(struct esp_repeat *repeat, uint32_t trial, int64_t horizon);
void esp_repeat_repeated(struct esp_repeat *repeat,
                         uint32_t trial,
                         uint32_t of,
                         int64_t horizon);
void esp_repeat_observed(struct esp_repeat *repeat,
                         uint32_t trial,
                         int64_t tokens,
                         double loss);
void esp_repeat_continued(struct esp_repeat *repeat, uint32_t trial);
void esp_repeat_paused(struct esp_repeat *repeat, uint32_t trial, bool held);
void esp_repeat_ended(struct esp_repeat *repeat, uint32_t trial, enum esp_cause cause);

/* When nothing else is to be done: REPEAT the settings of a trial, CONTINUE a paused repeat, or
 * NONE. `may_repeat`: run_cap allows one more training; the caller checks whether the budget
 * covers it (scheduler_decide.c). */
struct esp_verdict esp_repeat_next(const struct esp_repeat *repeat, bool may_repeat);
/* The answer to a report of a repeat. */
struct esp_verdict
esp_repeat_report(const struct esp_repeat *repeat, uint32_t trial, bool waiting);

/* Settings that cannot be told apart. */
struct esp_tied {
    /* The best setting and those that tie with it, best first, by their first trials. A setting
     * with one seed is left out when it is the same training as a better one, or as one with
     * several seeds. */
    uint32_t trials[ESP_REPEAT_LOOKED_AT];
    uint32_t count;   /* 0: no tie */
    uint32_t leaders; /* the first of them, which are trained again: those among the first
                         ESP_REPEAT_LEADERS settings */
    double noise;
};
void esp_repeat_tied(const struct esp_repeat *repeat, struct esp_tied *out);

/* The trainings that give each leader of a tie one more seed, or bring the seed that it is
 * getting to its horizon; `repeats: 1` is assumed for a study that allows none. */
struct esp_repeat_plan {
    uint32_t trainings;                /* 0: the leaders have had all their seeds */
    uint32_t begun;                    /* of these, repeats that exist and go on */
    double tokens[ESP_REPEAT_LEADERS]; /* that remain, by leader */
    double tokens_total;
};
/* A new repeat trains for `horizon` tokens. */
void esp_repeat_further(const struct esp_repeat *repeat,
                        const struct esp_tied *tied,
                        double horizon,
                        struct esp_repeat_plan *out);

/* Number of repeats that are queued or on a process. */
uint32_t esp_repeat_live(const struct esp_repeat *repeat);
/* Whether the last trial was a repeat. */
bool esp_repeat_was_last(const struct esp_repeat *repeat);
/* The first trial of the setting; the trial's own number when it is no repeat. */
uint32_t esp_repeat_of(const struct esp_repeat *repeat, uint32_t trial);
/* The horizon that a trial was created with. */
int64_t esp_repeat_horizon(const struct esp_repeat *repeat, uint32_t trial);
/* All seeds of a setting, by its first trial. */
const struct esp_seeds *esp_repeat_seeds(const struct esp_repeat *repeat, uint32_t trial);
/* The best setting at its horizon (setting_rank.h), by its first trial; -1: none is there yet.
 */
int64_t esp_repeat_best(const struct esp_repeat *repeat);
/* Estimated seed noise near the lowest loss at a horizon. */
double esp_repeat_noise(const struct esp_repeat *repeat);

/* Trials of a run_cap (0: none), or trainings of a budget, that are kept for repeats: one seed
 * more for each leader, limited to a fifth of run_cap, or half of it when the study file asks
 * for repeats (`given`). Fewer than two would decide nothing: then none are kept. */
uint32_t esp_repeat_reserve(uint32_t repeats_max, bool given, int64_t run_cap);

#endif
