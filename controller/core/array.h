/* Arrays that double. */
#ifndef ESPALIER_CORE_ARRAY_H
#define ESPALIER_CORE_ARRAY_H

#include <stddef.h>
#include <stdint.h>

/* Makes room for `needed` elements of `size` bytes; 0 or -ENOMEM, then nothing has changed. */
int esp_grow(void **array, uint32_t *capacity, uint32_t needed, size_t size);

#endif
