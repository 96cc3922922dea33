/* What the files of the group share: group.c (members come and go), group_step.c (work and
 * report points), group_save.c (checkpoints). */
#ifndef ESPALIER_TRIAL_GROUP_PRIVATE_H
#define ESPALIER_TRIAL_GROUP_PRIVATE_H

#include "data.h"
#include "group.h"
#include "model/model.h"

struct esp_checkpoint;

struct member {
    enum esp_group_state state;
    struct esp_trainer trainer;
    int64_t steps;       /* of the whole training */
    int64_t step_tokens; /* batch_size · context */
    int64_t until;       /* tokens, ≤ steps · step_tokens */

    int64_t step;          /* updates done */
    int64_t gathered;      /* sequences of the next update whose gradients are in the slab */
    int64_t reported_step; /* −1: none */
    double loss_sum;       /* training losses since the last report, nats … */
    int64_t loss_count;    /* … and tokens */
    double device_seconds;

    bool validating;
    int64_t window; /* the next of the validation */
    struct esp_model_loss validation;

    double val_loss; /* of the last report, NaN before */
    double train_loss;
    double grad_norm; /* of the last step */
    double tokens_per_second;
    double mark_seconds; /* device seconds at the last report or the join … */
    int64_t mark_tokens; /* … and tokens */
};

struct esp_group {
    const struct esp_kernels *kernels;
    struct esp_kernels
        *own_kernels;           /* in the trainer's precision, where it is another; or NULL */
    struct esp_trainer trainer; /* as given at creation: the shapes */
    struct esp_data *data;
    struct esp_model *model;
    int64_t context;
    int64_t windows; /* of a validation */
    int micro_batch;
    int slots;
    struct member *members;           /* [slots] */
    struct esp_model_input *inputs;   /* [slots] */
    struct esp_model_update *updates; /* [slots] */
    struct esp_model_loss *losses;    /* [slots] */
    struct esp_model_result *results; /* [slots] */
    int32_t *tokens, *targets;        /* [slots, micro_batch, context] */
};

static inline int64_t esp_group_member_tokens(const struct member *member)
{
    return member->step * member->step_tokens;
}

/* Takes weights, optimizer state and integers of a checkpoint into a freshly initialised
 * member. */
int esp_group_load(struct esp_group *group,
                   int slot,
                   const char *path,
                   struct esp_error *error);

/* Only the weights, for trainer.init_from. */
int esp_group_load_weights(struct esp_group *group,
                           int slot,
                           const char *path,
                           struct esp_error *error);

#endif
