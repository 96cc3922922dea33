/* Shared declarations of the group's files: group.c (joining and leaving), group_step.c (work
 * and report points), group_results.c (results of enqueued work), group_save.c (checkpoints).
 */
#ifndef ESPALIER_TRIAL_GROUP_PRIVATE_H
#define ESPALIER_TRIAL_GROUP_PRIVATE_H

#include "data.h"
#include "group.h"
#include "model/model.h"

struct esp_checkpoint;

/* Pieces of work that may be enqueued before their results are read: enough to keep the device
 * busy while the host handles messages, few enough that a directive takes effect within 16
 * micro-steps. Unused where operations finish when they are enqueued. */
#define ESP_GROUP_AHEAD 16

struct member {
    enum esp_group_state state;
    /* Number of the slot's occupant; results of an earlier one are discarded. */
    uint64_t generation;
    unsigned pending; /* bits of an event that is not emitted yet */
    struct esp_trainer trainer;
    int64_t steps;       /* steps of the whole training */
    int64_t step_tokens; /* batch_size · context */
    int64_t until;       /* tokens, ≤ steps · step_tokens */

    int64_t step;          /* enqueued updates; all are done when no piece is pending */
    int64_t accumulated;   /* sequences of the next update whose gradients are accumulated */
    int64_t reported_step; /* −1: none */
    double loss_sum;       /* sum of training losses since the last report, nats … */
    int64_t loss_count;    /* … and their number of tokens */
    double device_seconds;

    bool validating;
    int64_t window; /* next window of the validation */
    struct esp_model_loss validation;

    double val_loss; /* of the last report, NaN before */
    double train_loss;
    double grad_norm; /* of the last step */
    double tokens_per_second;
    double mark_seconds; /* device seconds at the last report or at the join … */
    int64_t mark_tokens; /* … and tokens */
};

/* A member's part in a pending piece of work. */
struct part {
    uint64_t generation; /* 0: the member has no part */
    bool validates;
    int64_t step; /* the member's step after this piece's update; 0: no update */
};

struct piece {
    int workers;        /* members that share its time */
    struct part *parts; /* [slots] */
};

struct esp_group {
    const struct esp_kernels *kernels;
    /* Opened for the trainer's precision, if that differs; else NULL. */
    struct esp_kernels *own_kernels;
    struct esp_trainer trainer; /* as given at creation: the group's shapes */
    struct esp_data *data;
    struct esp_model *model;
    int64_t context;
    int64_t windows; /* windows of a validation */
    int micro_batch; /* largest number of sequences at a time */
    int slots;
    struct member *members;               /* [slots] */
    struct esp_model_input *inputs;       /* [slots] */
    struct esp_model_update *updates;     /* [slots] */
    struct esp_model_loss *losses;        /* [slots] */
    struct esp_model_result *results;     /* [slots] */
    int32_t *tokens, *targets;            /* [slots, micro_batch, context] */
    uint64_t generations;                 /* number of members that ever joined */
    struct piece pieces[ESP_GROUP_AHEAD]; /* pending, as a ring */
    struct part *parts;                   /* [ESP_GROUP_AHEAD, slots] */
    int first_piece, piece_count;
};

static inline int64_t esp_group_member_tokens(const struct member *member)
{
    return member->step * member->step_tokens;
}

/* Number of sequences in which a member with batches of `count` sequences computes them, or in
 * which a validation of `count` windows is done: all of them, or as many equal parts as the
 * micro-batch requires, so that almost no unused row is computed. Members with the same frame
 * are computed in one launch. A member's frame, and so its bits, depend only on its own batch
 * size. */
int64_t esp_group_frame(const struct esp_group *group, int64_t count);

/* An empty entry for the piece that is being enqueued, after the pending ones. Fewer than
 * ESP_GROUP_AHEAD must be pending. */
struct piece *esp_group_new_piece(struct esp_group *group);

/* Takes the results of finished pieces. When more than `most` are pending, waits until only
 * `most` are. A member that is found to be not finite is ENDED at that step, with its event
 * pending. */
int esp_group_take_results(struct esp_group *group, int most, struct esp_error *error);

/* Closes a report: averages what was accumulated since the last one into the member's point. */
void esp_group_close_report(struct member *member, double val_loss);

/* Emits pending events; writes at most `slots` events and their number. */
void esp_group_emit_pending(struct esp_group *group,
                            struct esp_group_event *events,
                            int *event_count);

/* Loads weights, optimizer state and integers of a checkpoint into a freshly initialised
 * member. */
int esp_group_load(struct esp_group *group,
                   int slot,
                   const char *path,
                   struct esp_error *error);

/* Loads only weights, for trainer.init_from. */
int esp_group_load_weights(struct esp_group *group,
                           int slot,
                           const char *path,
                           struct esp_error *error);

#endif
