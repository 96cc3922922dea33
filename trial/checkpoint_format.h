/* Shared declarations of reading and writing a checkpoint: the header's layout and the coding
 * of settings. checkpoint.h describes the format. */
#ifndef ESPALIER_TRIAL_CHECKPOINT_FORMAT_H
#define ESPALIER_TRIAL_CHECKPOINT_FORMAT_H

#include "checkpoint.h"

#include <stddef.h>
#include <string.h>

#define CHECKPOINT_MAGIC "ESPALIER"
#define CHECKPOINT_FIXED_BYTES 120
#define CHECKPOINT_SCALE_BYTES 16
#define CHECKPOINT_OVERFLOWED_BYTES 8
#define CHECKPOINT_TENSOR_BYTES 152
#define CHECKPOINT_ALIGNMENT 64
#define CHECKPOINT_FLOAT32 1

/* Largest size of all settings: fewer than 64 fields, two of them paths. 64 × (8 + 128) + 2 ×
 * 4096 < 32 KiB. */
#define CHECKPOINT_SETTINGS_MAX 64
#define CHECKPOINT_SETTINGS_BYTES_MAX (32 * 1024)

/* Largest header: 144 + 32 KiB + 40,000 × 152 + 8 < 8 MiB. */
#define CHECKPOINT_HEADER_MAX (8 * 1024 * 1024)

_Static_assert(CHECKPOINT_FIXED_BYTES + CHECKPOINT_SCALE_BYTES + CHECKPOINT_OVERFLOWED_BYTES +
                       CHECKPOINT_SETTINGS_BYTES_MAX +
                       ESP_CHECKPOINT_TENSORS_MAX * CHECKPOINT_TENSOR_BYTES + 8 <=
                   CHECKPOINT_HEADER_MAX,
               "the largest header fits");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "numbers are stored in memory order");

/* A tensor's row in the table. */
struct checkpoint_row {
    char name[ESP_CHECKPOINT_NAME_MAX];
    uint32_t type;
    uint32_t rank;
    int64_t shape[4];
    uint64_t offset;
    uint64_t bytes;
    uint64_t hash;
};

_Static_assert(sizeof(struct checkpoint_row) == CHECKPOINT_TENSOR_BYTES, "no padding in a row");

/* The fixed part, as stored in the file. */
struct checkpoint_fixed {
    char magic[8];
    uint32_t version;
    uint32_t header_bytes;
    uint64_t config_hash;
    int64_t step;
    int64_t sample;
    int64_t reported_step;
    int64_t loss_count;
    double loss_sum;
    double device_seconds;
    double val_loss;
    double train_loss;
    double grad_norm;
    int64_t data_tokens;
    int64_t vocabulary;
    uint32_t setting_count;
    uint32_t tensor_count;
};

_Static_assert(sizeof(struct checkpoint_fixed) == CHECKPOINT_FIXED_BYTES, "no padding in it");

/* Version 2 appends this to the fixed part; version 3 appends an int64_t after it: overflowed.
 */
struct checkpoint_scale {
    double scale;
    int64_t clean;
};

_Static_assert(sizeof(struct checkpoint_scale) == CHECKPOINT_SCALE_BYTES, "no padding in it");

/* Offset of the settings. */
static inline size_t esp_checkpoint_settings_offset(uint32_t version)
{
    return CHECKPOINT_FIXED_BYTES + (version >= 2 ? CHECKPOINT_SCALE_BYTES : 0) +
           (version >= 3 ? CHECKPOINT_OVERFLOWED_BYTES : 0);
}

/* Writes all settings of `trainer` to `out` [CHECKPOINT_SETTINGS_BYTES_MAX]; returns the bytes.
 */
size_t esp_checkpoint_settings_encode(const struct esp_trainer *trainer,
                                      uint8_t *out,
                                      uint32_t *count);

/* Reads `count` settings from `bytes`; `used` receives the bytes that they took. -EBADMSG:
 * malformed; -EPROTONOSUPPORT: a setting that this version does not support. */
int esp_checkpoint_settings_decode(const uint8_t *in,
                                   size_t bytes,
                                   uint32_t count,
                                   struct esp_trainer *trainer,
                                   size_t *used,
                                   struct esp_error *error);

/* The smallest multiple of the alignment that is ≥ `offset`. */
static inline uint64_t esp_checkpoint_align(uint64_t offset)
{
    return (offset + CHECKPOINT_ALIGNMENT - 1) / CHECKPOINT_ALIGNMENT * CHECKPOINT_ALIGNMENT;
}

#endif
