/* A scheduler answers two questions (DESIGN 7): a slot is free, start a new trial or continue
 * which paused one, until where? And: a report came, continue until where, pause, or prune?
 *
 * Pure: its state is a fold of what it was told. The two questions change nothing; a verdict
 * counts once `decided` was told of it. A scheduler's trials are settings: repeats of a setting
 * with another seed are kept from it (repeat.h), and its numbers are turned into those of the
 * study and back. Losses are smaller-is-better; NaN and infinities may be
 * asked about and are worse than everything. A decision's cost does not grow with the number of
 * trials beyond a logarithm. Fidelity is tokens seen. */
#ifndef ESPALIER_STOP_SCHEDULER_H
#define ESPALIER_STOP_SCHEDULER_H

#include "cost.h"
#include "repeat.h"

#include <espalier/event.h>
#include <espalier/study.h>

struct esp_scheduler;

/* A budget in trainings to the horizon; both infinite where it has no limit, or nothing tells
 * yet what a training costs. What is left is beyond what is spent and what is promised to live
 * trials. */
struct esp_trainings {
    double whole;
    double left;
    double tokens, seconds; /* left; infinite where no limit speaks of them */
    double rate;            /* seconds that a token took so far, in the mean; 0: none yet */
};

/* What the core knows when a slot is free, or would be. */
struct esp_slot_view {
    bool may_create;             /* run_cap, budget and sampler allow a new trial */
    uint32_t next_trial;         /* its number */
    uint32_t live;               /* trials assigned, running, pausing or stopping now */
    int device;                  /* the class of the slot's device */
    bool may_repeat;             /* run_cap allows a training with another seed */
    int64_t run_cap;             /* as it is now; 0: none */
    struct esp_trainings budget; /* all 0: as if there were none */
};

struct esp_scheduler_ops {
    /* Optional: what is wrong with the keys of a study file taken together, each of which is
     * right alone. NULL: nothing. */
    const char *(*fault)(const struct esp_stopping *stopping);
    int (*create)(const struct esp_study *study, void **self, struct esp_error *error);
    void (*destroy)(void *self);
    /* Optional, called once after `create`: what training costs, kept up to date beside self.
     * Its trials are settings, as the scheduler's. */
    void (*costs)(void *self, const struct esp_cost *cost);
    /* A trial exists; `horizon` is its last step in tokens. Told in trial order. */
    void (*created)(void *self, uint32_t trial, int64_t horizon, const double *values);
    /* A recorded loss; tokens grow within a trial. `device_seconds` is cumulative. */
    void (*observed)(
        void *self, uint32_t trial, int64_t tokens, double loss, double device_seconds);
    /* A verdict was recorded (also the user's and the core's own: pause, stop, restart). */
    void (*decided)(void *self, const struct esp_verdict *verdict);
    /* The trial now waits, saved (PAUSED); `held` ones must not be named by `slot`. */
    void (*paused)(void *self, uint32_t trial, bool held);
    /* The trial has left the search for good, or for now (the user may bring it back:
     * `returned`). */
    void (*ended)(void *self, uint32_t trial, enum esp_cause cause);
    void (*returned)(void *self, uint32_t trial);
    /* A slot is free: START, CONTINUE a paused trial, END the study, or NONE (wait). */
    struct esp_verdict (*slot)(const void *self, const struct esp_slot_view *view);
    /* After `observed`: CONTINUE until where, PAUSE, PRUNE, END, or NONE (go on as directed).
     * `waiting` says that the trial has reached its `until` and idles: NONE is then not allowed
     * unless it has reached its horizon. The view is that of its slot, were it free. */
    struct esp_verdict (*report)(const void *self,
                                 uint32_t trial,
                                 bool waiting,
                                 const struct esp_slot_view *view);
    /* Optional: a paused trial to be discarded for good, or NONE. Asked after every batch. A
     * scheduler is not told of those that the calibrated rule gives up (discard.h). */
    struct esp_verdict (*discard)(const void *self);
    /* Optional, as a sampler's. */
    int (*refit)(const void *self, double *numbers, int capacity);
    void (*fitted)(void *self, const double *numbers, int count);
};

/* Each scheduler's file defines its operations; registry.c has a row for each. */
extern const struct esp_scheduler_ops esp_scheduler_none;
extern const struct esp_scheduler_ops esp_scheduler_asha;
extern const struct esp_scheduler_ops esp_scheduler_median;
extern const struct esp_scheduler_ops esp_scheduler_percentile;
extern const struct esp_scheduler_ops esp_scheduler_hyperband;
extern const struct esp_scheduler_ops esp_scheduler_halving;
extern const struct esp_scheduler_ops esp_scheduler_pasha;
extern const struct esp_scheduler_ops esp_scheduler_cut;
extern const struct esp_scheduler_ops esp_scheduler_freeze_thaw;
extern const struct esp_scheduler_ops esp_scheduler_patience;
extern const struct esp_scheduler_ops esp_scheduler_threshold;
extern const struct esp_scheduler_ops esp_scheduler_wandb_hyperband;

/* Creates the scheduler that the study uses (registry.h). -EINVAL: a setting that does not fit
 * the study; -ENOMEM. The study must outlive it. */
int esp_scheduler_create(const struct esp_study *study,
                         struct esp_scheduler **out,
                         struct esp_error *error);
void esp_scheduler_destroy(struct esp_scheduler *scheduler);
/* Scores of finished studies that paused trials are given up by (discard.h); told once, before
 * the first trial. The array may go afterwards. */
void esp_scheduler_calibrated(struct esp_scheduler *s, const double *scores, int count);
void esp_scheduler_created(struct esp_scheduler *s,
                           uint32_t trial,
                           int64_t horizon,
                           const double *values);
/* An attempt goes on from here (cost.h). Not told: where the trial was last observed, on the
 * same device. Devices come as classes, small numbers in order of their first appearance. */
void esp_scheduler_started(
    struct esp_scheduler *s, uint32_t trial, int device, int64_t tokens, double device_seconds);
/* Trial `of` again, with another seed. */
void esp_scheduler_repeated(struct esp_scheduler *s,
                            uint32_t trial,
                            uint32_t of,
                            int64_t horizon);
void esp_scheduler_observed(struct esp_scheduler *s,
                            uint32_t trial,
                            int64_t tokens,
                            double loss,
                            double device_seconds);
void esp_scheduler_decided(struct esp_scheduler *s, const struct esp_verdict *verdict);
void esp_scheduler_paused(struct esp_scheduler *s, uint32_t trial, bool held);
void esp_scheduler_ended(struct esp_scheduler *s, uint32_t trial, enum esp_cause cause);
void esp_scheduler_returned(struct esp_scheduler *s, uint32_t trial);
/* Beside START, CONTINUE, END and NONE: REPEAT the settings of a trial, which the view's budget
 * pays to the horizon. What is continued may have been given up (DISCARD): it begins anew then.
 */
struct esp_verdict esp_scheduler_slot(const struct esp_scheduler *s,
                                      const struct esp_slot_view *view);
struct esp_verdict esp_scheduler_report(const struct esp_scheduler *s,
                                        uint32_t trial,
                                        bool waiting,
                                        const struct esp_slot_view *view);
/* DISCARD or SPARE of a paused trial, or NONE. */
struct esp_verdict esp_scheduler_discard(const struct esp_scheduler *s);
/* Losses of all seeds of a setting, by its first trial, and the seed noise. */
const struct esp_seeds *esp_scheduler_seeds(const struct esp_scheduler *s, uint32_t trial);
double esp_scheduler_noise(const struct esp_scheduler *s);
/* Settings that tie now, the trainings that would tell them apart, and the device seconds that
 * these take at the rates predicted on this device, or at `rate` seconds per token where none
 * is known. */
void esp_scheduler_tied(const struct esp_scheduler *s, struct esp_tied *out);
void esp_scheduler_further(const struct esp_scheduler *s,
                           const struct esp_tied *tied,
                           double horizon,
                           struct esp_further_seeds *out);
double esp_scheduler_further_seconds(const struct esp_scheduler *s,
                                     const struct esp_tied *tied,
                                     const struct esp_further_seeds *further,
                                     int device,
                                     double rate);
/* Whether a slot that sees this view goes to a leader of a tie before anything else, because no
 * more of the budget is left than what is kept for that. */
bool esp_scheduler_repeats_first(const struct esp_scheduler *s,
                                 const struct esp_slot_view *view);
/* What later studies calibrate their discards on (discard.h); NaN while no trial is complete.
 */
double esp_scheduler_score(const struct esp_scheduler *s);
/* Device seconds that a token of the trial takes on this class of devices, as far as was told
 * (cost.h); a repeat takes what its setting does. NaN while nothing is known of the device. */
double esp_scheduler_rate(const struct esp_scheduler *s, uint32_t trial, int device);
/* How many may be better at a mark; infinity: nothing is given up. */
double esp_scheduler_limit(const struct esp_scheduler *s);
int esp_scheduler_refit(const struct esp_scheduler *s, double *numbers, int capacity);
void esp_scheduler_fitted(struct esp_scheduler *s, const double *numbers, int count);

#endif
