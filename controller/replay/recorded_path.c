#include "recorded_path.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

static const char ledger_name[] = ESP_RECORDED_LEDGER;
static const char magic[] = "SQLite format 3"; /* with its NUL: how every database begins */

static bool is_database(const char *path)
{
    char head[sizeof magic] = "";
    FILE *file = fopen(path, "rb");
    if (!file) {
        return false;
    }
    size_t got = fread(head, 1, sizeof head, file);
    fclose(file);
    return got == sizeof head && memcmp(head, magic, sizeof head) == 0;
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

bool esp_recorded_path_is_study(const char *path)
{
    struct stat status;
    if (strcmp(last_part(path), ledger_name) == 0) {
        return true;
    }
    if (stat(path, &status) < 0) {
        return false;
    }
    return S_ISDIR(status.st_mode) || (S_ISREG(status.st_mode) && is_database(path));
}

int esp_recorded_path_folder(const char *path,
                             char folder[ESP_PATH_MAX],
                             struct esp_error *error)
{
    struct stat status;
    size_t whole = strlen(path);
    if (whole >= ESP_PATH_MAX) {
        return esp_error_set(error, -ENAMETOOLONG, "%.200s…: the path is too long", path);
    }
    memcpy(folder, path, whole + 1);
    const char *name = last_part(path);
    bool there = stat(path, &status) == 0;
    if (there && S_ISDIR(status.st_mode)) {
        return 0;
    }
    if (!there && strcmp(name, ledger_name) != 0) {
        return 0; /* the reader of the ledger reports what is missing */
    }
    if (strcmp(name, ledger_name) != 0) {
        return esp_error_set(error,
                             -EINVAL,
                             "%s: a ledger is only read under the name %s; give the folder of "
                             "the study, or rename the file",
                             path,
                             ledger_name);
    }
    size_t length = (size_t)(name - path);
    while (length > 1 && path[length - 1] == '/') {
        length--;
    }
    snprintf(folder, ESP_PATH_MAX, "%.*s", length ? (int)length : 1, length ? path : ".");
    return 0;
}
