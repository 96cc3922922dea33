/* The agent: one per host and study, starts, watches and ends trial processes for a controller
 * (DESIGN 1, 4).
 *
 *   - It leads its own session and outlives its controller. While processes live it waits for
 *     the next one; without any it leaves when a lease has passed in silence.
 *   - It holds DIR/agent.lock; a second one leaves at once with ESP_AGENT_EXIT_BUSY.
 *   - What it was told to do is idempotent by process key; how processes ended is told again
 *     after every reconnect until it is acknowledged.
 *   - Killed, it leaves its processes at work; the next one adopts them. */
#ifndef ESPALIER_AGENT_AGENT_H
#define ESPALIER_AGENT_AGENT_H

#include "../system/process_identity.h"

#define ESP_AGENT_EXIT_BUSY 10
#define ESP_AGENT_LOCK "agent.lock"

struct esp_agent_options {
    const char *dir; /* absolute */
    const char *endpoint;
    const char *device;  /* auto, cpu, cuda */
    const char *program; /* the trial program; NULL: espalier-trial beside this one */
    uint64_t study;      /* its nonce */
};

/* Serves until the controller retires it, refuses it, or is silent for good. Returns the exit
 * code: 0; ESP_AGENT_EXIT_BUSY; 1 with words. */
int esp_agent_run(const struct esp_agent_options *options, struct esp_error *error);

/* Who holds DIR/agent.lock. 0, or -ENOENT when nobody who lives does. */
int esp_agent_holder(const char *dir, struct esp_process_identity *holder);

#endif
