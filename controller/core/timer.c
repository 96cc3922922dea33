/* Deadlines in a binary heap. */
#include "timer.h"

#include "array.h"
#include "state.h"

#include <assert.h>
#include <errno.h>

static uint32_t *place(struct esp_core *core, const struct esp_timer *timer)
{
    switch (timer->kind) {
    case ESP_TIMER_TRIAL:
        return &core->trials[timer->index].timer;
    case ESP_TIMER_PROCESS:
        return &core->processes[timer->index].timer;
    case ESP_TIMER_AGENT:
        return &core->agents[timer->index].timer;
    case ESP_TIMER_CORE:
        break;
    }
    return &core->timer;
}

static bool before(const struct esp_timer *a, const struct esp_timer *b)
{
    if (a->due_ms != b->due_ms) {
        return a->due_ms < b->due_ms;
    }
    return a->kind != b->kind ? a->kind < b->kind : a->index < b->index;
}

/* Every owner knows the place of its timer. */
static void put(struct esp_core *core, uint32_t at, struct esp_timer timer)
{
    core->timers.heap[at] = timer;
    *place(core, &timer) = at;
}

static void rise(struct esp_core *core, uint32_t at)
{
    struct esp_timer timer = core->timers.heap[at];
    while (at > 0 && before(&timer, &core->timers.heap[(at - 1) / 2])) {
        put(core, at, core->timers.heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    put(core, at, timer);
}

static void sink(struct esp_core *core, uint32_t at)
{
    struct esp_timers *timers = &core->timers;
    struct esp_timer timer = timers->heap[at];
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= timers->count) {
            break;
        }
        if (child + 1 < timers->count &&
            before(&timers->heap[child + 1], &timers->heap[child])) {
            child++;
        }
        if (!before(&timers->heap[child], &timer)) {
            break;
        }
        put(core, at, timers->heap[child]);
        at = child;
    }
    put(core, at, timer);
}

static void take_out(struct esp_core *core, uint32_t at)
{
    struct esp_timers *timers = &core->timers;
    *place(core, &timers->heap[at]) = ESP_NO_INDEX;
    struct esp_timer last = timers->heap[--timers->count];
    if (at < timers->count) {
        put(core, at, last);
        rise(core, at);
        sink(core, *place(core, &last));
    }
}

void esp_timer_set(struct esp_core *core,
                   enum esp_timer_kind kind,
                   uint32_t index,
                   int64_t due_ms)
{
    struct esp_timers *timers = &core->timers;
    struct esp_timer timer = {due_ms, kind, index};
    uint32_t at = *place(core, &timer);
    if (at != ESP_NO_INDEX) {
        assert(at < timers->count && timers->heap[at].kind == kind);
        assert(timers->heap[at].index == index);
        if (due_ms == INT64_MAX) {
            take_out(core, at);
            return;
        }
        timers->heap[at] = timer;
        rise(core, at);
        sink(core, *place(core, &timer));
        return;
    }
    if (due_ms == INT64_MAX) {
        return;
    }
    void *heap = timers->heap;
    if (esp_grow(&heap, &timers->capacity, timers->count + 1, sizeof *timers->heap) < 0) {
        core->failure = -ENOMEM;
        return;
    }
    timers->heap = heap;
    put(core, timers->count++, timer);
    rise(core, timers->count - 1);
}

void esp_timer_set_earlier(struct esp_core *core,
                           enum esp_timer_kind kind,
                           uint32_t index,
                           int64_t due_ms)
{
    struct esp_timer timer = {due_ms, kind, index};
    uint32_t at = *place(core, &timer);
    if (at == ESP_NO_INDEX || core->timers.heap[at].due_ms > due_ms) {
        esp_timer_set(core, kind, index, due_ms);
    }
}

bool esp_timer_take(struct esp_core *core, int64_t now_ms, struct esp_timer *out)
{
    if (core->timers.count == 0 || core->timers.heap[0].due_ms > now_ms) {
        return false;
    }
    *out = core->timers.heap[0];
    take_out(core, 0);
    assert(*place(core, out) == ESP_NO_INDEX);
    return true;
}
