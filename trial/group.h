/* A group of members: up to `capacity` trials of the same shapes, trained side by side over one
 * model. One thread calls it; it never waits on anything but the device.
 *
 * A member occupies a slot, 0 … capacity − 1:
 *
 *   EMPTY --join--> ACTIVE --until reached--> HELD --until raised--> ACTIVE
 *   ACTIVE --last step--> ENDED     ACTIVE --loss not finite--> ENDED
 *   any but EMPTY --leave--> EMPTY
 *
 * `esp_group_step` does one piece of work for every active member: a micro-step of training (a
 * batch of batch_size sequences may take several) or a part of a validation. The caller reads
 * its messages between two calls, so a process answers within one piece of work, whatever the
 * model's size.
 *
 * Report points of a member: step 0 before any training; the first step whose tokens are at or
 * above each multiple of report_every (0: a 25th of the tokens at the last step); the step at
 * which `until` is reached; the last step. No step is reported twice, and a resumed member
 * continues the series as if it had never stopped.
 *
 * A member's numbers depend only on its own trainer: not on the other members, its slot, or
 * when they join or leave. A test checks this bit for bit. */
#ifndef ESPALIER_TRIAL_GROUP_H
#define ESPALIER_TRIAL_GROUP_H

#include <espalier/error.h>
#include <espalier/trainer.h>
#include <stdbool.h>
#include <stdint.h>

struct esp_data;
struct esp_kernels;
struct esp_group;
struct esp_model;

/* One point of a member's curve. Losses are nats per token. */
struct esp_group_point {
    int64_t step;             /* completed updates */
    int64_t tokens;           /* step · batch_size · context */
    double device_seconds;    /* this member's share since its first step, over all attempts */
    double val_loss;          /* NaN when ESP_GROUP_NOT_FINITE */
    double train_loss;        /* mean over the steps since the last report; NaN: no steps */
    double grad_norm;         /* of the last step, before the clip; NaN at step 0 */
    double learning_rate;     /* of the last step; at step 0 that of the first one */
    double tokens_per_second; /* per device second, since the last report or the join; NaN at
                                 first */
};

/* Bits of `what`. */
#define ESP_GROUP_REPORT 1u  /* `point` is new and has to be sent */
#define ESP_GROUP_UNTIL 2u   /* reached its `until` and is HELD (not set at the horizon) */
#define ESP_GROUP_HORIZON 4u /* completed its last step and is ENDED */
#define ESP_GROUP_NOT_FINITE                                                                   \
    8u /* a loss or gradient is NaN or infinite; ENDED; always with REPORT */

struct esp_group_event {
    int slot;
    unsigned what;
    struct esp_group_point point; /* at the member's current step, also without REPORT */
};

enum esp_group_state {
    ESP_GROUP_EMPTY,
    ESP_GROUP_ACTIVE,
    ESP_GROUP_HELD,
    ESP_GROUP_ENDED,
};

/* Number of members of `trainer`'s shape that one process can host on this device, from a dry
 * run of the memory plan: 1 … ESP_MEMBERS_MAX. On a CPU it is 1: members run one after another
 * there, so more would gain nothing. */
int esp_group_capacity(const struct esp_kernels *kernels, const struct esp_trainer *trainer);

/* Creates an empty group for members with the shapes, precision, optimizer and data of
 * `trainer` (esp_trainer_group), opens the data and allocates everything that training needs.
 * `trainer` is copied; `kernels` is borrowed, and opened again if the trainer has another
 * precision. 1 ≤ capacity ≤ ESP_MEMBERS_MAX. If the device has not enough memory, the group has
 * fewer slots (esp_group_slots), at least with a micro-batch of one. -EINVAL: the data is
 * missing, too short, mixed, or does not fit the vocabulary, or the settings contradict each
 * other; -ENOMEM: the error states the bytes needed; -ENOTSUP: the device does not support the
 * precision. *group is set on success only. */
int esp_group_create(const struct esp_kernels *kernels,
                     const struct esp_trainer *trainer,
                     int capacity,
                     struct esp_group **group,
                     struct esp_error *error);

/* Frees everything; members are dropped without saving. NULL is allowed. */
void esp_group_destroy(struct esp_group *group);

/* Adds a member to an EMPTY slot, fresh or from the checkpoint at `resume` (NULL: fresh). Its
 * `until` is the horizon. A failure leaves the slot EMPTY and the other members unchanged:
 * -EINVAL: other shapes than the group's, or the checkpoint belongs to other settings or data;
 * -EBADMSG: the checkpoint is truncated or damaged (the error names the tensor), so try an
 * older one; -EPROTONOSUPPORT: a newer version wrote it; -ENOENT and other errno of open. */
int esp_group_join(struct esp_group *group,
                   int slot,
                   const struct esp_trainer *trainer,
                   const char *resume,
                   struct esp_error *error);

/* Trains the member until its first step with tokens ≥ `tokens`, at most to its horizon; 0 or
 * less means the horizon. A HELD member becomes ACTIVE when that is ahead. When the member has
 * already reached it, the next step call emits ESP_GROUP_UNTIL (and REPORT unless that step was
 * reported). */
void esp_group_until(struct esp_group *group, int slot, int64_t tokens);

/* One piece of work for all active members. Writes at most `esp_group_slots` events, one per
 * slot, and their number. Returns 0, or 1 when no member is active (nothing was done, and the
 * caller should wait for messages). -EIO and others: the device failed and the group can only
 * be destroyed. */
int esp_group_step(struct esp_group *group,
                   struct esp_group_event *events,
                   int *event_count,
                   struct esp_error *error);

/* On a device, step calls enqueue up to 16 pieces before their results are read; only report
 * points wait for the device. This function waits for everything that was enqueued and takes
 * its results, so that esp_group_point is up to date, and writes the events of members that
 * were found to be not finite, as a step call would. Call it before deciding about a member
 * between report points. On a CPU there is never anything to wait for. Fails like
 * esp_group_step. */
int esp_group_collect(struct esp_group *group,
                      struct esp_group_event *events,
                      int *event_count,
                      struct esp_error *error);

/* Writes the member's checkpoint to `path`, whose directory must exist: temporary file, fsync,
 * rename, fsync of the directory. It holds the member as of its last completed step (an
 * incomplete batch is accumulated again after resuming, with the same numbers), so it may be
 * called between any two step calls, in every state but EMPTY; it waits for enqueued work.
 * `bytes` and `hash` (XXH3 of the file) are for the message Saved. -ENOSPC and other errno:
 * nothing is left behind, an older file at `path` stays, and the member is unchanged. */
int esp_group_save(struct esp_group *group,
                   int slot,
                   const char *path,
                   int64_t *bytes,
                   uint64_t *hash,
                   struct esp_error *error);

/* Empties the slot; the other members are not affected. Does nothing when it is EMPTY. */
void esp_group_leave(struct esp_group *group, int slot);

/* Queries. `esp_group_point` is the member's current state: its losses are those of the last
 * report (NaN before the first). Step and tokens include enqueued work; times do not
 * (esp_group_collect). */
int esp_group_slots(const struct esp_group *group);
int esp_group_active(
    const struct esp_group *group); /* ACTIVE members, and those with a pending event */
enum esp_group_state esp_group_state(const struct esp_group *group, int slot);
const struct esp_trainer *esp_group_trainer(const struct esp_group *group, int slot);
struct esp_group_point esp_group_point(const struct esp_group *group, int slot);
int64_t esp_group_horizon(const struct esp_group *group,
                          int slot); /* tokens at the last step */
struct esp_model *esp_group_model(const struct esp_group *group);
const struct esp_kernels *esp_group_kernels(const struct esp_group *group);
bool esp_group_accepts(const struct esp_group *group, const struct esp_trainer *trainer);

#endif
