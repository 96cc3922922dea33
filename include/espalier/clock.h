/* The clocks of every program: one monotonic clock for intervals, timeouts and leases, and the
 * wall clock for times that are recorded or shown. Only shells read a clock: the decision core
 * is handed the time with each input (tests/lint/layers.py keeps this header out of it). */
#ifndef ESPALIER_CLOCK_H
#define ESPALIER_CLOCK_H

#include <stdint.h>
#include <time.h>

#define ESP_NS_PER_MS INT64_C(1000000)
#define ESP_NS_PER_SECOND INT64_C(1000000000)

/* Monotonic time in nanoseconds since an unspecified start, the same for all processes of a
 * host until it reboots. */
static inline int64_t esp_clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * ESP_NS_PER_SECOND + now.tv_nsec;
}

/* The same in whole milliseconds. */
static inline int64_t esp_clock_ms(void)
{
    return esp_clock_ns() / ESP_NS_PER_MS;
}

/* The same in seconds, for measuring durations. */
static inline double esp_clock_seconds(void)
{
    return 1e-9 * (double)esp_clock_ns();
}

/* Milliseconds since 1970-01-01 UTC; jumps when the host's clock is set. */
static inline int64_t esp_clock_wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * INT64_C(1000) + now.tv_nsec / ESP_NS_PER_MS;
}

#endif
