/* Reading a checkpoint: nothing is used before its checksum was verified. See checkpoint.h. */
#include "checkpoint_format.h"

#include <assert.h>
#include <errno.h>
#include <espalier/kernels.h>
#include <espalier/limits.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

/* Bytes that are verified at a time, so that opening needs little memory whatever the model's
 * size. */
#define VERIFY_PIECE_BYTES (1 << 20)

struct esp_checkpoint {
    int fd;
    char path[ESP_PATH_MAX];
    struct esp_checkpoint_state state;
    struct checkpoint_row *rows; /* [tensor_count] */
    int tensor_count;
    uint64_t bytes;
    uint64_t hash;
};

__attribute__((format(printf, 4, 5))) static int
refuse(struct esp_error *error, int code, const char *path, const char *format, ...)
{
    char words[ESP_ERROR_TEXT_MAX / 2];
    va_list args;
    va_start(args, format);
    vsnprintf(words, sizeof words, format, args);
    va_end(args);
    return esp_error_set(error, code, "checkpoint '%.1000s': %s", path, words);
}

static int read_at(const struct esp_checkpoint *c,
                   void *buffer,
                   size_t bytes,
                   uint64_t offset,
                   struct esp_error *e)
{
    uint8_t *at = buffer;
    while (bytes > 0) {
        ssize_t n = pread(c->fd, at, bytes, (off_t)offset);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            int rc = -errno;
            return refuse(e, rc, c->path, "cannot be read: %s", strerror(-rc));
        }
        if (n == 0) {
            return refuse(e, -EBADMSG, c->path, "is truncated at byte %" PRIu64, offset);
        }
        at += n;
        offset += (uint64_t)n;
        bytes -= (size_t)n;
    }
    return 0;
}

/* Reads the beginning of the header, which contains its length. */
static int check_start(const struct esp_checkpoint *c,
                       const struct checkpoint_fixed *fixed,
                       struct esp_error *error)
{
    if (memcmp(fixed->magic, CHECKPOINT_MAGIC, sizeof fixed->magic) != 0) {
        return refuse(
            error, -EBADMSG, c->path, "is no espalier checkpoint (its first bytes differ)");
    }
    if (fixed->version > ESP_CHECKPOINT_VERSION) {
        return refuse(error,
                      -EPROTONOSUPPORT,
                      c->path,
                      "has version %" PRIu32 ", this program reads up to %d; use a newer one",
                      fixed->version,
                      ESP_CHECKPOINT_VERSION);
    }
    uint64_t least = esp_checkpoint_settings_offset(fixed->version) + sizeof(uint64_t) +
                     (uint64_t)fixed->tensor_count * CHECKPOINT_TENSOR_BYTES;
    if (fixed->version < 1 || fixed->header_bytes > CHECKPOINT_HEADER_MAX ||
        fixed->tensor_count > ESP_CHECKPOINT_TENSORS_MAX || fixed->header_bytes < least) {
        return refuse(error, -EBADMSG, c->path, "has a damaged header");
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
        return refuse(error, -EBADMSG, c->path, "has impossible counts in its header");
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
        return refuse(error,
                      -EBADMSG,
                      c->path,
                      "has an impossible loss scale of %g with %" PRId64 " clean updates",
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
        return refuse(error,
                      -EBADMSG,
                      c->path,
                      "says that %" PRId64 " of its %" PRId64 " updates overflowed",
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
        return refuse(error, -ENOMEM, c->path, "no memory for its table");
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
            return refuse(error, -EBADMSG, c->path, "row %d of its table is malformed", i);
        }
    }
    return 0;
}

static int take_header(struct esp_checkpoint *c,
                       const struct checkpoint_fixed *fixed,
                       const uint8_t *header,
                       struct esp_error *error)
{
    struct esp_error why;
    size_t used = 0;
    size_t end = fixed->header_bytes - sizeof(uint64_t);
    memcpy(&c->hash, header + end, sizeof c->hash);
    if (XXH3_64bits(header, end) != c->hash) {
        return refuse(error, -EBADMSG, c->path, "has a damaged header (its checksum differs)");
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
        return refuse(error, rc, c->path, "%.900s", why.text);
    }
    if (used != setting_bytes) {
        return refuse(error, -EBADMSG, c->path, "has settings of a wrong length");
    }
    return take_rows(c, header + settings + setting_bytes, error);
}

static int
verify_gap(const struct esp_checkpoint *c, uint64_t from, uint64_t to, struct esp_error *error)
{
    uint8_t gap[CHECKPOINT_ALIGNMENT];
    assert(to >= from && to - from < sizeof gap);
    int rc = read_at(c, gap, to - from, from, error);
    for (uint64_t i = 0; i < to - from && rc == 0; i++) {
        if (gap[i] != 0) {
            rc = refuse(error, -EBADMSG, c->path, "byte %" PRIu64 " is damaged", from + i);
        }
    }
    return rc;
}

static int verify_tensor(const struct esp_checkpoint *c,
                         const struct checkpoint_row *row,
                         void *piece,
                         struct esp_error *error)
{
    XXH3_state_t *state = XXH3_createState();
    if (!state) {
        return refuse(error, -ENOMEM, c->path, "no memory to verify it");
    }
    int rc = 0;
    XXH3_64bits_reset(state);
    for (uint64_t at = 0; at < row->bytes && rc == 0;) {
        uint64_t left = row->bytes - at;
        size_t n = left < VERIFY_PIECE_BYTES ? left : VERIFY_PIECE_BYTES;
        rc = read_at(c, piece, n, row->offset + at, error);
        if (rc == 0) {
            XXH3_64bits_update(state, piece, n);
        }
        at += n;
    }
    if (rc == 0 && XXH3_64bits_digest(state) != row->hash) {
        rc = refuse(error,
                    -EBADMSG,
                    c->path,
                    "the tensor '%s' is damaged (its checksum differs)",
                    row->name);
    }
    XXH3_freeState(state);
    return rc;
}

/* Offsets must be those that writing produces, so that no two tensors share bytes and none is
 * skipped, and the file must end with the last tensor. */
static int
verify_content(const struct esp_checkpoint *c, uint64_t header_bytes, struct esp_error *error)
{
    uint64_t end = header_bytes;
    void *piece = malloc(VERIFY_PIECE_BYTES);
    int rc = piece ? 0 : refuse(error, -ENOMEM, c->path, "no memory to verify it");
    for (int i = 0; i < c->tensor_count && rc == 0; i++) {
        const struct checkpoint_row *row = &c->rows[i];
        if (row->offset != esp_checkpoint_align(end)) {
            rc = refuse(
                error, -EBADMSG, c->path, "the tensor '%s' lies where it cannot", row->name);
        } else if (row->offset > c->bytes || row->bytes > c->bytes - row->offset) {
            rc = refuse(error,
                        -EBADMSG,
                        c->path,
                        "is truncated in the tensor '%s': it has %" PRIu64 " bytes",
                        row->name,
                        c->bytes);
        }
        if (rc == 0) {
            rc = verify_gap(c, end, row->offset, error);
        }
        if (rc == 0) {
            rc = verify_tensor(c, row, piece, error);
        }
        end = row->offset + row->bytes;
    }
    if (rc == 0 && end != c->bytes) {
        rc = refuse(error,
                    -EBADMSG,
                    c->path,
                    "has %" PRIu64 " bytes instead of %" PRIu64,
                    c->bytes,
                    end);
    }
    free(piece);
    return rc;
}

static int open_fd(struct esp_checkpoint *c, struct esp_error *error)
{
    struct stat status;
    c->fd = open(c->path, O_RDONLY | O_CLOEXEC);
    if (c->fd < 0 || fstat(c->fd, &status) != 0) {
        int rc = -errno;
        return refuse(error, rc, c->path, "cannot be opened: %s", strerror(-rc));
    }
    if (!S_ISREG(status.st_mode)) {
        return refuse(error, -EBADMSG, c->path, "is not a regular file");
    }
    c->bytes = (uint64_t)status.st_size;
    return 0;
}

int esp_checkpoint_open(const char *path,
                        struct esp_checkpoint **checkpoint,
                        struct esp_error *error)
{
    struct checkpoint_fixed fixed;
    uint8_t *header = NULL;
    struct esp_checkpoint *c = calloc(1, sizeof *c);
    if (!c) {
        return esp_error_set(error, -ENOMEM, "checkpoint: no memory");
    }
    c->fd = -1;
    int rc = 0;
    int length = snprintf(c->path, sizeof c->path, "%s", path);
    if (length < 0 || (size_t)length >= sizeof c->path) {
        rc = esp_error_set(error, -ENAMETOOLONG, "checkpoint: the path is too long");
        goto out;
    }
    rc = open_fd(c, error);
    if (rc != 0) {
        goto out;
    }
    rc = read_at(c, &fixed, sizeof fixed, 0, error);
    if (rc == 0) {
        rc = check_start(c, &fixed, error);
    }
    if (rc != 0) {
        goto out;
    }
    header = malloc(fixed.header_bytes);
    if (!header) {
        rc = refuse(error, -ENOMEM, c->path, "no memory for its header");
        goto out;
    }
    rc = read_at(c, header, fixed.header_bytes, 0, error);
    if (rc == 0) {
        rc = take_header(c, &fixed, header, error);
    }
    if (rc == 0) {
        rc = verify_content(c, fixed.header_bytes, error);
    }
out:
    free(header);
    if (rc != 0) {
        esp_checkpoint_close(c);
        return rc;
    }
    *checkpoint = c;
    return 0;
}

void esp_checkpoint_close(struct esp_checkpoint *checkpoint)
{
    if (!checkpoint) {
        return;
    }
    if (checkpoint->fd >= 0) {
        close(checkpoint->fd);
    }
    free(checkpoint->rows);
    free(checkpoint);
}

const struct esp_checkpoint_state *esp_checkpoint_state(const struct esp_checkpoint *checkpoint)
{
    return &checkpoint->state;
}

int64_t esp_checkpoint_bytes(const struct esp_checkpoint *checkpoint)
{
    return (int64_t)checkpoint->bytes;
}

uint64_t esp_checkpoint_hash(const struct esp_checkpoint *checkpoint)
{
    return checkpoint->hash;
}

int esp_checkpoint_tensors(const struct esp_checkpoint *checkpoint)
{
    return checkpoint->tensor_count;
}

int esp_checkpoint_read(const struct esp_checkpoint *checkpoint,
                        const struct esp_checkpoint_tensor *tensor,
                        float *values,
                        struct esp_error *error)
{
    const struct checkpoint_row *row = NULL;
    for (int i = 0; i < checkpoint->tensor_count && !row; i++) {
        if (strcmp(checkpoint->rows[i].name, tensor->name) == 0) {
            row = &checkpoint->rows[i];
        }
    }
    if (!row) {
        return refuse(error,
                      -EINVAL,
                      checkpoint->path,
                      "has no tensor '%s': it belongs to another model",
                      tensor->name);
    }
    for (int d = 0; d < 4; d++) {
        int64_t wanted = d < tensor->rank ? tensor->shape[d] : 1;
        if (row->shape[d] != wanted) {
            return refuse(error,
                          -EINVAL,
                          checkpoint->path,
                          "the tensor '%s' has %" PRId64 " in dimension %d, this model %" PRId64
                          ": it belongs to another model",
                          tensor->name,
                          row->shape[d],
                          d,
                          wanted);
        }
    }
    int rc = read_at(checkpoint, values, row->bytes, row->offset, error);
    if (rc == 0 && XXH3_64bits(values, row->bytes) != row->hash) {
        rc = refuse(error,
                    -EBADMSG,
                    checkpoint->path,
                    "the tensor '%s' is damaged (its checksum differs)",
                    tensor->name);
    }
    return rc;
}
