/* How an agent answers each message of the controller. It uses no socket and no clock.
 *
 * Messages to the controller go through `send`; their strings are valid until it returns. */
#ifndef ESPALIER_AGENT_AGENT_PROTOCOL_H
#define ESPALIER_AGENT_AGENT_PROTOCOL_H

#include "processes.h"

#include <espalier/message.h>

struct esp_agent_protocol {
    struct esp_processes *processes;
    uint64_t id, study;
    const char *host, *device;
    uint32_t slots;
    void *context;
    int (*send)(void *context, const struct esp_message *message); /* 0; -errno: not sent */
    /* received from the controller */
    bool welcome;                       /* it has accepted this agent's Hello */
    bool retiring;                      /* the study has ended */
    char refused[ESP_MESSAGE_TEXT_MAX]; /* why it refused this agent; "": it did not */
    int64_t heartbeat_ms, lease_ms;
};

/* Sends a Hello with the agent's processes. */
void esp_agent_protocol_hello(struct esp_agent_protocol *protocol);

/* Carries out a message from the controller. */
void esp_agent_protocol_handle(struct esp_agent_protocol *protocol,
                               const struct esp_message *message,
                               int64_t now_ms);

/* Reports the exits that were not yet reported on this connection. */
void esp_agent_protocol_report(struct esp_agent_protocol *protocol);

#endif
