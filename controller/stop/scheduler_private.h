/* What scheduler.c and scheduler_decide.c share.
 *
 * The study's scheduler ("the inner scheduler" here) counts settings, and so do the rule for
 * discards and the costs of training: repeats are hidden from them. Costs are learned from the
 * first trials of settings alone, for repeats come when hardly anything is left to choose. */
#ifndef ESPALIER_STOP_SCHEDULER_PRIVATE_H
#define ESPALIER_STOP_SCHEDULER_PRIVATE_H

#include "discard.h"
#include "repeat.h"
#include "scheduler.h"
#include "search/setting_numbers.h"

struct esp_scheduler {
    const struct esp_scheduler_ops *ops; /* of the inner scheduler */
    void *self;
    struct esp_study *inner_study; /* without the trials kept for repeats; NULL: the study */
    struct esp_setting_numbers numbers;
    uint32_t count; /* trials, repeats included */
    bool has_target;
    double target;        /* as a loss: smaller is better */
    int64_t target_trial; /* the trial that reached it; -1: none yet */
    double target_loss;   /* of that trial, when it did */
    int64_t target_tokens;
    struct esp_discard discard;
    struct esp_cost *cost;
    struct esp_repeat repeat;
    bool repeats_given; /* the study file asks for repeats */
};

/* Sets the setting of a trial in the inner scheduler's numbers; false: the trial is a repeat.
 */
bool esp_scheduler_setting(const struct esp_scheduler *s, uint32_t trial, uint32_t *setting);
/* A verdict of the inner scheduler, in the study's trial numbers. */
struct esp_verdict esp_scheduler_outward(const struct esp_scheduler *s,
                                         struct esp_verdict verdict);

#endif
