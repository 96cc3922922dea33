/* The outcome of steps: events, effects, and an arena for what they point to. Blocks of the
 * arena never move, and are kept for the next batch. */
#include "outcome.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Larger than nearly every batch, which is 256 reports with the names of their measures. */
#define BLOCK_SIZE ((size_t)64 * 1024)

struct block {
    struct block *next;
    size_t size, used;
    _Alignas(16) unsigned char data[];
};

struct arena {
    struct block *first, *current;
};

void esp_outcome_init(struct esp_outcome *outcome)
{
    *outcome = (struct esp_outcome){0};
}

void esp_outcome_reset(struct esp_outcome *outcome)
{
    struct arena *arena = outcome->arena;
    outcome->event_count = 0;
    outcome->effect_count = 0;
    if (arena) {
        for (struct block *b = arena->first; b; b = b->next) {
            b->used = 0;
        }
        arena->current = arena->first;
    }
}

void esp_outcome_release(struct esp_outcome *outcome)
{
    struct arena *arena = outcome->arena;
    if (arena) {
        for (struct block *b = arena->first; b;) {
            struct block *next = b->next;
            free(b);
            b = next;
        }
        free(arena);
    }
    free(outcome->events);
    free(outcome->effects);
    *outcome = (struct esp_outcome){0};
}

static struct block *add_block(struct arena *arena, size_t size)
{
    size_t capacity = size > BLOCK_SIZE ? size : BLOCK_SIZE;
    struct block *block = malloc(sizeof *block + capacity);
    if (!block) {
        return NULL;
    }
    *block = (struct block){.size = capacity};
    if (arena->current) {
        block->next = arena->current->next;
        arena->current->next = block;
    } else {
        arena->first = block;
    }
    arena->current = block;
    return block;
}

/* Memory of `size` bytes, aligned to 16; NULL: out of memory. */
static void *take(struct esp_outcome *outcome, size_t size)
{
    struct arena *arena = outcome->arena;
    if (!arena) {
        arena = calloc(1, sizeof *arena);
        if (!arena) {
            return NULL;
        }
        outcome->arena = arena;
    }
    size = (size + 15) & ~(size_t)15;
    struct block *block = arena->current;
    while (block && block->size - block->used < size && block->next) {
        block = block->next;
        arena->current = block;
    }
    if (!block || block->size - block->used < size) {
        block = add_block(arena, size);
        if (!block) {
            return NULL;
        }
    }
    void *data = block->data + block->used;
    block->used += size;
    assert(block->used <= block->size);
    return data;
}

void *esp_outcome_keep(struct esp_outcome *outcome, const void *data, size_t size)
{
    void *copy = take(outcome, size ? size : 1);
    if (copy && data && size) {
        memcpy(copy, data, size);
    }
    return copy;
}

const char *esp_outcome_text(struct esp_outcome *outcome, const char *text, size_t size_max)
{
    if (!text) {
        return NULL;
    }
    assert(size_max > 0);
    size_t length = strnlen(text, size_max - 1);
    char *copy = take(outcome, length + 1);
    if (copy) {
        memcpy(copy, text, length);
        copy[length] = '\0';
    }
    return copy;
}

/* Room for one more element. */
static int reserve(void **array, size_t *capacity, size_t count, size_t size)
{
    if (count < *capacity) {
        return 0;
    }
    size_t larger = *capacity ? *capacity * 2 : 64;
    void *moved = realloc(*array, larger * size);
    if (!moved) {
        return -ENOMEM;
    }
    *array = moved;
    *capacity = larger;
    assert(count < *capacity);
    return 0;
}

int esp_outcome_event(struct esp_outcome *outcome, const struct esp_event *event)
{
    void *events = outcome->events;
    int rc = reserve(
        &events, &outcome->event_capacity, outcome->event_count, sizeof *outcome->events);
    outcome->events = events;
    if (rc == 0) {
        outcome->events[outcome->event_count++] = *event;
    }
    return rc;
}

int esp_outcome_effect(struct esp_outcome *outcome, const struct esp_effect *effect)
{
    void *effects = outcome->effects;
    int rc = reserve(
        &effects, &outcome->effect_capacity, outcome->effect_count, sizeof *outcome->effects);
    outcome->effects = effects;
    if (rc == 0) {
        outcome->effects[outcome->effect_count++] = *effect;
    }
    return rc;
}
