/* The clock of the core's deadlines. */
#include "running_clock.h"

#include <espalier/plant.h>

int64_t esp_running_clock_read(struct esp_running_clock *clock, int64_t now_ms)
{
    int64_t passed = now_ms - clock->read_ms;
    if (passed > ESP_CLOCK_GAP_MS && !ESP_PLANT("stop-is-silence")) {
        clock->stopped_ms += passed;
    }
    clock->read_ms = now_ms;
    return now_ms - clock->stopped_ms;
}

int64_t esp_running_clock_due(const struct esp_running_clock *clock, int64_t due_ms)
{
    return due_ms == INT64_MAX ? INT64_MAX : due_ms + clock->stopped_ms;
}
