/* Arrays that double. */
#include "array.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

int esp_grow(void **array, uint32_t *capacity, uint32_t needed, size_t size)
{
    assert(size > 0);
    if (needed <= *capacity) {
        return 0;
    }
    uint32_t larger = *capacity ? *capacity * 2 : 16;
    if (larger < needed) {
        larger = needed;
    }
    void *moved = realloc(*array, larger * size);
    if (!moved) {
        return -ENOMEM;
    }
    *array = moved;
    *capacity = larger;
    assert(*capacity >= needed);
    return 0;
}
