#include "files.h"

#include <assert.h>
#include <errno.h>
#include <espalier/full_disk.h>
#include <espalier/limits.h>
#include <espalier/regular_file.h>
#include <espalier/utf8.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int make_one(const char *path, struct esp_error *error)
{
    if (mkdir(path, 0777) == 0) {
        return 0;
    }
    int code = errno;
    struct stat status;
    if (code == EEXIST && stat(path, &status) == 0 && S_ISDIR(status.st_mode)) {
        return 0;
    }
    /* In a parent that is read-only or not accessible, mkdir returns EROFS or EACCES even if
     * `path` exists. */
    if (code != EEXIST && stat(path, &status) == 0 && S_ISDIR(status.st_mode)) {
        return 0;
    }
    if (code == EEXIST) {
        return esp_error_set(
            error, -ENOTDIR, "%s: exists and is not a folder. Name another folder.", path);
    }
    return esp_error_set(
        error, -code, "%s: cannot make this folder: %s.", path, strerror(code));
}

int esp_files_make_dir(const char *path, struct esp_error *error)
{
    char part[ESP_PATH_MAX];
    size_t length = strlen(path);
    if (length == 0 || length >= sizeof part) {
        return esp_error_set(
            error, -ENAMETOOLONG, "\"%s\": the path is empty or too long.", path);
    }
    memcpy(part, path, length + 1);
    for (size_t i = 1; i < length; i++) {
        if (part[i] != '/') {
            continue;
        }
        part[i] = '\0';
        int rc = make_one(part, error);
        part[i] = '/';
        if (rc < 0) {
            return rc;
        }
    }
    return make_one(part, error);
}

static int write_all(int fd, const char *data, size_t size)
{
    size_t done = 0;
    while (done < size) {
        ssize_t n = write(fd, data + done, size - done);
        if (n < 0 && errno != EINTR) {
            return -errno;
        }
        done += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

static int sync_folder_of(const char *path)
{
    char copy[ESP_PATH_MAX];
    snprintf(copy, sizeof copy, "%s", path);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    int rc = fsync(fd) < 0 ? -errno : 0;
    close(fd);
    return rc;
}

int esp_files_write(const char *path, const char *data, size_t size, struct esp_error *error)
{
    char temp[ESP_PATH_MAX + 8];
    int rc = 0;
    snprintf(temp, sizeof temp, "%s.tmp", path);
    int fd = esp_regular_file_open(temp, O_WRONLY | O_CREAT | O_TRUNC, NULL);
    if (fd < 0) {
        rc = fd;
        goto out;
    }
    rc = write_all(fd, data, size);
    if (rc == 0 && fsync(fd) < 0) {
        rc = -errno;
    }
    close(fd);
    if (rc == 0 && rename(temp, path) < 0) {
        rc = -errno;
    }
    if (rc < 0) {
        unlink(temp);
        goto out;
    }
    rc = sync_folder_of(path);
out:
    if (rc < 0) {
        esp_error_set(error,
                      rc,
                      "%s: cannot be written: %s%s.",
                      path,
                      esp_regular_file_reason(rc),
                      esp_full_disk_remedy(rc));
    }
    return rc;
}

int esp_files_read(const char *path, char *out, size_t size)
{
    assert(size > 0);
    int fd = esp_regular_file_open(path, O_RDONLY, NULL);
    if (fd < 0) {
        return fd;
    }
    size_t used = 0;
    while (used < size - 1) {
        ssize_t n = read(fd, out + used, size - 1 - used);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            int code = -errno;
            close(fd);
            return code;
        }
        if (n == 0) {
            break;
        }
        used += (size_t)n;
    }
    close(fd);
    out[used] = '\0';
    return (int)used;
}

/* Replaces bytes that are not UTF-8, and control characters other than newline and tab, by '?'.
 */
static void clean(char *text)
{
    unsigned char *p = (unsigned char *)text;
    while (*p) {
        size_t length = esp_utf8_length((const char *)p, ESP_UTF8_TERMINATED);
        if (length == 0 ||
            (length == 1 && (*p < 0x20 || *p == 0x7F) && *p != '\n' && *p != '\t')) {
            *p++ = '?';
            continue;
        }
        p += length;
    }
}

void esp_files_tail(const char *path, int lines, char *out, size_t size)
{
    assert(size > 1);
    out[0] = '\0';
    int fd = esp_regular_file_open(path, O_RDONLY, NULL);
    if (fd < 0) {
        return;
    }
    off_t end = lseek(fd, 0, SEEK_END);
    off_t from = end > (off_t)(size - 1) ? end - (off_t)(size - 1) : 0;
    ssize_t got = pread(fd, out, size - 1, from);
    close(fd);
    if (got <= 0) {
        return;
    }
    out[got] = '\0';
    for (ssize_t i = 0; i < got; i++) {
        out[i] = out[i] == '\0' ? '?' : out[i];
    }
    char *start = out;
    if (from > 0) { /* the first line may be incomplete */
        char *newline = strchr(out, '\n');
        start = newline && newline[1] ? newline + 1 : out;
    }
    int seen = 0;
    for (char *p = out + got - 2; p >= start; p--) {
        if (*p == '\n' && ++seen == lines) {
            start = p + 1;
            break;
        }
    }
    memmove(out, start, strlen(start) + 1);
    clean(out);
}
