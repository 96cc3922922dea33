/* Files that are written completely or not at all. See durable.h. */
#include "durable.h"

#include <errno.h>
#include <espalier/full_disk.h>
#include <espalier/regular_file.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int
refuse(const struct esp_durable *file, int rc, const char *verb, struct esp_error *error)
{
    return esp_error_set(error,
                         rc,
                         "%s: cannot %s '%s': %s%s",
                         file->what,
                         verb,
                         file->temp,
                         esp_regular_file_reason(rc),
                         esp_full_disk_remedy(rc));
}

static int fail(const struct esp_durable *file, const char *verb, struct esp_error *error)
{
    return refuse(file, -errno, verb, error);
}

int esp_durable_open(struct esp_durable *file,
                     const char *what,
                     const char *path,
                     struct esp_error *error)
{
    *file = (struct esp_durable){.fd = -1, .what = what};
    int length = snprintf(file->temp, sizeof file->temp, "%s.tmp", path);
    if (length < 0 || (size_t)length >= sizeof file->temp) {
        return esp_error_set(error, -ENAMETOOLONG, "%s: the path '%s' is too long", what, path);
    }
    snprintf(file->path, sizeof file->path, "%s", path);
    int rc = esp_regular_file_open(file->temp, O_WRONLY | O_CREAT | O_TRUNC, NULL);
    if (rc < 0) {
        refuse(file, rc, "create", error);
        file->temp[0] = '\0';
        return rc;
    }
    file->fd = rc;
    return 0;
}

int esp_durable_write(struct esp_durable *file,
                      const void *buffer,
                      size_t bytes,
                      uint64_t offset,
                      struct esp_error *error)
{
    const uint8_t *at = buffer;
    while (bytes > 0) {
        ssize_t n = pwrite(file->fd, at, bytes, (off_t)offset);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return fail(file, "write", error);
        }
        at += n;
        offset += (uint64_t)n;
        bytes -= (size_t)n;
    }
    return 0;
}

static int sync_folder(const struct esp_durable *file, struct esp_error *error)
{
    char copy[ESP_PATH_MAX];
    snprintf(copy, sizeof copy, "%s", file->path);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return fail(file, "open the folder of", error);
    }
    int rc = fsync(fd) == 0 ? 0 : fail(file, "sync the folder of", error);
    close(fd);
    return rc;
}

int esp_durable_commit(struct esp_durable *file, struct esp_error *error)
{
    int rc = fsync(file->fd) == 0 ? 0 : fail(file, "sync", error);
    int closed = close(file->fd);
    file->fd = -1;
    if (rc == 0 && closed != 0) {
        rc = fail(file, "close", error);
    }
    if (rc == 0 && rename(file->temp, file->path) != 0) {
        rc = fail(file, "rename", error);
    }
    if (rc == 0) {
        rc = sync_folder(file, error);
        file->temp[0] = '\0'; /* it is in place, even if the folder's fsync failed */
    }
    return rc;
}

void esp_durable_close(struct esp_durable *file)
{
    if (file->fd >= 0) {
        close(file->fd);
        file->fd = -1;
    }
    if (file->temp[0]) {
        unlink(file->temp);
        file->temp[0] = '\0';
    }
}
