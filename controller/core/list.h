/* Doubly linked lists through array indices: their order is the order of insertion, never that
 * of addresses. */
#ifndef ESPALIER_CORE_LIST_H
#define ESPALIER_CORE_LIST_H

#include <stdbool.h>
#include <stdint.h>

#define ESP_NO_INDEX UINT32_MAX

struct esp_core;

struct esp_link {
    uint32_t before, after;
    bool listed;
};

struct esp_list {
    uint32_t first, last, count;
};

/* Which link of an element a list uses. */
enum esp_list_of {
    ESP_LIST_TRIALS,    /* the queue, or the trials of a process */
    ESP_LIST_ALIVE,     /* processes that have not exited */
    ESP_LIST_AVAILABLE, /* processes with a free place */
};

void esp_list_init(struct esp_list *list);

/* Appends an element that is in no list of this kind. */
void esp_list_push(struct esp_core *core,
                   enum esp_list_of of,
                   struct esp_list *list,
                   uint32_t index);

/* Takes out an element of this list. */
void esp_list_remove(struct esp_core *core,
                     enum esp_list_of of,
                     struct esp_list *list,
                     uint32_t index);

/* The element after `index`; ESP_NO_INDEX: none. */
uint32_t esp_list_next(const struct esp_core *core, enum esp_list_of of, uint32_t index);

#endif
