/* The start-up of freeze-thaw: one bracket of successive halving over its first trials.
 *
 * `size` trials train to the lowest rung; when all of them have told or ended there, the best
 * 1/eta go on to the next rung, eta times further, and so on to the horizon. It shows how
 * losses move with training, and puts a first trial at its horizon. What a rung compares is the
 * loss less what the learning rate still brings (search/rate_effect.h), so that neither low
 * rates win because they lead, nor high ones because the others have yet to catch up.
 *
 * A fold of what it is told, like a scheduler. */
#ifndef ESPALIER_STOP_STARTUP_H
#define ESPALIER_STOP_STARTUP_H

#include "search/loss_ranking.h"

#include <espalier/event.h>

/* 3^8 times between the first rung and the horizon. */
#define ESP_STARTUP_RUNGS_MAX 8

struct esp_startup {
    uint32_t size;
    int rungs;                            /* below the horizon */
    int64_t level[ESP_STARTUP_RUNGS_MAX]; /* growing tokens */
    uint32_t kept[ESP_STARTUP_RUNGS_MAX]; /* how many go on from there */
    struct esp_loss_ranking at[ESP_STARTUP_RUNGS_MAX];
    uint32_t silent; /* ended before they told anything at the lowest rung */
    int *rung;       /* [size]: the highest told; -1: none */
    double *value;   /* [size]: what it told there */
    bool *dead;      /* [size]: ended */
};

/* Rungs at horizon / eta^steps and so on to horizon / eta, none below `least` tokens; steps are
 * at most ESP_STARTUP_RUNGS_MAX. -ENOMEM. size 0: no start-up. */
int esp_startup_init(
    struct esp_startup *s, uint32_t size, int steps, double least, double horizon, double eta);
void esp_startup_release(struct esp_startup *s);

/* The folds. */
void esp_startup_observed(struct esp_startup *s, uint32_t trial, int64_t tokens, double loss);
void esp_startup_ended(struct esp_startup *s, uint32_t trial);
void esp_startup_returned(struct esp_startup *s, uint32_t trial);

/* Where a trial that stands at a rung is to go now: tokens (INT64_MAX: its horizon), or 0: it
 * waits there. */
int64_t esp_startup_onward(const struct esp_startup *s, uint32_t trial);
/* The `rank`-th (from 1) of those that go on from a rung, once all have told; -1: none. */
int64_t esp_startup_next(const struct esp_startup *s, int rung, uint32_t rank);
/* The rung where it stands; -1: none. */
int esp_startup_rung(const struct esp_startup *s, uint32_t trial);
/* Rung, rank, and the adjusted losses it was compared with, for a trial that stands at a rung.
 */
void esp_startup_explain(const struct esp_startup *s,
                         uint32_t trial,
                         struct esp_reason *reason);

#endif
