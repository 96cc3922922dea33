/* Memory that is given out in pieces and taken back all at once, up to a limit. */
#ifndef PROTO_ARENA_H
#define PROTO_ARENA_H

#include <stdbool.h>
#include <stddef.h>

struct esp_arena_block;

struct esp_arena {
    struct esp_arena_block *blocks;
    size_t used;  /* given out since the last reset */
    size_t limit; /* of `used` */
    bool full;    /* a piece was refused since the last reset */
};

/* Aligned for any type; NULL when the limit or memory is reached. */
void *esp_arena_take(struct esp_arena *arena, size_t size);
/* Keeps one block for the next time. */
void esp_arena_reset(struct esp_arena *arena);
void esp_arena_release(struct esp_arena *arena);

#endif
