/* DIR/lock: at most one controller per study.
 *
 * The holder takes two locks on one open file; the kernel releases both when it closes the file
 * or dies. flock is the lock proper, which scripts can test with `flock -n DIR/lock true`. The
 * second is an open-file-description lock. It can be queried without taking it (F_OFD_GETLK),
 * so a reader that asks whether a controller is alive never blocks one that is starting. */
#include "database.h"
#include "store.h"
#include <errno.h>
#include <espalier/full_disk.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static int lock_path(const char *dir, char path[ESP_DATABASE_PATH_MAX], struct esp_error *error)
{
    if (strlen(dir) >= ESP_PATH_MAX) {
        return esp_error_set(error, -ENAMETOOLONG, "the folder's path is too long: %s", dir);
    }
    snprintf(path, ESP_DATABASE_PATH_MAX, "%s/" ESP_STORE_LOCK, dir);
    return 0;
}

/* Returns the pid that the holder wrote, or 0. */
static pid_t holder(int fd)
{
    char text[32];
    ssize_t length = pread(fd, text, sizeof text - 1, 0);
    if (length <= 0) {
        return 0;
    }
    text[length] = '\0';
    long pid = strtol(text, NULL, 10);
    return pid > 0 && pid <= INT32_MAX ? (pid_t)pid : 0;
}

static int write_pid(int fd)
{
    char text[32];
    int length = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) < 0 || pwrite(fd, text, (size_t)length, 0) != length) {
        return errno ? -errno : -EIO;
    }
    return 0;
}

static int refuse_busy(const char *dir, int fd, struct esp_error *error)
{
    pid_t pid = holder(fd);
    if (pid) {
        return esp_error_set(error,
                             -EBUSY,
                             "%s is in use by process %ld; wait for it, or end it with "
                             "`kill -INT %ld` (it saves and can be resumed)",
                             dir,
                             (long)pid,
                             (long)pid);
    }
    return esp_error_set(
        error, -EBUSY, "%s is in use by another process (see `fuser %s/lock`)", dir, dir);
}

int esp_store_lock(const char *dir, int *out, struct esp_error *error)
{
    char path[ESP_DATABASE_PATH_MAX];
    int code = lock_path(dir, path, error);
    if (code < 0) {
        return code;
    }
    if (mkdir(dir, 0777) < 0 && errno != EEXIST) {
        code = -errno;
        return esp_error_set(error, code, "cannot create the folder %s: %m", dir);
    }
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0666);
    if (fd < 0) {
        code = -errno;
        return esp_error_set(error,
                             code,
                             "cannot write in %s: %m; name another folder with --dir, or "
                             "change its permissions",
                             dir);
    }
    struct stat status;
    code = fstat(fd, &status) < 0 ? -errno : esp_database_regular(&status, path, error);
    if (code < 0) {
        close(fd);
        return code;
    }
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (flock(fd, LOCK_EX | LOCK_NB) < 0 || fcntl(fd, F_OFD_SETLK, &whole) < 0) {
        code = errno == EWOULDBLOCK || errno == EACCES
                   ? refuse_busy(dir, fd, error)
                   : esp_error_set(error, -errno, "cannot lock %s: %m", path);
        close(fd);
        return code;
    }
    /* The pid is used only in messages, so a full disk must not prevent a resume. */
    code = write_pid(fd);
    if (code < 0 && !esp_is_full_disk(code)) {
        esp_error_set(error, code, "cannot write %s: %s", path, strerror(-code));
        close(fd);
        return code;
    }
    *out = fd;
    return 0;
}

int esp_store_locked(const char *dir, pid_t *pid)
{
    char path[ESP_DATABASE_PATH_MAX];
    int code = lock_path(dir, path, NULL);
    if (code < 0) {
        return code;
    }
    /* O_NONBLOCK: opening a FIFO must not wait for a writer. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return errno == ENOENT ? 0 : -errno;
    }
    struct flock whole = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
    if (fcntl(fd, F_OFD_GETLK, &whole) < 0) {
        code = -errno;
    } else {
        code = whole.l_type != F_UNLCK;
        if (code && pid) {
            *pid = holder(fd);
        }
    }
    close(fd);
    return code;
}
