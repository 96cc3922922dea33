/* The start-up of freeze-thaw: one bracket of successive halving over its first trials.
 *
 * `size` trials train to the lowest rung. When all of them have a loss there or have ended, the
 * best 1/eta go on to the next rung, eta times further, and so on to the horizon. This shows
 * how losses develop with training, and brings a first trial to its horizon. Rungs compare
 * losses minus the gain that the learning rate will still bring (search/rate_effect.h), so that
 * low rates do not win because they lead early, nor high ones because the others are still
 * catching up.
 *
 * A fold of events, like a scheduler. */
#ifndef ESPALIER_STOP_STARTUP_H
#define ESPALIER_STOP_STARTUP_H

#include "search/loss_ranking.h"

#include <espalier/event.h>

/* The first rung is at 1/3^8 of the horizon at least. */
#define ESP_STARTUP_RUNGS_MAX 8

struct esp_startup {
    uint32_t size;
    int rungs;                            /* below the horizon */
    int64_t level[ESP_STARTUP_RUNGS_MAX]; /* tokens, ascending */
    uint32_t kept[ESP_STARTUP_RUNGS_MAX]; /* trials that go on from there */
    struct esp_loss_ranking at[ESP_STARTUP_RUNGS_MAX];
    uint32_t unreported; /* trials that ended before a loss at the lowest rung */
    int *rung;           /* [size]: highest rung with a loss; -1: none */
    double *value;       /* [size]: adjusted loss there */
    bool *ended;         /* [size]: the trial has ended */
};

/* Sets rungs at horizon / eta^steps to horizon / eta, none below `tokens_min` tokens; at most
 * ESP_STARTUP_RUNGS_MAX steps. size 0: no start-up. -ENOMEM. */
int esp_startup_init(struct esp_startup *s,
                     uint32_t size,
                     int steps,
                     double tokens_min,
                     double horizon,
                     double eta);
void esp_startup_release(struct esp_startup *s);

/* The folds. */
void esp_startup_observed(struct esp_startup *s, uint32_t trial, int64_t tokens, double loss);
void esp_startup_ended(struct esp_startup *s, uint32_t trial);
void esp_startup_returned(struct esp_startup *s, uint32_t trial);

/* Tokens to which a trial at a rung goes on (INT64_MAX: its horizon); 0: it waits there. */
int64_t esp_startup_onward(const struct esp_startup *s, uint32_t trial);
/* The `rank`-th trial (from 1) of those that go on from a rung, once all trials have a loss
 * there or have ended; -1: none. */
int64_t esp_startup_next(const struct esp_startup *s, int rung, uint32_t rank);
/* The rung of a trial; -1: none. */
int esp_startup_rung(const struct esp_startup *s, uint32_t trial);
/* Sets rung, rank and the adjusted losses that a trial at a rung was compared with. */
void esp_startup_explain(const struct esp_startup *s,
                         uint32_t trial,
                         struct esp_reason *reason);

#endif
