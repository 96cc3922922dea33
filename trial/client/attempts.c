#include "attempts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct esp_attempt *
esp_attempts_find(struct esp_attempts *attempts, uint32_t trial, uint32_t attempt)
{
    for (uint32_t i = 0; i < attempts->count; i++) {
        struct esp_attempt *a = &attempts->items[i];
        if (a->trial == trial && a->attempt == attempt) {
            return a;
        }
    }
    return NULL;
}

struct esp_attempt *esp_attempts_add(struct esp_attempts *attempts,
                                     const struct esp_assign *assign,
                                     const void *frame,
                                     size_t length)
{
    if (attempts->count == ESP_MEMBERS_MAX) {
        return NULL;
    }
    uint8_t *copy = malloc(length);
    if (!copy) {
        return NULL;
    }
    memcpy(copy, frame, length);
    struct esp_attempt *a = &attempts->items[attempts->count++];
    *a = (struct esp_attempt){
        .trial = assign->trial,
        .attempt = assign->attempt,
        .directive = assign->directive,
        .assign = copy,
        .assign_length = length,
    };
    return a;
}

void esp_attempts_drop_messages(struct esp_attempts *attempts, struct esp_attempt *attempt)
{
    while (attempt->first) {
        struct esp_unacked *next = attempt->first->next;
        free(attempt->first);
        attempt->first = next;
        attempts->unacked--;
    }
    attempt->last = attempt->unsent = NULL;
}

void esp_attempts_remove(struct esp_attempts *attempts, struct esp_attempt *attempt)
{
    esp_attempts_drop_messages(attempts, attempt);
    free(attempt->assign);
    struct esp_attempt *end = &attempts->items[--attempts->count];
    memmove(attempt, attempt + 1, (size_t)(end - attempt) * sizeof *attempt);
}

void esp_attempts_clear(struct esp_attempts *attempts)
{
    while (attempts->count > 0) {
        esp_attempts_remove(attempts, &attempts->items[attempts->count - 1]);
    }
}

int esp_attempts_append(struct esp_attempts *attempts,
                        struct esp_attempt *attempt,
                        const void *data,
                        size_t length)
{
    struct esp_unacked *kept = malloc(sizeof *kept + length);
    if (!kept) {
        return -ENOMEM;
    }
    kept->next = NULL;
    kept->sequence = ++attempt->sequence;
    kept->length = length;
    memcpy(kept->data, data, length);
    if (attempt->last) {
        attempt->last->next = kept;
    } else {
        attempt->first = kept;
    }
    attempt->last = kept;
    if (!attempt->unsent) {
        attempt->unsent = kept;
    }
    attempts->unacked++;
    return 0;
}

void esp_attempts_acknowledge(struct esp_attempts *attempts,
                              struct esp_attempt *attempt,
                              uint64_t sequence)
{
    if (sequence > attempt->sequence) {
        return; /* never sent by this process */
    }
    while (attempt->first && attempt->first->sequence <= sequence) {
        struct esp_unacked *acked = attempt->first;
        if (attempt->unsent == acked) {
            attempt->unsent = acked->next;
        }
        attempt->first = acked->next;
        free(acked);
        attempts->unacked--;
    }
    if (!attempt->first) {
        attempt->last = NULL;
    }
    if (sequence > attempt->acked) {
        attempt->acked = sequence;
    }
    if (attempt->state == ESP_ATTEMPT_RELEASED && !attempt->first) {
        esp_attempts_remove(attempts, attempt);
    }
}

void esp_attempts_rewind(struct esp_attempts *attempts)
{
    for (uint32_t i = 0; i < attempts->count; i++) {
        attempts->items[i].unsent = attempts->items[i].first;
    }
}

void esp_attempt_direct(struct esp_attempt *attempt, const struct esp_directive *directive)
{
    if (attempt->state == ESP_ATTEMPT_HELD && directive->number > attempt->directive.number) {
        attempt->directive = *directive;
        attempt->directed = true;
    }
}
