#include "agent_lock.h"

#include "../system/files.h"
#include "agent.h"

#include <errno.h>
#include <espalier/limits.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

static int lock_path(const char *dir, char out[ESP_PATH_MAX])
{
    int length = snprintf(out, ESP_PATH_MAX, "%s/%s", dir, ESP_AGENT_LOCK);
    return length < ESP_PATH_MAX ? 0 : -ENAMETOOLONG;
}

int esp_agent_lock(const char *dir, int *out, struct esp_error *error)
{
    char path[ESP_PATH_MAX], text[128];
    struct esp_process_identity self;
    int rc = lock_path(dir, path), fd = -1;
    if (rc < 0) {
        goto out;
    }
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0) {
        rc = -errno;
        goto out;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        rc = errno == EWOULDBLOCK ? -EBUSY : -errno;
        /* The holder was killed, and a child that it had just forked still has the descriptor
         * open for a moment. */
        if (rc == -EBUSY && esp_agent_holder(dir, &self) < 0) {
            rc = flock(fd, LOCK_EX) < 0 ? -errno : 0;
        }
        if (rc < 0) {
            goto out;
        }
    }
    rc = esp_process_identity_read(getpid(), &self, NULL);
    if (rc < 0) {
        goto out;
    }
    /* The content always has the same length, so that the file is never truncated and the next
     * agent can write it even if the disk is full. */
    int length = snprintf(
        text, sizeof text, "%10d %20" PRIu64 " %36s\n", (int)self.pid, self.start, self.boot);
    if (pwrite(fd, text, (size_t)length, 0) != length) {
        rc = errno ? -errno : -EIO;
        goto out;
    }
    *out = fd;
    return 0;
out:
    if (fd >= 0) {
        close(fd);
    }
    return rc == -EBUSY ? esp_error_set(error, rc, "%s: another agent is running here.", dir)
                        : esp_error_set(error, rc, "%s: %s.", path, strerror(-rc));
}

int esp_agent_holder(const char *dir, struct esp_process_identity *holder)
{
    char path[ESP_PATH_MAX], text[128];
    struct esp_process_identity found = {0};
    int pid = 0;
    if (lock_path(dir, path) < 0 || esp_files_read(path, text, sizeof text) <= 0 ||
        sscanf(text, "%d %" SCNu64 " %36s", &pid, &found.start, found.boot) != 3) {
        return -ENOENT;
    }
    found.pid = pid;
    int fd = esp_process_identity_open(&found);
    if (fd < 0) {
        return -ENOENT;
    }
    close(fd);
    *holder = found;
    return 0;
}
