/* The attempts that this process trains, and the groups they are members of. */
#ifndef TRIAL_SERVE_MEMBERS_H
#define TRIAL_SERVE_MEMBERS_H

#include "../group.h"

#include <espalier/kernels.h>
#include <espalier/limits.h>
#include <stdbool.h>
#include <stdint.h>

struct esp_member {
    bool used;
    uint32_t trial, attempt;
    struct esp_group *group;
    int slot;
    uint32_t directive;  /* the latest obeyed */
    int64_t saved_step;  /* −1: not saved in this attempt */
    int64_t saved_at_ms; /* monotonic; of the last save or try, at first of the start */
};

struct esp_members {
    const struct esp_kernels *kernels;
    struct esp_member items[ESP_MEMBERS_MAX];
    struct esp_group *groups[ESP_MEMBERS_MAX]; /* NULL: free */
};

struct esp_member *
esp_members_find(struct esp_members *members, uint32_t trial, uint32_t attempt);
struct esp_member *
esp_members_in_slot(struct esp_members *members, const struct esp_group *group, int slot);

/* A place in a group of this shape: one that stands and has an empty slot, or a new one, for
 * which groups without members are given up. Nothing is joined yet; the place is kept by
 * esp_members_add. -ENOSPC: every place is taken; others as esp_group_create. */
int esp_members_place(struct esp_members *members,
                      const struct esp_trainer *trainer,
                      struct esp_group **group,
                      int *slot,
                      struct esp_error *error);

/* Notes the member that has joined at a place. */
struct esp_member *esp_members_add(struct esp_members *members,
                                   uint32_t trial,
                                   uint32_t attempt,
                                   struct esp_group *group,
                                   int slot);

/* Empties its slot; the group stays for the next one. */
void esp_members_leave(struct esp_member *member);

/* Whether any has work to do. */
bool esp_members_active(const struct esp_members *members);

void esp_members_release(struct esp_members *members);

#endif
