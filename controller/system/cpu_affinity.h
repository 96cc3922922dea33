/* Which core a trial process runs on: one process per core, also across studies on one host.
 *
 * A core is held by flock on a small file (RUNTIME/espalier/core-N). The process inherits the
 * open file, so the hold lasts exactly as long as the process, whoever started it. */
#ifndef CONTROLLER_SYSTEM_CPU_AFFINITY_H
#define CONTROLLER_SYSTEM_CPU_AFFINITY_H

#include <sched.h>
#include <stdint.h>

/* Cores this process may use: at least 1. */
int esp_cpu_affinity_count(void);

/* Holds a free core, the `slot`-th one if it is free. The returned fd carries the hold and must
 * be inherited by the process; `set` is what to pin it to. Negative: every core is held, or
 * holds cannot be made here; then the process is better left to the kernel. */
int esp_cpu_affinity_claim(uint32_t slot, cpu_set_t *set);

#endif
