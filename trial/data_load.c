/* Loading the files of a corpus. See data.h.
 *
 * A corpus up to ESP_DATA_COPIED_MAX bytes is copied into one block: that is cheap, and editing
 * a text while trials train on it does not affect them. Larger ones are mapped, unless they
 * have more than ESP_DATA_MAPPED_MAX files: each mapping costs a page and a kernel object
 * (vm.max_map_count is 65530), and a corpus of thousands of small source files is common. */
#include "data_private.h"

#include <errno.h>
#include <espalier/regular_file.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define ESP_DATA_MAPPED_MAX 256

/* Copied by each of 64 trial processes on one host: 2 GiB. */
#define ESP_DATA_COPIED_MAX (32LL << 20)

static int read_fully(int fd, void *buffer, size_t bytes)
{
    uint8_t *at = buffer;
    while (bytes > 0) {
        ssize_t n = read(fd, at, bytes);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return -errno;
        }
        if (n == 0) {
            return -EIO; /* the file became shorter after its size was read */
        }
        at += n;
        bytes -= (size_t)n;
    }
    return 0;
}

static int open_file(const char *path, int *fd, int64_t *size, struct esp_error *error)
{
    int rc = esp_regular_file_open(path, O_RDONLY, size);
    if (rc < 0) {
        return esp_error_set(
            error, rc, "trainer.data: cannot open '%s': %s", path, esp_regular_file_reason(rc));
    }
    *fd = rc;
    return 0;
}

static int map_file(struct esp_data_segment *segment, int fd, int64_t size)
{
    if (size == 0) {
        return 0;
    }
    void *map = mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) {
        return -errno;
    }
    segment->map = map;
    segment->map_bytes = (size_t)size;
    return 0;
}

/* Loads file `index`: maps it, or copies it to `*used` in the block. The block grows
 * geometrically and may move, so segments hold offsets until all files are loaded. */
static int load_file(struct esp_data *data,
                     size_t index,
                     size_t *used,
                     size_t *room,
                     int64_t *size,
                     struct esp_error *error)
{
    const char *path = data->files.paths[index];
    int fd = -1;
    int rc = open_file(path, &fd, size, error);
    if (rc != 0) {
        return rc;
    }
    if (!data->copied) {
        rc = map_file(&data->segments[index], fd, *size);
    } else {
        /* 4, so that uint32 tokens stay aligned, whatever the files' sizes */
        size_t need = *used + (((size_t)*size + 3) & ~(size_t)3);
        if (need > *room) {
            size_t grown = need > 2 * *room ? need : 2 * *room;
            uint8_t *block = realloc(data->block, grown);
            if (block) {
                data->block = block;
                *room = grown;
            } else {
                rc = -ENOMEM;
            }
        }
        if (rc == 0) {
            rc = read_fully(fd, data->block + *used, (size_t)*size);
        }
        if (rc == 0) {
            *used = need;
        }
    }
    close(fd);
    return rc == 0
               ? 0
               : esp_error_set(error,
                               rc,
                               "trainer.data: cannot read the %" PRId64 " bytes of '%s': %s",
                               *size,
                               path,
                               strerror(-rc));
}

/* Files that cannot be examined are reported when they are opened. */
static bool should_copy(const struct esp_corpus_files *files)
{
    struct stat status;
    int64_t bytes = 0;
    if (files->count > ESP_DATA_MAPPED_MAX) {
        return true;
    }
    for (size_t i = 0; i < files->count; i++) {
        bytes += stat(files->paths[i], &status) == 0 ? status.st_size : 0;
    }
    return bytes <= ESP_DATA_COPIED_MAX;
}

int esp_data_load(struct esp_data *data, const char *pattern, struct esp_error *error)
{
    size_t count = data->files.count, used = 0, room = 0;
    int64_t *sizes = calloc(count, sizeof *sizes);
    size_t *offsets = calloc(count, sizeof *offsets);
    struct esp_corpus_tally tally = {.dtype = data->dtype};
    int rc = 0;
    if (!sizes || !offsets) {
        rc = esp_error_set(error, -ENOMEM, "trainer.data: no memory for %zu files", count);
        goto out;
    }
    data->copied = should_copy(&data->files);
    for (size_t i = 0; i < count && rc == 0; i++) {
        offsets[i] = used;
        rc = load_file(data, i, &used, &room, &sizes[i], error);
    }
    for (size_t i = 0; i < count && rc == 0; i++) {
        struct esp_data_segment *segment = &data->segments[i];
        const char *path = data->files.paths[i];
        struct esp_corpus_extent extent;
        const uint8_t *bytes = segment->map ? segment->map : data->block + offsets[i];
        segment->position = tally.tokens;
        rc = esp_corpus_tally_add(&tally, path, bytes, sizes[i], &extent, error);
        if (rc == 0 && sizes[i] > 0) {
            segment->tokens = bytes + extent.offset;
            segment->count = extent.count;
        }
    }
    data->kind = tally.kind;
    data->tokens = tally.tokens;
    data->train_tokens = esp_corpus_train_tokens(tally.tokens);
    if (rc == 0) {
        rc = esp_corpus_check_length(&tally, pattern, data->context, error);
    }
out:
    free(offsets);
    free(sizes);
    return rc;
}
