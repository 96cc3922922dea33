/* Memory that is allocated in pieces, up to a limit, and freed all at once. */
#ifndef PROTO_ARENA_H
#define PROTO_ARENA_H

#include <stdbool.h>
#include <stddef.h>

struct esp_arena_block;

struct esp_arena {
    struct esp_arena_block *blocks;
    size_t used;  /* bytes allocated since the last reset */
    size_t limit; /* maximum of `used` */
    bool full;    /* an allocation failed since the last reset */
};

/* Allocates `size` bytes, aligned for any type. NULL: the limit is reached, or out of memory.
 */
void *esp_arena_take(struct esp_arena *arena, size_t size);
/* Frees every piece; keeps one block for later use. */
void esp_arena_reset(struct esp_arena *arena);
/* Frees everything. */
void esp_arena_release(struct esp_arena *arena);

#endif
