/* A scheduler answers two questions. A slot is free: start a new trial, or continue which
 * paused one, and until where? A report came: continue until where, pause, or prune?
 *
 * Pure: its state is a fold of the events that it was given. The questions change nothing; a
 * verdict takes effect when it is passed to `decided`. A scheduler's trials are settings: it
 * does not see repeats of a setting with another seed (repeat.h), and its numbers are converted
 * to and from the study's. Losses are smaller-is-better; NaN and infinities may occur and are
 * worse than every number. The cost of a decision grows with the number of trials by a
 * logarithm at most. Amounts of training are in tokens. */
#ifndef ESPALIER_STOP_SCHEDULER_H
#define ESPALIER_STOP_SCHEDULER_H

#include "cost.h"
#include "repeat.h"

#include <espalier/event.h>
#include <espalier/study.h>

struct esp_scheduler;

/* A budget in full trainings; infinite where it has no limit, or while the cost of a training
 * is unknown. What is left excludes what is spent and what is committed to live trials. */
struct esp_trainings {
    double whole;
    double left;
    double tokens, seconds; /* left; infinite where no limit applies to them */
    double rate;            /* mean seconds per token so far; 0: none yet */
};

/* State of the study when a slot is free, or if it were. */
struct esp_slot_view {
    bool may_create;             /* run_cap, budget and sampler allow a new trial */
    uint32_t next_trial;         /* number of that trial */
    uint32_t live;               /* trials that are assigned, running, pausing or stopping */
    int device;                  /* class of the slot's device */
    bool may_repeat;             /* run_cap allows a training with another seed */
    int64_t run_cap;             /* current value; 0: none */
    struct esp_trainings budget; /* all 0: there is none */
};

struct esp_scheduler_ops {
    /* Optional: what is wrong with the keys of a study file taken together, each of which is
     * right alone. NULL: nothing. */
    const char *(*fault)(const struct esp_stopping *stopping);
    int (*create)(const struct esp_study *study, void **self, struct esp_error *error);
    void (*destroy)(void *self);
    /* Optional, called once after `create`: predicted costs of training, kept up to date by the
     * caller, by settings. Borrowed. */
    void (*costs)(void *self, const struct esp_cost *cost);
    /* A trial was created; `horizon` is its last step in tokens. In the order of trials. */
    void (*created)(void *self, uint32_t trial, int64_t horizon, const double *values);
    /* A loss was recorded; tokens grow within a trial. `device_seconds` is cumulative. */
    void (*observed)(
        void *self, uint32_t trial, int64_t tokens, double loss, double device_seconds);
    /* A verdict was recorded; also the user's and the core's own (pause, stop, restart). */
    void (*decided)(void *self, const struct esp_verdict *verdict);
    /* The trial waits, with a checkpoint where it can save (PAUSED). `slot` must not name it
     * when it is `held`. */
    void (*paused)(void *self, uint32_t trial, bool held);
    /* The trial has left the search; the user may bring it back (`returned`). */
    void (*ended)(void *self, uint32_t trial, enum esp_cause cause);
    void (*returned)(void *self, uint32_t trial);
    /* A slot is free: START, CONTINUE a paused trial, END the study, or NONE (wait). */
    struct esp_verdict (*slot)(const void *self, const struct esp_slot_view *view);
    /* After `observed`: CONTINUE until where, PAUSE, PRUNE, END, or NONE (go on as directed).
     * `waiting`: the trial has reached its `until` and is idle; NONE is then allowed only at
     * its horizon. The view is that of its slot, if that were free. */
    struct esp_verdict (*report)(const void *self,
                                 uint32_t trial,
                                 bool waiting,
                                 const struct esp_slot_view *view);
    /* Optional: a refit of the scheduler's model, as numbers to record (their count; 0: no
     * refit is due), and taking such numbers over, as a sampler's. */
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

/* Whether a trial has reached metric.target; `verdict` then ends the search and names it. */
bool esp_scheduler_target(const struct esp_scheduler *scheduler, struct esp_verdict *verdict);

/* Creates the scheduler that the study uses (registry.h). -EINVAL: a setting that does not fit
 * the study; -ENOMEM. The study must outlive it. */
int esp_scheduler_create(const struct esp_study *study,
                         struct esp_scheduler **out,
                         struct esp_error *error);
void esp_scheduler_destroy(struct esp_scheduler *scheduler);
/* Sets the scores of finished studies that discards are calibrated on (discard.h). Call once,
 * before the first trial; the array is not kept. */
void esp_scheduler_calibrated(struct esp_scheduler *s, const double *scores, int count);
void esp_scheduler_created(struct esp_scheduler *s,
                           uint32_t trial,
                           int64_t horizon,
                           const double *values);
/* An attempt continues from here (cost.h). Without this call it continues where the trial was
 * last observed, on the same device. Devices are given as classes, numbered in the order in
 * which they first appeared. */
void esp_scheduler_started(
    struct esp_scheduler *s, uint32_t trial, int device, int64_t tokens, double device_seconds);
/* A repeat of trial `of` with another seed was created. */
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
/* START, CONTINUE, END, NONE, or REPEAT of a trial's settings, if the budget covers it to the
 * horizon. A trial that is continued may have been discarded; it then begins again. */
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
void esp_scheduler_plan_repeats(const struct esp_scheduler *s,
                                const struct esp_tied *tied,
                                double horizon,
                                struct esp_repeat_plan *out);
double esp_scheduler_repeat_plan_seconds(const struct esp_scheduler *s,
                                         const struct esp_tied *tied,
                                         const struct esp_repeat_plan *further,
                                         int device,
                                         double rate);
/* Whether a slot that sees this view goes to a leader of a tie before anything else, because no
 * more of the budget is left than what is kept for that. */
bool esp_scheduler_repeats_first(const struct esp_scheduler *s,
                                 const struct esp_slot_view *view);
/* Score of this study, for later studies to calibrate on (discard.h); NaN while no trial is
 * complete. */
double esp_scheduler_score(const struct esp_scheduler *s);
/* Predicted device seconds per token of a trial on this class of devices (cost.h); a repeat has
 * the rate of its setting. NaN while nothing has run on such a device. */
double esp_scheduler_rate(const struct esp_scheduler *s, uint32_t trial, int device);
/* Predicted costs by setting, new settings included. */
const struct esp_cost *esp_scheduler_cost(const struct esp_scheduler *s);
/* Number of better trials at a mark beyond which a paused trial is discarded; infinity: none
 * is.
 */
double esp_scheduler_limit(const struct esp_scheduler *s);
int esp_scheduler_refit(const struct esp_scheduler *s, double *numbers, int capacity);
void esp_scheduler_fitted(struct esp_scheduler *s, const double *numbers, int count);

#endif
