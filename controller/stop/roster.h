/* State of each trial that every scheduler needs: how far it is, how well it did, whether it
 * waits.
 *
 * A fold of the scheduler's events. Paused trials that the user does not hold (after an
 * interrupt, or a scheduler's own pause) are kept in order, so that a scheduler which never
 * pauses can continue them before it starts new ones. */
#ifndef ESPALIER_STOP_ROSTER_H
#define ESPALIER_STOP_ROSTER_H

#include "scheduler.h"
#include "search/loss_ranking.h"

enum esp_roster_state {
    ESP_ROSTER_LIVE, /* queued, or on a process */
    ESP_ROSTER_PAUSED,
    ESP_ROSTER_ENDED,
};

struct esp_roster_trial {
    enum esp_roster_state state;
    bool held;              /* paused by the user, who alone may continue it */
    bool continued_by_user; /* the user continued it after its end: it trains to its horizon */
    int64_t horizon;
    int64_t tokens; /* of the last report; 0: none */
    int64_t until;  /* tokens of the last verdict */
    uint32_t reports;
    double last; /* last loss; NaN: none */
    double best; /* lowest finite loss; infinity: none */
    double device_seconds;
};

struct esp_roster {
    struct esp_roster_trial *trials;
    uint32_t count, capacity;
    struct esp_loss_ranking waiting; /* paused and not held, by number (with loss 0) */
};

void esp_roster_init(struct esp_roster *roster);
void esp_roster_release(struct esp_roster *roster);

/* The folds: each is called by the scheduler's function of the same name. */
void esp_roster_created(struct esp_roster *roster, uint32_t trial, int64_t horizon);
void esp_roster_observed(struct esp_roster *roster,
                         uint32_t trial,
                         int64_t tokens,
                         double loss,
                         double device_seconds);
void esp_roster_decided(struct esp_roster *roster, const struct esp_verdict *verdict);
void esp_roster_paused(struct esp_roster *roster, uint32_t trial, bool held);
void esp_roster_ended(struct esp_roster *roster, uint32_t trial, enum esp_cause cause);
void esp_roster_returned(struct esp_roster *roster, uint32_t trial);

/* The state of a trial; fails an assertion when it does not exist. */
const struct esp_roster_trial *esp_roster_get(const struct esp_roster *roster, uint32_t trial);

/* Verdicts, with a reason without numbers. */
struct esp_verdict esp_verdict_none(enum esp_rule rule);
struct esp_verdict esp_verdict_make(enum esp_verdict_action action,
                                    int64_t trial,
                                    int64_t until,
                                    enum esp_rule rule);

/* What schedulers that never pause a trial answer to a free slot: continue a waiting trial,
 * else start a new one, always to the horizon; END when there is nothing to do and nothing
 * runs. */
struct esp_verdict esp_roster_slot_to_horizon(const struct esp_roster *roster,
                                              const struct esp_slot_view *view);
/* What they answer to a report that gives no reason to stop. */
struct esp_verdict
esp_roster_report_to_horizon(const struct esp_roster *roster, uint32_t trial, bool waiting);

/* `until` of a new trial that runs to its horizon: the core, which alone knows the horizon
 * before the trial is created, lowers it to that. */
#define ESP_UNTIL_HORIZON INT64_MAX

#endif
