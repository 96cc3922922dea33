#include "agent_protocol.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void esp_agent_protocol_hello(struct esp_agent_protocol *protocol)
{
    uint32_t count = 0;
    uint64_t *keys = calloc(esp_processes_count(protocol->processes) + 1, sizeof *keys);
    if (!keys) {
        return; /* sent again at the next heartbeat */
    }
    for (size_t i = 0; i < esp_processes_count(protocol->processes); i++) {
        struct esp_process *process = esp_processes_at(protocol->processes, i);
        process->reported = false;
        /* Exited processes too: their exit is reported after the Welcome, and until then the
         * controller must not consider them lost. */
        keys[count++] = process->record.key;
    }
    protocol->welcome = false;
    struct esp_message message = {
        .kind = ESP_MESSAGE_HELLO,
        .hello = {.role = ESP_ROLE_AGENT,
                  .protocol = ESP_PROTOCOL_VERSION,
                  .key = protocol->id,
                  .study = protocol->study,
                  .pid = getpid(),
                  .host = protocol->host,
                  .device = protocol->device,
                  .version = ESP_VERSION,
                  .slots = protocol->slots,
                  .processes = keys,
                  .process_count = count},
    };
    protocol->send(protocol->context, &message);
    free(keys);
}

static int send_exited(struct esp_agent_protocol *protocol,
                       const struct esp_process_record *record)
{
    char tail[ESP_LOG_TAIL_MAX];
    esp_processes_tail(protocol->processes, record->key, tail);
    struct esp_message message = {
        .kind = ESP_MESSAGE_EXITED,
        .exited = {.key = record->key,
                   .status = record->status,
                   .signal = record->signal,
                   .asked = record->asked,
                   .tail = tail},
    };
    return protocol->send(protocol->context, &message);
}

void esp_agent_protocol_report(struct esp_agent_protocol *protocol)
{
    if (!protocol->welcome) {
        return; /* reported after the Welcome */
    }
    for (size_t i = 0; i < esp_processes_count(protocol->processes); i++) {
        struct esp_process *process = esp_processes_at(protocol->processes, i);
        if (process->record.ended && !process->reported) {
            process->reported = send_exited(protocol, &process->record) == 0;
        }
    }
}

static void handle_spawn(struct esp_agent_protocol *protocol, const struct esp_spawn *spawn)
{
    struct esp_error error = {{0}};
    int rc = esp_processes_spawn(
        protocol->processes, spawn->key, spawn->device, spawn->slot, &error);
    if (rc < 0) {
        fprintf(stderr, "process %llu: %s\n", (unsigned long long)spawn->key, error.text);
    }
    if (rc == -ENOSPC && esp_processes_count(protocol->processes) == ESP_PROCESSES_MAX) {
        struct esp_process_record none = {.key = spawn->key, .status = -1};
        send_exited(protocol, &none); /* the table has no room for it */
    }
    esp_agent_protocol_report(protocol);
}

static void
handle_kill(struct esp_agent_protocol *protocol, const struct esp_kill *order, int64_t now_ms)
{
    if (esp_processes_kill(protocol->processes, order->key, order->now, now_ms) == -ENOENT) {
        /* The process does not exist (any more): answer as if it had exited. */
        struct esp_process_record none = {.key = order->key, .status = -1, .asked = true};
        send_exited(protocol, &none);
    }
}

static void handle_welcome(struct esp_agent_protocol *protocol,
                           const struct esp_welcome *welcome)
{
    if (welcome->refused) {
        snprintf(protocol->refused, sizeof protocol->refused, "%s", welcome->refused);
        return;
    }
    protocol->welcome = true;
    protocol->heartbeat_ms = welcome->heartbeat_ms ? welcome->heartbeat_ms : ESP_HEARTBEAT_MS;
    protocol->lease_ms = welcome->lease_ms ? welcome->lease_ms : ESP_LEASE_MS;
    esp_agent_protocol_report(protocol);
}

void esp_agent_protocol_handle(struct esp_agent_protocol *protocol,
                               const struct esp_message *message,
                               int64_t now_ms)
{
    switch (message->kind) {
    case ESP_MESSAGE_WELCOME:
        handle_welcome(protocol, &message->welcome);
        break;
    case ESP_MESSAGE_INTRODUCE:
        esp_agent_protocol_hello(protocol);
        break;
    case ESP_MESSAGE_SPAWN:
        handle_spawn(protocol, &message->spawn);
        break;
    case ESP_MESSAGE_KILL:
        handle_kill(protocol, &message->kill, now_ms);
        break;
    case ESP_MESSAGE_EXITED_ACK:
        esp_processes_forget(protocol->processes, message->exited_ack.key);
        break;
    case ESP_MESSAGE_RETIRE:
        protocol->retiring = true;
        break;
    default: /* a heartbeat, or a message that only newer agents know */
        break;
    }
}
