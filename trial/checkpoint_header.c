/* Decoding a checkpoint's header. See checkpoint.h for the format. */
#include "checkpoint_private.h"

#include <errno.h>
#include <espalier/kernels.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <xxhash.h>

int esp_checkpoint_refuse(
    struct esp_error *error, int code, const char *path, const char *format, ...)
{
    char words[ESP_ERROR_TEXT_MAX / 2];
    va_list args;
    va_start(args, format);
    vsnprintf(words, sizeof words, format, args);
    va_end(args);
    return esp_error_set(error, code, "checkpoint '%.1000s': %s", path, words);
}

int esp_checkpoint_check_start(const struct esp_checkpoint *c,
                               const struct checkpoint_fixed *fixed,
                               struct esp_error *error)
{
    if (memcmp(fixed->magic, CHECKPOINT_MAGIC, sizeof fixed->magic) != 0) {
        return esp_checkpoint_refuse(
            error, -EBADMSG, c->path, "is not an espalier checkpoint (its first bytes differ)");
    }
    if (fixed->version > ESP_CHECKPOINT_VERSION) {
        return esp_checkpoint_refuse(error,
                                     -EPROTONOSUPPORT,
                                     c->path,
                                     "has version %" PRIu32
                                     ", this program reads up to %d; use a newer one",
                                     fixed->version,
                                     ESP_CHECKPOINT_VERSION);
    }
    uint64_t least = esp_checkpoint_settings_offset(fixed->version) + sizeof(uint64_t) +
                     (uint64_t)fixed->tensor_count * CHECKPOINT_TENSOR_BYTES;
    if (fixed->version < 1 || fixed->header_bytes > CHECKPOINT_HEADER_MAX ||
        fixed->tensor_count > ESP_CHECKPOINT_TENSORS_MAX || fixed->header_bytes < least) {
        return esp_checkpoint_refuse(error, -EBADMSG, c->path, "has a damaged header");
    }
    return 0;
}

static int take_fixed(struct esp_checkpoint *c,
                      const struct checkpoint_fixed *fixed,
                      struct esp_error *error)
{
    c->state.step = fixed->step;
    c->state.sample = fixed->sample;
    c->state.reported_step = fixed->reported_step;
    c->state.loss_count = fixed->loss_count;
    c->state.loss_sum = fixed->loss_sum;
    c->state.device_seconds = fixed->device_seconds;
    c->state.val_loss = fixed->val_loss;
    c->state.train_loss = fixed->train_loss;
    c->state.grad_norm = fixed->grad_norm;
    c->state.data_tokens = fixed->data_tokens;
    c->state.vocabulary = fixed->vocabulary;
    c->tensor_count = (int)fixed->tensor_count;
    if (fixed->step < 0 || fixed->sample < 0 || fixed->reported_step < -1 ||
        fixed->reported_step > fixed->step || fixed->loss_count < 0) {
        return esp_checkpoint_refuse(
            error, -EBADMSG, c->path, "has impossible counts in its header");
    }
    return 0;
}

/* Reads what version 2 appends to the fixed part. */
static int take_scale(struct esp_checkpoint *c, const uint8_t *header, struct esp_error *error)
{
    struct checkpoint_scale kept;
    int exponent;
    memcpy(&kept, header + CHECKPOINT_FIXED_BYTES, sizeof kept);
    if (!(kept.scale >= 1 && kept.scale <= ESP_LOSS_SCALE_MAX) ||
        frexp(kept.scale, &exponent) != 0.5 || kept.clean < 0 ||
        kept.clean >= ESP_LOSS_SCALE_CLEAN) {
        return esp_checkpoint_refuse(error,
                                     -EBADMSG,
                                     c->path,
                                     "has an impossible loss scale of %g with %" PRId64
                                     " clean updates",
                                     kept.scale,
                                     kept.clean);
    }
    c->state.loss_scale = kept.scale;
    c->state.loss_scale_clean = kept.clean;
    return 0;
}

/* Reads what version 3 appends after the loss scale. */
static int
take_overflowed(struct esp_checkpoint *c, const uint8_t *header, struct esp_error *error)
{
    int64_t overflowed;
    memcpy(&overflowed,
           header + CHECKPOINT_FIXED_BYTES + CHECKPOINT_SCALE_BYTES,
           CHECKPOINT_OVERFLOWED_BYTES);
    if (overflowed < 1 || overflowed > c->state.step) {
        return esp_checkpoint_refuse(error,
                                     -EBADMSG,
                                     c->path,
                                     "states that %" PRId64 " of its %" PRId64
                                     " updates overflowed",
                                     overflowed,
                                     c->state.step);
    }
    c->state.overflowed = overflowed;
    return 0;
}

/* Reads the table. Its checksum is right, but a forged file could have a right checksum too, so
 * sizes are still checked before they are used. */
static int take_rows(struct esp_checkpoint *c, const uint8_t *table, struct esp_error *error)
{
    c->rows = calloc((size_t)c->tensor_count + 1, sizeof *c->rows);
    if (!c->rows) {
        return esp_checkpoint_refuse(error, -ENOMEM, c->path, "no memory for its table");
    }
    memcpy(c->rows, table, (size_t)c->tensor_count * sizeof *c->rows);
    for (int i = 0; i < c->tensor_count; i++) {
        struct checkpoint_row *row = &c->rows[i];
        uint64_t bytes = sizeof(float);
        int valid = row->name[sizeof row->name - 1] == '\0' &&
                    row->type == CHECKPOINT_FLOAT32 && row->rank >= 1 && row->rank <= 4;
        for (int d = 0; d < 4 && valid; d++) {
            valid = row->shape[d] > 0 && row->shape[d] <= INT64_C(1) << 40 &&
                    !__builtin_mul_overflow(bytes, (uint64_t)row->shape[d], &bytes);
        }
        if (!valid || bytes != row->bytes) {
            return esp_checkpoint_refuse(
                error, -EBADMSG, c->path, "row %d of its table is malformed", i);
        }
    }
    return 0;
}

int esp_checkpoint_take_header(struct esp_checkpoint *c,
                               const struct checkpoint_fixed *fixed,
                               const uint8_t *header,
                               struct esp_error *error)
{
    struct esp_error why;
    size_t used = 0;
    size_t end = fixed->header_bytes - sizeof(uint64_t);
    memcpy(&c->hash, header + end, sizeof c->hash);
    if (XXH3_64bits(header, end) != c->hash) {
        return esp_checkpoint_refuse(
            error, -EBADMSG, c->path, "has a damaged header (its checksum differs)");
    }
    int rc = take_fixed(c, fixed, error);
    if (rc == 0 && fixed->version >= 2) {
        rc = take_scale(c, header, error);
    }
    if (rc == 0 && fixed->version >= 3) {
        rc = take_overflowed(c, header, error);
    }
    if (rc != 0) {
        return rc;
    }
    const size_t settings = esp_checkpoint_settings_offset(fixed->version);
    size_t table_bytes = (size_t)c->tensor_count * CHECKPOINT_TENSOR_BYTES;
    size_t setting_bytes = end - table_bytes - settings;
    rc = esp_checkpoint_settings_decode(
        header + settings, setting_bytes, fixed->setting_count, &c->state.trainer, &used, &why);
    if (rc != 0) {
        return esp_checkpoint_refuse(error, rc, c->path, "%.900s", why.text);
    }
    if (used != setting_bytes) {
        return esp_checkpoint_refuse(
            error, -EBADMSG, c->path, "has settings of a wrong length");
    }
    return take_rows(c, header + settings + setting_bytes, error);
}
