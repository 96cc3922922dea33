/* What every scheduler knows of each trial: how far it is, how well it did, whether it waits.
 *
 * A fold of what the scheduler is told. Trials that wait unfinished without anyone having asked
 * for it (an interrupt, a scheduler's own pause) are kept in order, so that a scheduler which
 * never pauses can pick them up before it starts new ones. */
#ifndef ESPALIER_STOP_ROSTER_H
#define ESPALIER_STOP_ROSTER_H

#include "scheduler.h"
#include "search/loss_ranking.h"

enum esp_roster_state {
    ESP_ROSTER_LIVE, /* queued, or somewhere on a process */
    ESP_ROSTER_PAUSED,
    ESP_ROSTER_ENDED,
};

struct esp_roster_trial {
    enum esp_roster_state state;
    bool held; /* paused by the user: not ours to continue */
    bool
        insisted; /* the user brought it back after its end: train it, whatever the rule says */
    int64_t horizon;
    int64_t tokens; /* of the last report; 0: none */
    int64_t until;  /* where it was last sent */
    uint32_t reports;
    double last; /* NaN: none */
    double best; /* of the finite ones; infinity: none */
    double device_seconds;
};

struct esp_roster {
    struct esp_roster_trial *trials;
    uint32_t count, capacity;
    struct esp_loss_ranking waiting; /* paused and not held, by number (their loss is 0) */
};

void esp_roster_init(struct esp_roster *roster);
void esp_roster_release(struct esp_roster *roster);

/* The folds; each is to be called by the scheduler's function of the same name. */
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

/* A trial that exists; asserts. */
const struct esp_roster_trial *esp_roster_get(const struct esp_roster *roster, uint32_t trial);

/* Verdicts, with a reason without numbers. */
struct esp_verdict esp_verdict_none(enum esp_rule rule);
struct esp_verdict esp_verdict_make(enum esp_verdict_action action,
                                    int64_t trial,
                                    int64_t until,
                                    enum esp_rule rule);

/* The answer of schedulers that never pause a trial: continue what waits, else start a new one,
 * always to the horizon; the end when there is nothing to do and nothing runs. */
struct esp_verdict esp_roster_slot_to_horizon(const struct esp_roster *roster,
                                              const struct esp_slot_view *view);
/* And to a report that gives no cause to act. */
struct esp_verdict
esp_roster_report_to_horizon(const struct esp_roster *roster, uint32_t trial, bool waiting);

/* Where a new trial is sent that shall run to its end: the core shortens it to the horizon,
 * which it alone knows before the trial is created. */
#define ESP_UNTIL_HORIZON INT64_MAX

#endif
