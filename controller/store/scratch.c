#include "scratch.h"

#include <errno.h>
#include <espalier/limits.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* open(2): EOPNOTSUPP from the file system; EISDIR from kernels, and ENOENT or EINVAL from file
 * systems, that do not know the flag. */
static int is_unsupported(int code)
{
    return code == EOPNOTSUPP || code == EISDIR || code == EINVAL || code == ENOENT;
}

static int open_and_unlink(const char *dir)
{
    char path[ESP_PATH_MAX + 32];
    int length = snprintf(path, sizeof path, "%s/.scratch-XXXXXX", dir);
    if (length < 0 || (size_t)length >= sizeof path) {
        return -ENAMETOOLONG;
    }
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    if (unlink(path) < 0) {
        int code = -errno;
        close(fd);
        return code;
    }
    return fd;
}

int esp_scratch_open(const char *dir)
{
    int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0 && is_unsupported(errno)) {
        return open_and_unlink(dir);
    }
    return fd < 0 ? -errno : fd;
}
