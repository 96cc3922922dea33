/* Writing a checkpoint so that a crash or a full disk at any moment leaves either the old file
 * or the new one: temp file, fsync, rename, fsync of the folder. See checkpoint.h for the
 * format.
 *
 * Tensors are written first and the header, which holds their checksums, last. */
#include "checkpoint_format.h"

#include <assert.h>
#include <errno.h>
#include <espalier/limits.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <unistd.h>
#include <xxhash.h>

/* A file being written, and what to say when it fails. */
struct output {
    int fd;
    char path[ESP_PATH_MAX]; /* of the temp file */
    struct esp_error *error;
};

static int fail(struct output *out, const char *what)
{
    int rc = -errno;
    return esp_error_set(out->error,
                         rc,
                         "checkpoint: cannot %s '%s': %s%s",
                         what,
                         out->path,
                         strerror(-rc),
                         rc == -ENOSPC || rc == -EDQUOT ? "; free some room" : "");
}

static int write_at(struct output *out, const void *buffer, size_t bytes, uint64_t offset)
{
    const uint8_t *at = buffer;
    while (bytes > 0) {
        ssize_t n = pwrite(out->fd, at, bytes, (off_t)offset);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return fail(out, "write");
        }
        at += n;
        offset += (uint64_t)n;
        bytes -= (size_t)n;
    }
    return 0;
}

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

/* The header's bytes without checksums, its size, and the size of the whole file. */
static uint8_t *lay_out(const struct esp_checkpoint_state *state,
                        const struct esp_checkpoint_tensor *tensors,
                        int tensor_count,
                        size_t *header_bytes,
                        size_t *table_offset,
                        uint64_t *file_bytes)
{
    size_t room = CHECKPOINT_FIXED_BYTES + CHECKPOINT_SETTINGS_BYTES_MAX +
                  (size_t)tensor_count * CHECKPOINT_TENSOR_BYTES + sizeof(uint64_t);
    uint8_t *header = calloc(1, room);
    if (!header) {
        return NULL;
    }
    struct checkpoint_fixed fixed = {
        .version = ESP_CHECKPOINT_VERSION,
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
    *table_offset = CHECKPOINT_FIXED_BYTES +
                    esp_checkpoint_settings_encode(
                        &state->trainer, header + CHECKPOINT_FIXED_BYTES, &fixed.setting_count);
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

/* Writes the tensors and notes each checksum in its row of the header's table. */
static int write_tensors(struct output *out,
                         uint8_t *table,
                         int tensor_count,
                         esp_checkpoint_source *source,
                         void *context)
{
    uint64_t largest = 0;
    struct checkpoint_row row;
    for (int i = 0; i < tensor_count; i++) {
        memcpy(&row, table + (size_t)i * sizeof row, sizeof row);
        largest = row.bytes > largest ? row.bytes : largest;
    }
    float *values = malloc(largest ? largest : 1);
    if (!values) {
        return esp_error_set(out->error,
                             -ENOMEM,
                             "checkpoint: no memory for a tensor of %zu bytes",
                             (size_t)largest);
    }
    int rc = 0;
    for (int i = 0; i < tensor_count && rc == 0; i++) {
        uint8_t *place = table + (size_t)i * sizeof row;
        memcpy(&row, place, sizeof row);
        rc = source(context, i, values, out->error);
        if (rc == 0) {
            row.hash = XXH3_64bits(values, row.bytes);
            memcpy(place, &row, sizeof row);
            rc = write_at(out, values, row.bytes, row.offset);
        }
    }
    free(values);
    return rc;
}

static int sync_folder(struct output *out, const char *path)
{
    char copy[ESP_PATH_MAX];
    snprintf(copy, sizeof copy, "%s", path);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return fail(out, "open the folder of");
    }
    int rc = fsync(fd) == 0 ? 0 : fail(out, "sync the folder of");
    close(fd);
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
    struct output out = {.fd = -1, .error = error};
    size_t header_bytes, table_offset;
    uint64_t file_bytes, header_hash;
    int rc;

    assert(tensor_count >= 0 && tensor_count <= ESP_CHECKPOINT_TENSORS_MAX);
    int length = snprintf(out.path, sizeof out.path, "%s.tmp", path);
    if (length < 0 || (size_t)length >= sizeof out.path) {
        return esp_error_set(
            error, -ENAMETOOLONG, "checkpoint: the path '%s' is too long", path);
    }
    uint8_t *header =
        lay_out(state, tensors, tensor_count, &header_bytes, &table_offset, &file_bytes);
    if (!header) {
        return esp_error_set(error, -ENOMEM, "checkpoint: no memory for the header");
    }
    out.fd = open(out.path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (out.fd < 0) {
        rc = fail(&out, "create");
        goto out;
    }
    rc = write_tensors(&out, header + table_offset, tensor_count, source, context);
    if (rc != 0) {
        goto out;
    }
    header_hash = XXH3_64bits(header, header_bytes - sizeof header_hash);
    memcpy(header + header_bytes - sizeof header_hash, &header_hash, sizeof header_hash);
    rc = write_at(&out, header, header_bytes, 0);
    if (rc == 0 && fsync(out.fd) != 0) {
        rc = fail(&out, "sync");
    }
    int closed = close(out.fd);
    out.fd = -1;
    if (rc == 0 && closed != 0) {
        rc = fail(&out, "close");
    }
    if (rc == 0 && rename(out.path, path) != 0) {
        rc = fail(&out, "rename");
    }
    if (rc == 0) {
        rc = sync_folder(&out, path);
    }
    if (rc == 0) {
        if (bytes) {
            *bytes = (int64_t)file_bytes;
        }
        if (hash) {
            *hash = header_hash;
        }
    }
out:
    if (out.fd >= 0) {
        close(out.fd);
    }
    if (rc != 0) {
        unlink(out.path); /* gone already when only the folder's sync failed */
    }
    free(header);
    return rc;
}
