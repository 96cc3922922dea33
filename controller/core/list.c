/* Doubly linked lists through array indices. */
#include "list.h"

#include "state.h"

#include <assert.h>

static struct esp_link *
link_of(const struct esp_core *core, enum esp_list_of of, uint32_t index)
{
    switch (of) {
    case ESP_LIST_TRIALS:
        return &core->trials[index].link;
    case ESP_LIST_ALIVE:
        return &core->processes[index].alive_link;
    case ESP_LIST_AVAILABLE:
        break;
    }
    return &core->processes[index].available_link;
}

void esp_list_init(struct esp_list *list)
{
    *list = (struct esp_list){ESP_NO_INDEX, ESP_NO_INDEX, 0};
}

void esp_list_push(struct esp_core *core,
                   enum esp_list_of of,
                   struct esp_list *list,
                   uint32_t index)
{
    struct esp_link *link = link_of(core, of, index);
    assert(!link->listed);
    assert((list->count == 0) == (list->last == ESP_NO_INDEX));
    *link = (struct esp_link){list->last, ESP_NO_INDEX, true};
    if (list->last == ESP_NO_INDEX) {
        list->first = index;
    } else {
        link_of(core, of, list->last)->after = index;
    }
    list->last = index;
    list->count++;
    assert(list->first != ESP_NO_INDEX);
}

void esp_list_remove(struct esp_core *core,
                     enum esp_list_of of,
                     struct esp_list *list,
                     uint32_t index)
{
    struct esp_link *link = link_of(core, of, index);
    assert(link->listed && list->count > 0);
    /* The element is in this list and not in another one of its kind. */
    assert((link->before == ESP_NO_INDEX) == (list->first == index));
    assert((link->after == ESP_NO_INDEX) == (list->last == index));
    if (link->before == ESP_NO_INDEX) {
        list->first = link->after;
    } else {
        link_of(core, of, link->before)->after = link->after;
    }
    if (link->after == ESP_NO_INDEX) {
        list->last = link->before;
    } else {
        link_of(core, of, link->after)->before = link->before;
    }
    *link = (struct esp_link){ESP_NO_INDEX, ESP_NO_INDEX, false};
    list->count--;
    assert((list->count == 0) == (list->first == ESP_NO_INDEX));
}

uint32_t esp_list_next(const struct esp_core *core, enum esp_list_of of, uint32_t index)
{
    assert(link_of(core, of, index)->listed);
    return link_of(core, of, index)->after;
}
