/* Memory of the CPU backend: scratch of fixed size, so that no operation allocates. */
#ifndef ESP_CPU_STATE_H
#define ESP_CPU_STATE_H

#include <stddef.h>

/* Attention works on blocks of up to 256 queries by 256 keys: scores and their gradient in
 * float are 2 · 256 · 256 · 4 = 512 KiB, within the L2 cache. A context up to 256 is one block.
 */
#define ESP_CPU_QUERIES 256
#define ESP_CPU_KEYS 256

/* Scores, gradients of scores, and three numbers for each query; or the column sums of a
 * product. */
#define ESP_CPU_SCRATCH (2 * ESP_CPU_QUERIES * ESP_CPU_KEYS + 3 * ESP_CPU_QUERIES)

/* The packed right operand of a product: 384 · 512 · 4 = 768 KiB, which leaves room in an L2
 * cache of 1 MiB. It holds as many columns at a time as fit at the depth of the product. A
 * panel of it, 384 · 48 · 4 = 72 KiB, is read from L2 for every 8 rows; with a smaller depth
 * the sums would be read and written more often. */
#define ESP_CPU_PACK ((size_t)384 * 512)
#define ESP_CPU_PACK_DEPTH 384

/* Rows of the left operand that are multiplied by a packed panel at a time: 64 · 384 · 4 = 96
 * KiB. */
#define ESP_CPU_PACK_ROWS 64

struct esp_cpu_onednn;

struct esp_cpu_state {
    void *scratch;                 /* ESP_CPU_SCRATCH reals */
    void *pack;                    /* ESP_CPU_PACK reals */
    void *left;                    /* ESP_CPU_PACK_DEPTH · ESP_CPU_PACK_ROWS reals */
    struct esp_cpu_onednn *onednn; /* only at the bf16 level; else NULL */
};

#endif
