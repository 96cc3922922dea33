/* Deadlines: a binary heap of (time, owner) with at most one deadline per owner. Equal times
 * are ordered by owner, so that the order never depends on the history of the heap. */
#ifndef ESPALIER_CORE_TIMER_H
#define ESPALIER_CORE_TIMER_H

#include <stdbool.h>
#include <stdint.h>

enum esp_timer_kind {
    ESP_TIMER_TRIAL,
    ESP_TIMER_PROCESS,
    ESP_TIMER_AGENT,
    ESP_TIMER_CORE,
};

struct esp_timer {
    int64_t due_ms; /* monotonic */
    enum esp_timer_kind kind;
    uint32_t index; /* of the trial, process or agent */
};

struct esp_timers {
    struct esp_timer *heap;
    uint32_t count, capacity;
};

struct esp_core;

/* Sets, moves or (INT64_MAX) removes the owner's deadline. */
void esp_timer_set(struct esp_core *core,
                   enum esp_timer_kind kind,
                   uint32_t index,
                   int64_t due_ms);

/* Sets it only when there is none, or a later one. */
void esp_timer_set_earlier(struct esp_core *core,
                           enum esp_timer_kind kind,
                           uint32_t index,
                           int64_t due_ms);

/* Removes the first deadline that has passed at `now_ms`; false: there is none. */
bool esp_timer_take(struct esp_core *core, int64_t now_ms, struct esp_timer *out);

#endif
