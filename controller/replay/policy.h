/* The search that is replayed, as options name it, applied to a study. */
#ifndef ESPALIER_REPLAY_POLICY_H
#define ESPALIER_REPLAY_POLICY_H

#include "table.h"

struct esp_policy {
    const char *method;
    const char
        *scheduler;     /* a name, or a value of early_terminate in a study file: {type: …} */
    const char *prior;  /* "default": the method's default */
    double eta;         /* 0: the scheduler's default */
    double risk;        /* NaN: not given, which is 0 */
    const char *ablate; /* "curve,schedule,prior", or some of them; NULL: none */
};

/* Whether the scheduler is given in braces, with its eta and risk among the keys. */
bool esp_policy_has_inline_scheduler(const struct esp_policy *policy);

/* -EINVAL: an unknown method, scheduler or part (the error lists the known ones), a scheduler
 * that needs keys besides its name, or eta or risk together with braces. */
int esp_policy_check(const struct esp_policy *policy, struct esp_error *error);

/* Sets the study's method, scheduler and prior, and adds the policy's ablations to those of the
 * study. -EINVAL: the prior cannot be read or names no parameter of the table, or a scheduler
 * in braces has faults. */
int esp_policy_apply(const struct esp_policy *policy,
                     const struct esp_table *table,
                     struct esp_study *study,
                     struct esp_error *error);

/* Whether the policy can search a study that it was applied to: 0, or the error of creating its
 * sampler or scheduler, with the option's name before the message. `error` is not NULL. */
int esp_policy_try(const struct esp_policy *policy,
                   const struct esp_study *study,
                   struct esp_error *error);

/* Whether neither the sampler nor the scheduler uses losses, so that the loss of one trial
 * never changes the training of another. */
bool esp_policy_is_blind(const struct esp_study *study);

#endif
