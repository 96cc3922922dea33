#include "process_record.h"

#include "../system/files.h"

#include <dirent.h>
#include <errno.h>
#include <espalier/limits.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RECORD_SIZE 512

int esp_process_record_print(const struct esp_process_record *record, char *out, size_t size)
{
    int length = snprintf(out,
                          size,
                          "espalier-process 1\n"
                          "key %" PRIu64 "\n"
                          "pid %d\n"
                          "start %" PRIu64 "\n"
                          "boot %s\n"
                          "slot %" PRIu32 "\n"
                          "asked %d\n"
                          "ended %d\n"
                          "status %" PRId32 "\n"
                          "signal %" PRId32 "\n",
                          record->key,
                          (int)record->identity.pid,
                          record->identity.start,
                          record->identity.boot[0] ? record->identity.boot : "-",
                          record->slot,
                          record->asked,
                          record->ended,
                          record->status,
                          record->signal);
    return length < (int)size ? length : -ENAMETOOLONG;
}

int esp_process_record_parse(const char *text, struct esp_process_record *out)
{
    struct esp_process_record record = {0};
    int pid, asked, ended, used = 0;
    size_t length = strlen(text);
    if (length == 0 || text[length - 1] != '\n') {
        return -EBADMSG; /* incomplete: the last number may be too */
    }
    int fields = sscanf(text,
                        "espalier-process 1\nkey %" SCNu64 "\npid %d\nstart %" SCNu64
                        "\nboot %36s\nslot %" SCNu32 "\nasked %d\nended %d\nstatus %" SCNd32
                        "\nsignal %" SCNd32 "\n%n",
                        &record.key,
                        &pid,
                        &record.identity.start,
                        record.identity.boot,
                        &record.slot,
                        &asked,
                        &ended,
                        &record.status,
                        &record.signal,
                        &used);
    if (fields != 9 || used == 0 || text[used] != '\0' || pid < 0 || (asked & ~1) ||
        (ended & ~1)) {
        return -EBADMSG;
    }
    if (strcmp(record.identity.boot, "-") == 0) {
        record.identity.boot[0] = '\0';
    }
    record.identity.pid = pid;
    record.asked = asked;
    record.ended = ended;
    *out = record;
    return 0;
}

static int
record_path(const char *dir, uint64_t key, const char *suffix, char out[ESP_PATH_MAX])
{
    int length =
        snprintf(out, ESP_PATH_MAX, "%s/agent/processes/%" PRIu64 "%s", dir, key, suffix);
    return length < ESP_PATH_MAX ? 0 : -ENAMETOOLONG;
}

int esp_process_record_write(const char *dir,
                             const struct esp_process_record *record,
                             struct esp_error *error)
{
    char path[ESP_PATH_MAX], text[RECORD_SIZE];
    int length = esp_process_record_print(record, text, sizeof text);
    int rc = length < 0 ? length : record_path(dir, record->key, "", path);
    if (rc < 0) {
        return esp_error_set(error, rc, "%s: the path is too long.", dir);
    }
    return esp_files_write(path, text, (size_t)length, error);
}

int esp_process_record_remove(const char *dir, uint64_t key)
{
    char path[ESP_PATH_MAX];
    int rc = record_path(dir, key, "", path);
    if (rc < 0) {
        return rc;
    }
    return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

static int compare_keys(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

/* Lists the keys that have a file, sorted. The caller frees `*out`. Returns the count, or
 * -errno. */
static int list_keys(const char *folder, uint64_t **out)
{
    DIR *handle = opendir(folder);
    if (!handle) {
        return errno == ENOENT ? 0 : -errno;
    }
    int count = 0, rc = 0;
    uint64_t *keys = calloc(ESP_PROCESSES_MAX, sizeof *keys);
    if (!keys) {
        rc = -ENOMEM;
        goto out;
    }
    struct dirent *entry;
    while ((entry = readdir(handle)) && count < ESP_PROCESSES_MAX) {
        char *end = NULL;
        uint64_t key = strtoull(entry->d_name, &end, 10);
        if (end != entry->d_name && *end == '\0') {
            keys[count++] = key;
        }
    }
    qsort(keys, (size_t)count, sizeof *keys, compare_keys);
    *out = keys;
    rc = count;
out:
    closedir(handle);
    return rc;
}

int esp_process_record_list(const char *dir,
                            esp_process_record_each *each,
                            void *context,
                            struct esp_error *error)
{
    char folder[ESP_PATH_MAX], path[ESP_PATH_MAX], aside[ESP_PATH_MAX], text[RECORD_SIZE];
    uint64_t *keys = NULL;
    snprintf(folder, sizeof folder, "%s/agent/processes", dir);
    int count = list_keys(folder, &keys);
    if (count < 0) {
        return esp_error_set(error, count, "%s: %s.", folder, strerror(-count));
    }
    int rc = 0;
    for (int i = 0; i < count && rc == 0; i++) {
        struct esp_process_record record;
        if (record_path(dir, keys[i], "", path) < 0 ||
            record_path(dir, keys[i], ".damaged", aside) < 0 ||
            esp_files_read(path, text, sizeof text) < 0) {
            continue;
        }
        if (esp_process_record_parse(text, &record) < 0 || record.key != keys[i]) {
            rename(path, aside);
            continue;
        }
        rc = each(context, &record);
    }
    free(keys);
    return rc;
}
