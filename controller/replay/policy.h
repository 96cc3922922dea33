/* Which search is replayed, in words, and what that means for a study. */
#ifndef ESPALIER_REPLAY_POLICY_H
#define ESPALIER_REPLAY_POLICY_H

#include "table.h"

struct esp_policy {
    const char *method;
    const char *scheduler; /* a name, or as behind early_terminate in a study file: {type: …} */
    const char *prior;     /* "default": the method's own */
    double eta;            /* 0: the scheduler's own */
    double risk;           /* NaN: the scheduler's own */
    const char *ablate;    /* "curve,schedule,prior", or some of them; NULL: none */
};

/* Whether the scheduler is described in braces: its eta and risk then stand there. */
bool esp_policy_is_described(const struct esp_policy *policy);

/* -EINVAL for an unknown method, scheduler or part, with those that there are, for a scheduler
 * that its name alone does not describe, and for an eta or risk beside a described one. */
int esp_policy_check(const struct esp_policy *policy, struct esp_error *error);

/* Sets the study's method, scheduler and prior, and ablates what the policy names besides what
 * the table does not say. -EINVAL for a prior that cannot be read or names no parameter of the
 * table, and for a described scheduler with faults. */
int esp_policy_apply(const struct esp_policy *policy,
                     const struct esp_table *table,
                     struct esp_study *study,
                     struct esp_error *error);

/* 0 when a study that the policy was applied to can be searched by it, or what creating its
 * sampler or scheduler fails with, behind the option's name. `error` is not NULL. */
int esp_policy_try(const struct esp_policy *policy,
                   const struct esp_study *study,
                   struct esp_error *error);

/* Whether what is trained, and in which order, depends on no loss: then a worse loss of one
 * trial never changes what becomes of another. */
bool esp_policy_is_blind(const struct esp_study *study);

#endif
