/* What an agent does about each message, apart from sockets and clocks.
 *
 * Messages out go through `send`; the strings of a message live until it returns. */
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
    int (*send)(void *context, const struct esp_message *message); /* 0 or -errno: not sent */
    /* what was learnt */
    bool welcome;  /* the present controller knows this agent */
    bool retiring; /* the study is over */
    char refused[ESP_MESSAGE_TEXT_MAX];
    int64_t heartbeat_ms, lease_ms;
};

/* Says who this agent is, and which processes live here. */
void esp_agent_protocol_hello(struct esp_agent_protocol *protocol);

/* Takes a message from the controller. */
void esp_agent_protocol_take(struct esp_agent_protocol *protocol,
                             const struct esp_message *message,
                             int64_t now_ms);

/* Tells the ends of processes that were not told on this connection. */
void esp_agent_protocol_report(struct esp_agent_protocol *protocol);

#endif
