/* Reading a checkpoint: nothing is used before its checksum was verified. See checkpoint.h. */
#include "checkpoint_private.h"

#include <assert.h>
#include <errno.h>
#include <espalier/regular_file.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>
#include <xxhash.h>

/* Bytes that are verified at a time, so that opening needs little memory whatever the model's
 * size. */
#define VERIFY_PIECE_BYTES (1 << 20)

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
            return esp_checkpoint_refuse(e, rc, c->path, "cannot be read: %s", strerror(-rc));
        }
        if (n == 0) {
            return esp_checkpoint_refuse(
                e, -EBADMSG, c->path, "is truncated at byte %" PRIu64, offset);
        }
        at += n;
        offset += (uint64_t)n;
        bytes -= (size_t)n;
    }
    return 0;
}

static int
verify_gap(const struct esp_checkpoint *c, uint64_t from, uint64_t to, struct esp_error *error)
{
    uint8_t gap[CHECKPOINT_ALIGNMENT];
    assert(to >= from && to - from < sizeof gap);
    int rc = read_at(c, gap, to - from, from, error);
    for (uint64_t i = 0; i < to - from && rc == 0; i++) {
        if (gap[i] != 0) {
            rc = esp_checkpoint_refuse(
                error, -EBADMSG, c->path, "byte %" PRIu64 " is damaged", from + i);
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
        return esp_checkpoint_refuse(error, -ENOMEM, c->path, "no memory to verify it");
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
        rc = esp_checkpoint_refuse(error,
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
    int rc =
        piece ? 0 : esp_checkpoint_refuse(error, -ENOMEM, c->path, "no memory to verify it");
    for (int i = 0; i < c->tensor_count && rc == 0; i++) {
        const struct checkpoint_row *row = &c->rows[i];
        if (row->offset != esp_checkpoint_align(end)) {
            rc = esp_checkpoint_refuse(error,
                                       -EBADMSG,
                                       c->path,
                                       "the tensor '%s' has an impossible offset",
                                       row->name);
        } else if (row->offset > c->bytes || row->bytes > c->bytes - row->offset) {
            rc = esp_checkpoint_refuse(error,
                                       -EBADMSG,
                                       c->path,
                                       "is truncated in the tensor '%s': it has %" PRIu64
                                       " bytes",
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
        rc = esp_checkpoint_refuse(error,
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
    int64_t bytes = 0;
    int rc = esp_regular_file_open(c->path, O_RDONLY, &bytes);
    if (rc == -EISDIR || rc == -ENXIO) {
        return esp_checkpoint_refuse(error, -EBADMSG, c->path, "is not a regular file");
    }
    if (rc < 0) {
        return esp_checkpoint_refuse(error, rc, c->path, "cannot be opened: %s", strerror(-rc));
    }
    c->fd = rc;
    c->bytes = (uint64_t)bytes;
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
        rc = esp_checkpoint_check_start(c, &fixed, error);
    }
    if (rc != 0) {
        goto out;
    }
    header = malloc(fixed.header_bytes);
    if (!header) {
        rc = esp_checkpoint_refuse(error, -ENOMEM, c->path, "no memory for its header");
        goto out;
    }
    rc = read_at(c, header, fixed.header_bytes, 0, error);
    if (rc == 0) {
        rc = esp_checkpoint_take_header(c, &fixed, header, error);
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
        return esp_checkpoint_refuse(error,
                                     -EINVAL,
                                     checkpoint->path,
                                     "has no tensor '%s': it belongs to another model",
                                     tensor->name);
    }
    for (int d = 0; d < 4; d++) {
        int64_t wanted = d < tensor->rank ? tensor->shape[d] : 1;
        if (row->shape[d] != wanted) {
            return esp_checkpoint_refuse(error,
                                         -EINVAL,
                                         checkpoint->path,
                                         "the tensor '%s' has %" PRId64
                                         " in dimension %d, this model %" PRId64
                                         ": it belongs to another model",
                                         tensor->name,
                                         row->shape[d],
                                         d,
                                         wanted);
        }
    }
    int rc = read_at(checkpoint, values, row->bytes, row->offset, error);
    if (rc == 0 && XXH3_64bits(values, row->bytes) != row->hash) {
        rc = esp_checkpoint_refuse(error,
                                   -EBADMSG,
                                   checkpoint->path,
                                   "the tensor '%s' is damaged (its checksum differs)",
                                   tensor->name);
    }
    return rc;
}
