/* Opening a path that must name a regular file.
 *
 * A path that a user or another program controls can name a FIFO, a device or a folder. Opening
 * a FIFO waits for its other end, and reading a device may never end. Here such a path is
 * refused at once. */
#ifndef ESPALIER_REGULAR_FILE_H
#define ESPALIER_REGULAR_FILE_H

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* open(2) with `flags`, O_CLOEXEC and mode 0666. Returns a descriptor, which the caller closes,
 * and writes the file's size (`size` may be NULL). -EISDIR: a folder; -ENXIO: another kind of
 * file; else the errno of open or fstat. Nothing of another kind is truncated or written. */
static inline int esp_regular_file_open(const char *path, int flags, int64_t *size)
{
    struct stat status;
    /* O_NONBLOCK: without it, opening a FIFO waits. Regular files ignore it. */
    int fd = open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0666);
    if (fd < 0) {
        return -errno;
    }
    int rc = fstat(fd, &status) < 0    ? -errno
             : S_ISREG(status.st_mode) ? 0
             : S_ISDIR(status.st_mode) ? -EISDIR
                                       : -ENXIO;
    if (rc == 0 && fcntl(fd, F_SETFL, flags) < 0) {
        rc = -errno;
    }
    if (rc < 0) {
        close(fd);
        return rc;
    }
    if (size) {
        *size = status.st_size;
    }
    return fd;
}

/* The words for a negative errno of esp_regular_file_open. */
static inline const char *esp_regular_file_reason(int code)
{
    return code == -ENXIO ? "it is not a regular file" : strerror(-code);
}

#endif
