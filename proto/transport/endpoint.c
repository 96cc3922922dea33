#include "endpoint.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#define SOCKET "controller.sock"

/* Writes "ipc://FOLDER/NAME"; false when the path is too long. */
static bool fits(const char *folder, const char *name, char out[ESP_ENDPOINT_MAX])
{
    int n = snprintf(out, ESP_ENDPOINT_MAX, "ipc://%s/%s", folder, name);
    return n > 0 && n < ESP_ENDPOINT_MAX;
}

/* Makes the folder if it is missing. It must belong to this user and be closed to others. */
static int make_private(const char *folder, struct esp_error *error)
{
    struct stat s;
    if (mkdir(folder, 0700) < 0 && errno != EEXIST) {
        int code = -errno;
        return esp_error_set(
            error, code, "cannot make '%s' for the socket: %s", folder, strerror(-code));
    }
    if (lstat(folder, &s) < 0) {
        int code = -errno;
        return esp_error_set(error, code, "cannot examine '%s': %s", folder, strerror(-code));
    }
    if (!S_ISDIR(s.st_mode) || s.st_uid != geteuid() || (s.st_mode & 077) != 0) {
        return esp_error_set(
            error,
            -EPERM,
            "'%s' is needed for the study's socket, but it is not a folder "
            "that only you can access (mode 0700). Remove it, or run the study "
            "in a folder with a shorter path.",
            folder);
    }
    return 0;
}

int esp_endpoint_local(const char *dir, char out[ESP_ENDPOINT_MAX], struct esp_error *error)
{
    char folder[ESP_IPC_PATH_MAX + 1], name[32];
    char *path = realpath(dir, NULL);
    if (!path) {
        int code = -errno;
        return esp_error_set(error, code, "cannot open '%s': %s", dir, strerror(-code));
    }
    int rc = 0;
    if (fits(path, SOCKET, out)) {
        goto out;
    }
    snprintf(
        name, sizeof name, "%016" PRIx64 ".sock", (uint64_t)XXH3_64bits(path, strlen(path)));
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    if (runtime && runtime[0] == '/') {
        int n = snprintf(folder, sizeof folder, "%s/espalier", runtime);
        if (n > 0 && n < (int)sizeof folder && fits(folder, name, out) &&
            make_private(folder, NULL) == 0) {
            goto out;
        }
    }
    snprintf(folder, sizeof folder, "/tmp/espalier-%ju", (uintmax_t)geteuid());
    rc = make_private(folder, error);
    if (rc == 0 && !fits(folder, name, out)) {
        rc = esp_error_set(error, -ENAMETOOLONG, "'%s' is too long for a socket.", folder);
    }
out:
    free(path);
    return rc;
}
