/* Groups and commits of the writer, and its behaviour on disk errors. */
#include "store.h"
#include "internal.h"
#include "scratch.h"
#include <errno.h>
#include <espalier/full_disk.h>
#include <espalier/plant.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* Log size in pages of 4 KiB at which esp_store_tidy checkpoints (4 MiB), and at which a commit
 * checkpoints by itself (16 MiB). A log of a hundred times the first size was measured to halve
 * the throughput. */
#define CHECKPOINT_FRAMES 1000
#define CHECKPOINT_FRAMES_LATE 4000

/* Bytes that must be free before a full disk counts as having room: a group of 256 reports
 * changes at most about 256 leaf pages of 4 KiB. */
#define ROOM_BYTES (1024 * 1024)

#define PAGES_MAX 4294967294LL

/* Whether the connection is still usable after this error. */
static bool is_usable_after(int code)
{
    return esp_is_full_disk(code) || code == -EBUSY || code == -EINVAL;
}

/* Rolls back the group, and records an error after which the store cannot be used. */
static int drop(struct esp_store *store, int code)
{
    if (!sqlite3_get_autocommit(store->db)) {
        sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
    }
    store->open = false;
    store->seq = store->committed;
    if (!is_usable_after(code)) {
        store->broken = code;
    }
    return code;
}

static int fail(struct esp_store *store, int rc, const char *doing, struct esp_error *error)
{
    if (rc < 0) { /* an errno, not a SQLite result */
        esp_error_set(error, rc, "%s: cannot %s: %s", store->path, doing, strerror(-rc));
        return drop(store, rc);
    }
    return drop(store, esp_database_fail(store->db, rc, store->path, doing, error));
}

static int refuse_broken(struct esp_store *store, struct esp_error *error)
{
    return esp_error_set(error,
                         store->broken,
                         "%s: an earlier write failed, so nothing more is written; resume the "
                         "study, which checks the file",
                         store->path);
}

static int step(sqlite3_stmt *s)
{
    int rc = sqlite3_step(s);
    sqlite3_reset(s);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int esp_store_append(struct esp_store *store,
                     const struct esp_event *events,
                     size_t count,
                     struct esp_error *error)
{
    if (store->broken < 0) {
        return refuse_broken(store, error);
    }
    if (!store->open && count > 0) {
        int rc = step(store->sql[ESP_SQL_BEGIN]);
        if (rc != SQLITE_OK) {
            return fail(store, rc, "begin to write", error);
        }
        store->open = true;
    }
    for (size_t i = 0; i < count; i++) {
        if (events[i].seq != store->seq + 1) {
            esp_error_set(error,
                          -EINVAL,
                          "%s: event %llu follows %llu",
                          store->path,
                          (unsigned long long)events[i].seq,
                          (unsigned long long)store->seq);
            return drop(store, -EINVAL);
        }
        int rc = esp_fold_event(store, &events[i]);
        if (rc != SQLITE_OK) {
            return fail(store, rc, "record an event", error);
        }
        store->seq++;
    }
    return 0;
}

/* Copies the write-ahead log into the database. Earlier commits are safe whatever happens here.
 * After a failed sync, a second sync may succeed although the pages are lost, so nothing is
 * written after a disk error. A reader in a snapshot or a full disk only delays the copy. */
static void checkpoint(struct esp_store *store)
{
    int rc = sqlite3_wal_checkpoint_v2(store->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    if ((rc & 0xff) == SQLITE_IOERR || (rc & 0xff) == SQLITE_CORRUPT) {
        int code = esp_database_fail(store->db, rc, store->path, "checkpoint", NULL);
        store->broken = is_usable_after(code) ? 0 : code;
    }
    store->log_copied = store->wal_frames;
}

/* Whether the log has grown by `frames` since the last attempt to copy it, or since it was
 * reset. */
static bool log_has_grown(struct esp_store *store, int frames)
{
    if (store->wal_frames < store->log_copied) {
        store->log_copied = 0;
    }
    return store->wal_frames - store->log_copied >= frames;
}

void esp_store_tidy(struct esp_store *store)
{
    if (!store->open && store->broken == 0 && log_has_grown(store, CHECKPOINT_FRAMES)) {
        checkpoint(store);
    }
}

int esp_store_commit(struct esp_store *store, struct esp_error *error)
{
    if (store->broken < 0) {
        return refuse_broken(store, error);
    }
    if (!store->open) {
        return 0;
    }
    if (ESP_PLANT("store-commit-skipped") && ++store->commits == 5) {
        sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
        store->open = false;
        store->committed = store->seq;
        return 0;
    }
    int rc = step(store->sql[ESP_SQL_COMMIT]);
    if (rc != SQLITE_OK) {
        return fail(store, rc, "write to disk", error);
    }
    store->open = false;
    store->committed = store->seq;
    if (log_has_grown(store, CHECKPOINT_FRAMES_LATE)) {
        checkpoint(store);
    }
    return 0;
}

void esp_store_rollback(struct esp_store *store)
{
    if (store->open) {
        drop(store, -EINVAL);
    }
}

/* Writes and syncs a temporary file of ROOM_BYTES. 1: it fits, 0: the disk is full, or an
 * errno. */
static int try_disk(struct esp_store *store)
{
    static const char block[65536];
    int fd = esp_scratch_open(store->dir);
    if (fd < 0) {
        return esp_is_full_disk(fd) ? 0 : fd;
    }
    int room = 1;
    for (int done = 0; room == 1 && done < ROOM_BYTES; done += (int)sizeof block) {
        ssize_t size = write(fd, block, sizeof block);
        if (size != (ssize_t)sizeof block) {
            room = size >= 0 || esp_is_full_disk(-errno) ? 0 : -errno;
        }
    }
    if (room == 1 && fsync(fd) < 0) {
        room = esp_is_full_disk(-errno) ? 0 : -errno;
    }
    close(fd);
    return room;
}

/* Whether the limit on file sizes (RLIMIT_FSIZE) lets the ledger and its log grow by
 * ROOM_BYTES. The filler of try_disk is a small file, so it does not show this. */
static bool is_growth_allowed(const struct esp_store *store)
{
    char log[ESP_DATABASE_PATH_MAX + 4];
    struct rlimit limit;
    struct stat status;
    if (getrlimit(RLIMIT_FSIZE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY) {
        return true;
    }
    snprintf(log, sizeof log, "%s-wal", store->path);
    for (int i = 0; i < 2; i++) {
        const char *path = i == 0 ? store->path : log;
        rlim_t size = stat(path, &status) == 0 ? (rlim_t)status.st_size : 0;
        if (size + ROOM_BYTES > limit.rlim_cur) {
            return false;
        }
    }
    return true;
}

int esp_store_room(struct esp_store *store, struct esp_error *error)
{
    char sql[128];
    if (store->broken < 0) {
        return refuse_broken(store, error);
    }
    if (store->open) {
        return esp_error_set(error, -EINVAL, "%s: a group is open", store->path);
    }
    int room = is_growth_allowed(store) ? try_disk(store) : 0;
    if (room <= 0) {
        return room == 0
                   ? 0
                   : esp_error_set(
                         error, room, "cannot write in %s: %s", store->dir, strerror(-room));
    }
    snprintf(sql,
             sizeof sql,
             "INSERT INTO note(time_ms, text) VALUES (0, CAST(zeroblob(%d) AS TEXT))",
             ROOM_BYTES / 4);
    int rc = step(store->sql[ESP_SQL_BEGIN]);
    if (rc == SQLITE_OK) {
        rc = sqlite3_exec(store->db, sql, NULL, NULL, NULL);
    }
    if (rc == SQLITE_OK) {
        drop(store, -EINVAL);
        return 1;
    }
    int code = fail(store, rc, "write", error);
    return esp_is_full_disk(code) ? 0 : code;
}

void esp_store_quota(struct esp_store *store, int64_t pages)
{
    char sql[64];
    int64_t now = 0, limit = PAGES_MAX;
    if (pages >= 0 && esp_database_integer(store->db, "PRAGMA page_count", &now) == 0) {
        limit = now + pages;
    }
    snprintf(sql, sizeof sql, "PRAGMA max_page_count = %lld", (long long)limit);
    sqlite3_exec(store->db, sql, NULL, NULL, NULL);
}

int esp_store_dropped(struct esp_store *store,
                      esp_store_each_path *each,
                      void *context,
                      struct esp_error *error)
{
    sqlite3_stmt *s = NULL;
    int code = 0;
    int rc = sqlite3_prepare_v2(store->db,
                                "SELECT path FROM checkpoint WHERE dropped_ms IS NOT NULL "
                                "EXCEPT SELECT path FROM checkpoint WHERE dropped_ms IS NULL",
                                -1,
                                &s,
                                NULL);
    while (rc == SQLITE_OK && code == 0 && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        const char *path = (const char *)sqlite3_column_text(s, 0);
        code = path ? each(context, path) : 0;
        rc = SQLITE_OK;
    }
    sqlite3_finalize(s);
    return code == 0 && rc != SQLITE_OK && rc != SQLITE_DONE
               ? esp_database_fail(store->db, rc, store->path, "be read", error)
               : code;
}
