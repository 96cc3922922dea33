/* What the files of the group share: group.c (members come and go), group_step.c (work and
 * report points), group_ahead.c (results of work that was enqueued), group_save.c
 * (checkpoints). */
#ifndef ESPALIER_TRIAL_GROUP_PRIVATE_H
#define ESPALIER_TRIAL_GROUP_PRIVATE_H

#include "data.h"
#include "group.h"
#include "model/model.h"

struct esp_checkpoint;

/* Pieces of work that a device is given ahead of their results: enough that it has something to
 * do while the host sees to messages, few enough that a directive waits for no more than 16
 * micro-steps. Where operations are done at once, there is nothing to be ahead of. */
#define ESP_GROUP_AHEAD 16

struct member {
    enum esp_group_state state;
    uint64_t generation; /* of the slot: what is under way for another one is nobody's */
    unsigned pending;    /* bits of an event that is still to be emitted */
    struct esp_trainer trainer;
    int64_t steps;       /* of the whole training */
    int64_t step_tokens; /* batch_size · context */
    int64_t until;       /* tokens, ≤ steps · step_tokens */

    int64_t step;          /* updates enqueued; done, once nothing is under way */
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

/* A member's share in a piece of work under way. */
struct part {
    uint64_t generation; /* 0: it has none */
    bool validates;
    int64_t step; /* the member's with this piece's update; 0: no update */
};

struct piece {
    int workers;        /* members that share its time */
    struct part *parts; /* [slots] */
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
    int micro_batch; /* the most sequences at a time */
    int slots;
    struct member *members;               /* [slots] */
    struct esp_model_input *inputs;       /* [slots] */
    struct esp_model_update *updates;     /* [slots] */
    struct esp_model_loss *losses;        /* [slots] */
    struct esp_model_result *results;     /* [slots] */
    int32_t *tokens, *targets;            /* [slots, micro_batch, context] */
    uint64_t generations;                 /* members that ever joined */
    struct piece pieces[ESP_GROUP_AHEAD]; /* under way, a ring */
    struct part *parts;                   /* [ESP_GROUP_AHEAD, slots] */
    int first_piece, piece_count;
};

static inline int64_t esp_group_member_tokens(const struct member *member)
{
    return member->step * member->step_tokens;
}

/* The sequences at a time in which a member with batches of `count` goes through them, or a
 * validation of `count` windows is done: all of them, or as many equal parts as the micro-batch
 * makes needful, so that nearly no row is computed in vain. Members with one frame go in one
 * launch; a member's frame, and so its bits, depend on its own batch size alone. */
int64_t esp_group_frame(const struct esp_group *group, int64_t count);

/* A place for the piece that is being enqueued, empty, behind those under way. Fewer than
 * ESP_GROUP_AHEAD may be. */
struct piece *esp_group_new_piece(struct esp_group *group);

/* Takes the results of pieces that are done; with `most` of those under way at most so many are
 * left, which may have to be waited for. A member found not finite is ENDED at the step where
 * that was, with its event pending. */
int esp_group_take_results(struct esp_group *group, int most, struct esp_error *error);

/* Closes a report: what was gathered since the last one becomes the point. */
void esp_group_close_report(struct member *member, double val_loss);

/* Emits what is pending; writes at most `slots` events and their number. */
void esp_group_emit_pending(struct esp_group *group,
                            struct esp_group_event *events,
                            int *event_count);

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
