/* A temporary folder for a test, and files in it. */
#ifndef ESPALIER_TESTS_SCRATCH_H
#define ESPALIER_TESTS_SCRATCH_H

#include <assert.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct scratch {
    char path[64];
};

static inline struct scratch scratch_make(void)
{
    struct scratch s;
    snprintf(s.path, sizeof s.path, "%s", "/tmp/espalier-test-XXXXXX");
    char *made = mkdtemp(s.path);
    assert(made);
    return s;
}

static int scratch_remove_one(const char *path, const struct stat *s, int flag, struct FTW *ftw)
{
    (void)s, (void)flag, (void)ftw;
    return remove(path);
}

static inline void scratch_remove(struct scratch *s)
{
    nftw(s->path, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* The path of `name` in the folder, valid until the fourth call after this one. */
static inline const char *scratch_path(const struct scratch *s, const char *name)
{
    static char buffers[4][512];
    static int next;
    char *buffer = buffers[next++ % 4];
    snprintf(buffer, sizeof buffers[0], "%s/%s", s->path, name);
    return buffer;
}

static inline const char *
scratch_write(const struct scratch *s, const char *name, const void *bytes, size_t size)
{
    const char *path = scratch_path(s, name);
    FILE *f = fopen(path, "wb");
    assert(f);
    size_t n = fwrite(bytes, 1, size, f);
    assert(n == size);
    int rc = fclose(f);
    assert(rc == 0);
    return path;
}

static inline uint8_t *scratch_read(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    assert(f);
    fseek(f, 0, SEEK_END);
    *size = (size_t)ftell(f);
    rewind(f);
    uint8_t *bytes = malloc(*size + 1);
    assert(bytes);
    size_t n = fread(bytes, 1, *size, f);
    assert(n == *size);
    fclose(f);
    return bytes;
}

#endif
