#include "arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>

/* Most messages fit into one block. */
#define BLOCK_BYTES 8192

struct esp_arena_block {
    struct esp_arena_block *next;
    size_t size, used;
    alignas(max_align_t) unsigned char data[];
};

void *esp_arena_take(struct esp_arena *arena, size_t size)
{
    size_t step = alignof(max_align_t);
    if (size > arena->limit || (size + step - 1) / step * step > arena->limit - arena->used) {
        arena->full = true;
        return NULL;
    }
    size = (size + step - 1) / step * step;
    struct esp_arena_block *block = arena->blocks;
    if (!block || block->size - block->used < size) {
        size_t bytes = size > BLOCK_BYTES ? size : BLOCK_BYTES;
        block = malloc(sizeof *block + bytes);
        if (!block) {
            arena->full = true;
            return NULL;
        }
        block->next = arena->blocks;
        block->size = bytes;
        block->used = 0;
        arena->blocks = block;
    }
    void *piece = block->data + block->used;
    block->used += size;
    arena->used += size;
    return piece;
}

void esp_arena_reset(struct esp_arena *arena)
{
    while (arena->blocks && arena->blocks->next) {
        struct esp_arena_block *next = arena->blocks->next;
        free(arena->blocks);
        arena->blocks = next;
    }
    if (arena->blocks) {
        arena->blocks->used = 0;
    }
    arena->used = 0;
    arena->full = false;
}

void esp_arena_release(struct esp_arena *arena)
{
    esp_arena_reset(arena);
    free(arena->blocks);
    arena->blocks = NULL;
}
