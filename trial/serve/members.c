#include "members.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

struct esp_member *
esp_members_find(struct esp_members *members, uint32_t trial, uint32_t attempt)
{
    for (int i = 0; i < ESP_MEMBERS_MAX; i++) {
        struct esp_member *m = &members->items[i];
        if (m->used && m->trial == trial && m->attempt == attempt) {
            return m;
        }
    }
    return NULL;
}

struct esp_member *
esp_members_in_slot(struct esp_members *members, const struct esp_group *group, int slot)
{
    for (int i = 0; i < ESP_MEMBERS_MAX; i++) {
        struct esp_member *m = &members->items[i];
        if (m->used && m->group == group && m->slot == slot) {
            return m;
        }
    }
    return NULL;
}

static int empty_slot(const struct esp_group *group)
{
    for (int slot = 0; slot < esp_group_slots(group); slot++) {
        if (esp_group_state(group, slot) == ESP_GROUP_EMPTY) {
            return slot;
        }
    }
    return -1;
}

static bool is_empty(const struct esp_group *group)
{
    for (int slot = 0; slot < esp_group_slots(group); slot++) {
        if (esp_group_state(group, slot) != ESP_GROUP_EMPTY) {
            return false;
        }
    }
    return true;
}

int esp_members_place(struct esp_members *members,
                      const struct esp_trainer *trainer,
                      struct esp_group **group,
                      int *slot,
                      struct esp_error *error)
{
    int free_at = -1, used = 0;
    for (int i = 0; i < ESP_MEMBERS_MAX; i++) {
        used += members->items[i].used;
        struct esp_group *g = members->groups[i];
        if (g && esp_group_accepts(g, trainer) && empty_slot(g) >= 0) {
            *group = g;
            *slot = empty_slot(g);
            return used < ESP_MEMBERS_MAX ? 0 : -ENOSPC;
        }
    }
    if (used == ESP_MEMBERS_MAX) {
        return esp_error_set(error,
                             -ENOSPC,
                             "this process already trains %d trials, which is the limit",
                             ESP_MEMBERS_MAX);
    }
    /* A group of another shape is needed, and may need the memory of groups without members. */
    for (int i = 0; i < ESP_MEMBERS_MAX; i++) {
        if (members->groups[i] && is_empty(members->groups[i])) {
            esp_group_destroy(members->groups[i]);
            members->groups[i] = NULL;
        }
        free_at = free_at < 0 && !members->groups[i] ? i : free_at;
    }
    assert(free_at >=
           0); /* each remaining group has a member, and there are fewer than the limit */
    int rc = esp_group_create(members->kernels,
                              trainer,
                              esp_group_capacity(members->kernels, trainer),
                              &members->groups[free_at],
                              error);
    if (rc == 0) {
        *group = members->groups[free_at];
        *slot = 0;
    }
    return rc;
}

struct esp_member *esp_members_add(struct esp_members *members,
                                   uint32_t trial,
                                   uint32_t attempt,
                                   struct esp_group *group,
                                   int slot)
{
    for (int i = 0; i < ESP_MEMBERS_MAX; i++) {
        struct esp_member *m = &members->items[i];
        if (!m->used) {
            *m = (struct esp_member){.used = true,
                                     .trial = trial,
                                     .attempt = attempt,
                                     .group = group,
                                     .slot = slot,
                                     .saved_step = -1};
            return m;
        }
    }
    assert(!"there is a free item after esp_members_place");
    return NULL;
}

void esp_members_leave(struct esp_member *member)
{
    esp_group_leave(member->group, member->slot);
    member->used = false;
}

bool esp_members_active(const struct esp_members *members)
{
    for (int i = 0; i < ESP_MEMBERS_MAX; i++) {
        if (members->groups[i] && esp_group_active(members->groups[i]) > 0) {
            return true;
        }
    }
    return false;
}

void esp_members_release(struct esp_members *members)
{
    for (int i = 0; i < ESP_MEMBERS_MAX; i++) {
        esp_group_destroy(members->groups[i]);
    }
    memset(members, 0, sizeof *members);
}
