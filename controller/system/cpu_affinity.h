/* Binds each trial process to a core of its own, also across the studies of one host.
 *
 * A core is reserved by a flock on a file (RUNTIME/espalier/core-N). The process inherits the
 * open file, so that the reservation lasts exactly as long as the process. */
#ifndef CONTROLLER_SYSTEM_CPU_AFFINITY_H
#define CONTROLLER_SYSTEM_CPU_AFFINITY_H

#include <sched.h>
#include <stdint.h>

/* Number of cores that this process may use; at least 1. */
int esp_cpu_affinity_count(void);

/* Reserves a free core: the one with index `slot`, or the next free one after it. Returns the
 * fd that holds the reservation, which the process must inherit, and sets `set` to the core.
 * Negative: all cores are reserved, or cores cannot be reserved here; then the kernel should
 * choose the core. */
int esp_cpu_affinity_claim(uint32_t slot, cpu_set_t *set);

#endif
