/* Writing a checkpoint. See checkpoint.h for the format.
 *
 * Tensors are written first and the header, which holds their checksums, last. */
#include "checkpoint_format.h"
#include "durable.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <xxhash.h>

static uint64_t count_values(const struct esp_checkpoint_tensor *tensor)
{
    uint64_t count = 1;
    assert(tensor->rank >= 1 && tensor->rank <= 4);
    for (int d = 0; d < tensor->rank; d++) {
        assert(tensor->shape[d] > 0);
        count *= (uint64_t)tensor->shape[d];
    }
    return count;
}

/* The first version that can hold this state. */
static uint32_t version_of(const struct esp_checkpoint_state *state)
{
    if (!(state->loss_scale > 0)) {
        return 1;
    }
    return state->overflowed > 0 ? 3 : 2;
}

/* Makes the header without checksums; also returns its size, the table's offset, and the size
 * of the whole file. */
static uint8_t *lay_out(const struct esp_checkpoint_state *state,
                        const struct esp_checkpoint_tensor *tensors,
                        int tensor_count,
                        size_t *header_bytes,
                        size_t *table_offset,
                        uint64_t *file_bytes)
{
    const uint32_t version = version_of(state);
    const size_t settings = esp_checkpoint_settings_offset(version);
    size_t room = settings + CHECKPOINT_SETTINGS_BYTES_MAX +
                  (size_t)tensor_count * CHECKPOINT_TENSOR_BYTES + sizeof(uint64_t);
    uint8_t *header = calloc(1, room);
    if (!header) {
        return NULL;
    }
    struct checkpoint_fixed fixed = {
        .version = version,
        .config_hash = esp_trainer_hash(&state->trainer),
        .step = state->step,
        .sample = state->sample,
        .reported_step = state->reported_step,
        .loss_count = state->loss_count,
        .loss_sum = state->loss_sum,
        .device_seconds = state->device_seconds,
        .val_loss = state->val_loss,
        .train_loss = state->train_loss,
        .grad_norm = state->grad_norm,
        .data_tokens = state->data_tokens,
        .vocabulary = state->vocabulary,
        .tensor_count = (uint32_t)tensor_count,
    };
    memcpy(fixed.magic, CHECKPOINT_MAGIC, sizeof fixed.magic);
    if (version >= 2) {
        const struct checkpoint_scale scale = {.scale = state->loss_scale,
                                               .clean = state->loss_scale_clean};
        memcpy(header + CHECKPOINT_FIXED_BYTES, &scale, sizeof scale);
    }
    if (version >= 3) {
        memcpy(header + CHECKPOINT_FIXED_BYTES + CHECKPOINT_SCALE_BYTES,
               &state->overflowed,
               CHECKPOINT_OVERFLOWED_BYTES);
    }
    *table_offset = settings + esp_checkpoint_settings_encode(
                                   &state->trainer, header + settings, &fixed.setting_count);
    *header_bytes =
        *table_offset + (size_t)tensor_count * CHECKPOINT_TENSOR_BYTES + sizeof(uint64_t);
    fixed.header_bytes = (uint32_t)*header_bytes;
    memcpy(header, &fixed, sizeof fixed);

    uint64_t end = *header_bytes;
    for (int i = 0; i < tensor_count; i++) {
        struct checkpoint_row row = {.type = CHECKPOINT_FLOAT32,
                                     .rank = (uint32_t)tensors[i].rank,
                                     .offset = esp_checkpoint_align(end),
                                     .bytes = count_values(&tensors[i]) * sizeof(float)};
        memcpy(row.name, tensors[i].name, sizeof row.name);
        for (int d = 0; d < 4; d++) {
            row.shape[d] = d < tensors[i].rank ? tensors[i].shape[d] : 1;
        }
        end = row.offset + row.bytes;
        memcpy(header + *table_offset + (size_t)i * sizeof row, &row, sizeof row);
    }
    *file_bytes = end;
    return header;
}

/* Writes the tensors and stores each checksum in its row of the header's table. */
static int write_tensors(struct esp_durable *file,
                         uint8_t *table,
                         int tensor_count,
                         esp_checkpoint_source *source,
                         void *context,
                         struct esp_error *error)
{
    uint64_t largest = 0;
    struct checkpoint_row row;
    for (int i = 0; i < tensor_count; i++) {
        memcpy(&row, table + (size_t)i * sizeof row, sizeof row);
        largest = row.bytes > largest ? row.bytes : largest;
    }
    float *values = malloc(largest ? largest : 1);
    if (!values) {
        return esp_error_set(
            error, -ENOMEM, "checkpoint: no memory for a tensor of %zu bytes", (size_t)largest);
    }
    int rc = 0;
    for (int i = 0; i < tensor_count && rc == 0; i++) {
        uint8_t *place = table + (size_t)i * sizeof row;
        memcpy(&row, place, sizeof row);
        rc = source(context, i, values, error);
        if (rc == 0) {
            row.hash = XXH3_64bits(values, row.bytes);
            memcpy(place, &row, sizeof row);
            rc = esp_durable_write(file, values, row.bytes, row.offset, error);
        }
    }
    free(values);
    return rc;
}

int esp_checkpoint_write(const char *path,
                         const struct esp_checkpoint_state *state,
                         const struct esp_checkpoint_tensor *tensors,
                         int tensor_count,
                         esp_checkpoint_source *source,
                         void *context,
                         int64_t *bytes,
                         uint64_t *hash,
                         struct esp_error *error)
{
    struct esp_durable file;
    size_t header_bytes, table_offset;
    uint64_t file_bytes, header_hash;

    assert(tensor_count >= 0 && tensor_count <= ESP_CHECKPOINT_TENSORS_MAX);
    int rc = esp_durable_open(&file, "checkpoint", path, error);
    if (rc != 0) {
        return rc;
    }
    uint8_t *header =
        lay_out(state, tensors, tensor_count, &header_bytes, &table_offset, &file_bytes);
    if (!header) {
        rc = esp_error_set(error, -ENOMEM, "checkpoint: no memory for the header");
        goto out;
    }
    rc = write_tensors(&file, header + table_offset, tensor_count, source, context, error);
    if (rc != 0) {
        goto out;
    }
    header_hash = XXH3_64bits(header, header_bytes - sizeof header_hash);
    memcpy(header + header_bytes - sizeof header_hash, &header_hash, sizeof header_hash);
    rc = esp_durable_write(&file, header, header_bytes, 0, error);
    if (rc == 0) {
        rc = esp_durable_commit(&file, error);
    }
    if (rc == 0 && bytes) {
        *bytes = (int64_t)file_bytes;
    }
    if (rc == 0 && hash) {
        *hash = header_hash;
    }
out:
    esp_durable_close(&file);
    free(header);
    return rc;
}
