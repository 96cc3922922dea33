#include "duty.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void esp_duty_hello(struct esp_duty *duty)
{
    uint32_t count = 0;
    uint64_t *keys = calloc(esp_processes_count(duty->processes) + 1, sizeof *keys);
    if (!keys) {
        return; /* asked again at the next heartbeat */
    }
    for (size_t i = 0; i < esp_processes_count(duty->processes); i++) {
        struct esp_process *process = esp_processes_at(duty->processes, i);
        process->told = false;
        /* Ended ones too: how they ended follows after the Welcome, and until then the
         * controller should not think that they vanished. */
        keys[count++] = process->record.key;
    }
    duty->welcome = false;
    struct esp_message message = {
        .kind = ESP_MESSAGE_HELLO,
        .hello = {.role = ESP_ROLE_AGENT,
                  .protocol = ESP_PROTOCOL_VERSION,
                  .key = duty->id,
                  .study = duty->study,
                  .pid = getpid(),
                  .host = duty->host,
                  .device = duty->device,
                  .version = ESP_VERSION,
                  .slots = duty->slots,
                  .processes = keys,
                  .process_count = count},
    };
    duty->send(duty->context, &message);
    free(keys);
}

static int send_end(struct esp_duty *duty, const struct esp_record *record)
{
    char tail[ESP_LOG_TAIL_MAX];
    esp_processes_tail(duty->processes, record->key, tail);
    struct esp_message message = {
        .kind = ESP_MESSAGE_EXITED,
        .exited = {.key = record->key,
                   .status = record->status,
                   .signal = record->signal,
                   .asked = record->asked,
                   .tail = tail},
    };
    return duty->send(duty->context, &message);
}

void esp_duty_report(struct esp_duty *duty)
{
    if (!duty->welcome) {
        return; /* told after the Hello */
    }
    for (size_t i = 0; i < esp_processes_count(duty->processes); i++) {
        struct esp_process *process = esp_processes_at(duty->processes, i);
        if (process->record.ended && !process->told) {
            process->told = send_end(duty, &process->record) == 0;
        }
    }
}

static void take_spawn(struct esp_duty *duty, const struct esp_spawn *spawn)
{
    struct esp_error error = {{0}};
    int rc =
        esp_processes_spawn(duty->processes, spawn->key, spawn->device, spawn->slot, &error);
    if (rc < 0) {
        fprintf(stderr, "process %llu: %s\n", (unsigned long long)spawn->key, error.text);
    }
    if (rc == -ENOSPC && esp_processes_count(duty->processes) == ESP_PROCESSES_MAX) {
        struct esp_record none = {.key = spawn->key, .status = -1};
        send_end(duty, &none); /* the table has no place to keep it */
    }
    esp_duty_report(duty);
}

static void take_kill(struct esp_duty *duty, const struct esp_kill *order, int64_t now_ms)
{
    if (esp_processes_kill(duty->processes, order->key, order->now, now_ms) == -ENOENT) {
        /* Not here (any more): that is what the controller wants to hear. */
        struct esp_record none = {.key = order->key, .status = -1, .asked = true};
        send_end(duty, &none);
    }
}

static void take_welcome(struct esp_duty *duty, const struct esp_welcome *welcome)
{
    if (welcome->refused) {
        snprintf(duty->refused, sizeof duty->refused, "%s", welcome->refused);
        return;
    }
    duty->welcome = true;
    duty->heartbeat_ms = welcome->heartbeat_ms ? welcome->heartbeat_ms : ESP_HEARTBEAT_MS;
    duty->lease_ms = welcome->lease_ms ? welcome->lease_ms : ESP_LEASE_MS;
    esp_duty_report(duty);
}

void esp_duty_take(struct esp_duty *duty, const struct esp_message *message, int64_t now_ms)
{
    switch (message->kind) {
    case ESP_MESSAGE_WELCOME:
        take_welcome(duty, &message->welcome);
        break;
    case ESP_MESSAGE_INTRODUCE:
        esp_duty_hello(duty);
        break;
    case ESP_MESSAGE_SPAWN:
        take_spawn(duty, &message->spawn);
        break;
    case ESP_MESSAGE_KILL:
        take_kill(duty, &message->kill, now_ms);
        break;
    case ESP_MESSAGE_EXITED_ACK:
        esp_processes_forget(duty->processes, message->exited_ack.key);
        break;
    case ESP_MESSAGE_RETIRE:
        duty->retiring = true;
        break;
    default: /* heartbeats, and what a newer controller may say */
        break;
    }
}
