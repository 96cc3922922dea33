/* Deadlines: a binary heap of (when, whose), each owner having one at most. Ties go by owner,
 * so that order never depends on how the heap came about. */
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
    int64_t due_ms;
    enum esp_timer_kind kind;
    uint32_t index;
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
void esp_timer_sooner(struct esp_core *core,
                      enum esp_timer_kind kind,
                      uint32_t index,
                      int64_t due_ms);
/* Takes the first one that is due at `now_ms`. */
bool esp_timer_take(struct esp_core *core, int64_t now_ms, struct esp_timer *out);

#endif
