/* Chooses the reader for a file of weights, and reads numbers of three types. See weights.h. */
#include "weights.h"

#include "checkpoint_format.h"
#include "model/model.h"
#include "weights_file.h"

#include <assert.h>
#include <errno.h>
#include <espalier/regular_file.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int esp_weights_refuse(const struct esp_weights_file *file, int code, const char *format, ...)
{
    char words[ESP_ERROR_TEXT_MAX / 2];
    va_list args;
    va_start(args, format);
    vsnprintf(words, sizeof words, format, args);
    va_end(args);
    return esp_error_set(file->error, code, "weights '%.1000s': %s", file->path, words);
}

int esp_weights_read_at(const struct esp_weights_file *file,
                        void *buffer,
                        size_t bytes,
                        uint64_t offset)
{
    uint8_t *at = buffer;
    while (bytes > 0) {
        ssize_t n = pread(file->fd, at, bytes, (off_t)offset);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            int rc = -errno;
            return esp_weights_refuse(file, rc, "cannot be read: %s", strerror(-rc));
        }
        if (n == 0) {
            return esp_weights_refuse(file, -EBADMSG, "is truncated at byte %" PRIu64, offset);
        }
        at += n;
        offset += (uint64_t)n;
        bytes -= (size_t)n;
    }
    return 0;
}

static float of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* IEEE 754 binary16: 5 bits of exponent (bias 15), 10 of fraction. */
static float of_half(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000) << 16;
    uint32_t exponent = half >> 10 & 0x1F, fraction = half & 0x3FF;
    if (exponent == 0) { /* zero and subnormal: fraction · 2^-24 is exact */
        return of_bits(sign) + (sign ? -1.0f : 1.0f) * (float)fraction * 0x1p-24f;
    }
    exponent = exponent == 0x1F ? 0xFF : exponent - 15 + 127;
    return of_bits(sign | exponent << 23 | fraction << 13);
}

static float number_at(const void *piece, enum esp_safetensors_type type, size_t i)
{
    if (type == ESP_SAFETENSORS_F32) {
        return ((const float *)piece)[i];
    }
    uint16_t half = ((const uint16_t *)piece)[i];
    return type == ESP_SAFETENSORS_BF16 ? of_bits((uint32_t)half << 16) : of_half(half);
}

int esp_weights_read_numbers(const struct esp_weights_file *file,
                             const char *name,
                             enum esp_safetensors_type type,
                             uint64_t offset,
                             int64_t count,
                             float *values)
{
    size_t size = esp_weights_type_bytes(type);
    assert(type != ESP_SAFETENSORS_OTHER);
    for (int64_t at = 0; at < count; at += WEIGHTS_PIECE) {
        size_t some = count - at < WEIGHTS_PIECE ? (size_t)(count - at) : WEIGHTS_PIECE;
        int rc =
            esp_weights_read_at(file, file->piece, some * size, offset + (uint64_t)at * size);
        if (rc != 0) {
            return rc;
        }
        for (size_t i = 0; i < some; i++) {
            float value = number_at(file->piece, type, i);
            if (!isfinite(value)) {
                return esp_weights_refuse(file,
                                          -EINVAL,
                                          "the tensor '%.200s' holds %s at element %" PRId64
                                          "; training cannot start from it",
                                          name,
                                          isnan(value) ? "NaN" : "infinity",
                                          at + (int64_t)i);
            }
            values[at + (int64_t)i] = value;
        }
    }
    return 0;
}

int esp_weights_read_checkpoint(const struct esp_checkpoint *checkpoint,
                                const struct esp_model *model,
                                float *values,
                                struct esp_error *error)
{
    int rc = 0;
    for (int i = 0; i < esp_model_tensor_count(model) && rc == 0; i++) {
        const struct esp_model_tensor *tensor = esp_model_tensor(model, i);
        struct esp_checkpoint_tensor wanted = {
            .rank = tensor->rank, .shape = {tensor->shape[0], tensor->shape[1], 1, 1}};
        snprintf(wanted.name, sizeof wanted.name, "%s", tensor->name);
        rc = esp_checkpoint_read(checkpoint, &wanted, values + tensor->offset, error);
    }
    return rc;
}

static int read_checkpoint(const struct esp_weights_file *file,
                           const struct esp_model *model,
                           float *values)
{
    struct esp_checkpoint *checkpoint;
    int rc = esp_checkpoint_open(file->path, &checkpoint, file->error);
    if (rc == 0) {
        rc = esp_weights_read_checkpoint(checkpoint, model, values, file->error);
        esp_checkpoint_close(checkpoint);
    }
    return rc;
}

static int
read_any(const struct esp_weights_file *file, const struct esp_model *model, float *values)
{
    uint8_t head[9];
    int32_t magic;
    if (file->bytes < sizeof head) {
        return esp_weights_refuse(
            file, -EBADMSG, "has %" PRIu64 " bytes: it is empty or truncated", file->bytes);
    }
    int rc = esp_weights_read_at(file, head, sizeof head, 0);
    if (rc != 0) {
        return rc;
    }
    memcpy(&magic, head, sizeof magic);
    if (memcmp(head, CHECKPOINT_MAGIC, sizeof(uint64_t)) == 0) {
        return read_checkpoint(file, model, values);
    }
    if (magic == WEIGHTS_LLMC_MAGIC) {
        return esp_weights_read_llmc(file, model, values);
    }
    size_t length = strlen(file->path);
    bool named = length > 12 && strcmp(file->path + length - 12, ".safetensors") == 0;
    if (named || head[8] == '{') {
        return esp_weights_read_safetensors(file, model, values);
    }
    return esp_weights_refuse(file,
                              -EBADMSG,
                              "is not a safetensors file, a model of llm.c or a checkpoint of "
                              "espalier");
}

int esp_weights_read(const char *path,
                     const struct esp_model *model,
                     float *values,
                     struct esp_error *error)
{
    int64_t bytes = 0;
    struct esp_weights_file file = {.path = path, .fd = -1, .error = error};
    int rc = esp_regular_file_open(path, O_RDONLY, &bytes);
    if (rc == -EISDIR || rc == -ENXIO) {
        rc = esp_weights_refuse(&file, -EINVAL, "is not a regular file");
        goto out;
    }
    if (rc < 0) {
        esp_weights_refuse(&file, rc, "cannot be opened: %s", strerror(-rc));
        goto out;
    }
    file.fd = rc;
    file.bytes = (uint64_t)bytes;
    file.piece = malloc(WEIGHTS_PIECE * sizeof(float));
    rc = file.piece ? read_any(&file, model, values)
                    : esp_weights_refuse(&file, -ENOMEM, "no memory to read it");
out:
    free(file.piece);
    if (file.fd >= 0) {
        close(file.fd);
    }
    return rc;
}
