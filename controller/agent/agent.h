/* The agent, one per host and study: it starts, watches and ends trial processes for a
 * controller.
 *
 *   - It leads its own session and survives its controller. While it has processes it waits for
 *     the next controller; without any it exits after a lease without a message.
 *   - It holds DIR/agent.lock; a second agent exits at once with ESP_AGENT_EXIT_BUSY.
 *   - Its orders carry a process key, so that a repeated order has no second effect. It reports
 *     the exit of a process again after every reconnect until it is acknowledged.
 *   - When it is killed its processes continue, and the next agent adopts them. */
#ifndef ESPALIER_AGENT_AGENT_H
#define ESPALIER_AGENT_AGENT_H

#include "../system/process_identity.h"

#define ESP_AGENT_EXIT_BUSY 10
#define ESP_AGENT_LOCK "agent.lock"

struct esp_agent_options {
    const char *dir; /* absolute */
    const char *endpoint;
    const char *device;  /* auto, cpu, cuda */
    const char *program; /* the trial program; NULL: espalier-trial in the folder of this one */
    uint64_t study;      /* nonce of the study */
};

/* Serves until the controller retires or refuses the agent, or until a lease without a message
 * while it has no processes. Returns the exit code: 0; ESP_AGENT_EXIT_BUSY; 1, with `error`
 * set. */
int esp_agent_run(const struct esp_agent_options *options, struct esp_error *error);

/* Reads which process holds DIR/agent.lock. -ENOENT: no living process does. */
int esp_agent_holder(const char *dir, struct esp_process_identity *holder);

#endif
