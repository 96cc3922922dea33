/* The attempts that this process trains, as members of groups. */
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
    uint32_t directive;  /* number of the last one carried out */
    int64_t saved_step;  /* step of the last checkpoint; −1: none in this attempt */
    int64_t saved_at_ms; /* time of the last save or attempt to save; at first of the start */
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

/* Finds an empty slot in an existing group of this shape, or makes a new group, after freeing
 * the groups without members. The slot is taken by esp_members_add. -ENOSPC: the process trains
 * ESP_MEMBERS_MAX trials already; others as esp_group_create. */
int esp_members_place(struct esp_members *members,
                      const struct esp_trainer *trainer,
                      struct esp_group **group,
                      int *slot,
                      struct esp_error *error);

/* Adds the member that has joined the group in this slot. */
struct esp_member *esp_members_add(struct esp_members *members,
                                   uint32_t trial,
                                   uint32_t attempt,
                                   struct esp_group *group,
                                   int slot);

/* Removes a member and empties its slot. The group stays for the next one. */
void esp_members_leave(struct esp_member *member);

/* Whether any member has work to do. */
bool esp_members_active(const struct esp_members *members);

void esp_members_release(struct esp_members *members);

#endif
