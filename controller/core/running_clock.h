/* The clock of the core's deadlines: monotonic time during which the controller ran.
 *
 * A controller that was stopped (a laptop that sleeps, SIGSTOP, a disk that blocked a commit
 * for a minute) has heard nobody, so this time is nobody's silence and does not count. All
 * deadlines move together, because the core knows no other clock. To wait longer is safe: a
 * trial process ends at the end of its lease by its own clock. */
#ifndef ESPALIER_CORE_RUNNING_CLOCK_H
#define ESPALIER_CORE_RUNNING_CLOCK_H

#include <stdint.h>

/* A running controller reads the clock at least this often, also when it waits. */
#define ESP_CLOCK_READ_MS 1000

/* After a longer gap the controller did not run. The margin of a lease (ESP_LEASE_MARGIN_MS) is
 * longer than this gap and a heartbeat together, so a shorter one lets no lease end early. */
#define ESP_CLOCK_GAP_MS 2000

/* The owner sets read_ms when it begins. */
struct esp_running_clock {
    int64_t read_ms;    /* monotonic time of the last reading */
    int64_t stopped_ms; /* time that does not count */
};

/* The running time at monotonic `now_ms`. */
int64_t esp_running_clock_read(struct esp_running_clock *clock, int64_t now_ms);

/* The monotonic time at which the running time is `due_ms`, if the controller runs until then.
 * INT64_MAX stays: never. */
int64_t esp_running_clock_due(const struct esp_running_clock *clock, int64_t due_ms);

#endif
