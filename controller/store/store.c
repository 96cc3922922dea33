/* The writer's life: create, open, groups, commits, and what happens when the disk says no. */
#include "store.h"
#include "internal.h"
#include "schema.h"
#include <errno.h>
#include <espalier/plant.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The write-ahead log is copied into the database from this many pages on: 4 MiB. A hundred
 * times that was measured to cut throughput by half. */
#define CHECKPOINT_FRAMES 1000

/* What must fit before a full disk counts as having room: a group of 256 reports changes at
 * most about 256 leaf pages of 4 KiB. */
#define ROOM_BYTES (1024 * 1024)

#define PAGES_MAX 4294967294LL

static int on_wal(void *context, sqlite3 *db, const char *name, int frames)
{
    struct esp_store *store = context;
    (void)db;
    (void)name;
    store->wal_frames = frames;
    return SQLITE_OK;
}

/* Codes after which the connection is as good as before. */
static bool is_usable_after(int code)
{
    return code == -ENOSPC || code == -EBUSY || code == -EINVAL;
}

/* Ends the group without a trace, and remembers a failure that cannot be gone on from. */
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
    if (rc < 0) { /* ours, not SQLite's */
        esp_error_set(error, rc, "%s: cannot %s: %s", store->path, doing, strerror(-rc));
        return drop(store, rc);
    }
    return drop(store, esp_database_fail(store->db, rc, store->path, doing, error));
}

static int refuse_broken(struct esp_store *store, struct esp_error *error)
{
    return esp_error_set(error,
                         store->broken,
                         "%s: not written any more after a failed write; resume the study, "
                         "which checks the file",
                         store->path);
}

static struct esp_store *allocate(const char *dir, struct esp_error *error, int *code)
{
    char path[ESP_DATABASE_PATH_MAX];
    *code = esp_database_path(dir, path, error);
    if (*code < 0) {
        return NULL;
    }
    struct esp_store *store = calloc(1, sizeof *store);
    if (store) {
        store->dir = strdup(dir);
        store->path = strdup(path);
        store->checkpoint_at = CHECKPOINT_FRAMES;
    }
    if (!store || !store->dir || !store->path) {
        esp_store_close(store);
        *code = esp_error_set(error, -ENOMEM, "out of memory");
        return NULL;
    }
    return store;
}

static int connect(struct esp_store *store, int flags, struct esp_error *error)
{
    int rc = sqlite3_open_v2(store->path,
                             &store->db,
                             SQLITE_OPEN_READWRITE | SQLITE_OPEN_EXRESCODE |
                                 SQLITE_OPEN_NOMUTEX | flags,
                             NULL);
    if (rc != SQLITE_OK) {
        return esp_database_fail(store->db, rc, store->path, "open it", error);
    }
    sqlite3_busy_timeout(store->db, ESP_DATABASE_BUSY_MS);
    /* What a damaged or hostile file's schema may do is kept small; a file that shrinks under
     * us must not raise SIGBUS. */
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_exec(store->db, "PRAGMA mmap_size = 0", NULL, NULL, NULL);
    return 0;
}

/* WAL, the sync level, the log's copying by our hand (so that a failed sync is seen). */
static int configure(struct esp_store *store,
                     const struct esp_store_options *options,
                     struct esp_error *error)
{
    int rc = sqlite3_exec(store->db, "PRAGMA journal_mode = WAL", NULL, NULL, NULL);
    if (rc == SQLITE_OK) {
        rc = sqlite3_exec(store->db,
                          options && options->unsafe ? "PRAGMA synchronous = OFF"
                                                     : "PRAGMA synchronous = FULL",
                          NULL,
                          NULL,
                          NULL);
    }
    if (rc == SQLITE_OK) {
        rc = sqlite3_exec(store->db, "PRAGMA cache_size = -8192", NULL, NULL, NULL);
    }
    sqlite3_wal_hook(store->db, on_wal, store);
    return rc == SQLITE_OK ? 0 : esp_database_fail(store->db, rc, store->path, "set up", error);
}

static char *column_copy(sqlite3_stmt *s, int column)
{
    const unsigned char *text = sqlite3_column_text(s, column);
    return strdup(text ? (const char *)text : "");
}

/* The study row and where the numbering stands. */
static int read_study(struct esp_store *store, struct esp_error *error)
{
    sqlite3_stmt *s = NULL;
    int64_t rows = 0;
    int rc = sqlite3_prepare_v2(
        store->db, "SELECT nonce, source, base, file FROM study", -1, &s, NULL);
    rc = rc == SQLITE_OK ? sqlite3_step(s) : rc;
    int code = 0;
    if (rc == SQLITE_ROW) {
        code = esp_hex_read((const char *)sqlite3_column_text(s, 0), &store->nonce);
        store->source = column_copy(s, 1);
        store->base = column_copy(s, 2);
        store->file = column_copy(s, 3);
    }
    sqlite3_finalize(s);
    if (rc == SQLITE_DONE || code < 0) {
        return esp_error_set(
            error, -EBADMSG, "%s: the ledger is damaged: it names no study", store->path);
    }
    if (rc != SQLITE_ROW) {
        return esp_database_fail(store->db, rc, store->path, "be read", error);
    }
    if (!store->source || !store->base || !store->file) {
        return esp_error_set(error, -ENOMEM, "out of memory");
    }
    code = esp_database_integer(
        store->db,
        "SELECT (SELECT count(*) FROM event) + (SELECT count(*) FROM report)",
        &rows);
    if (code < 0) {
        return esp_database_fail(
            store->db, sqlite3_extended_errcode(store->db), store->path, "be read", error);
    }
    store->seq = store->committed = (uint64_t)rows;
    return 0;
}

static int prepare(struct esp_store *store, struct esp_error *error)
{
    int rc = esp_fold_prepare(store);
    return rc == SQLITE_OK ? 0
                           : esp_database_fail(store->db, rc, store->path, "be read", error);
}

static int insert_study(struct esp_store *store,
                        const struct esp_study *study,
                        const struct esp_store_origin *origin)
{
    sqlite3_stmt *s = NULL;
    char hex[ESP_HEX_MAX];
    int rc = sqlite3_prepare_v2(store->db,
                                "INSERT INTO study(id, name, metric, goal, nonce, source, "
                                "file, base, created_ms, created_by) "
                                "VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                                -1,
                                &s,
                                NULL);
    if (rc != SQLITE_OK) {
        return rc;
    }
    const char *texts[] = {study->name,
                           study->metric,
                           study->maximize ? "maximize" : "minimize",
                           hex,
                           study->source ? study->source : "",
                           origin->file ? origin->file : "",
                           origin->base ? origin->base : ""};
    esp_hex_write(origin->nonce, hex);
    for (int i = 0; i < 7; i++) {
        sqlite3_bind_text(s, i + 1, texts[i], -1, SQLITE_STATIC);
    }
    sqlite3_bind_int64(s, 8, origin->time_ms);
    sqlite3_bind_text(s, 9, ESP_VERSION, -1, SQLITE_STATIC);
    rc = sqlite3_step(s);
    sqlite3_finalize(s);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int insert_space(struct esp_store *store, const struct esp_study *study)
{
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(store->db, "INSERT INTO space VALUES (?, ?, ?)", -1, &s, NULL);
    for (int i = 0; rc == SQLITE_OK && i < study->param_count; i++) {
        store->text.length = 0;
        esp_optuna_distribution(&study->params[i], &store->text);
        if (store->text.failed) {
            rc = SQLITE_NOMEM;
            break;
        }
        sqlite3_bind_int(s, 1, i);
        sqlite3_bind_text(s, 2, study->params[i].name, -1, SQLITE_STATIC);
        sqlite3_bind_text(s, 3, store->text.data, (int)store->text.length, SQLITE_STATIC);
        rc = sqlite3_step(s);
        rc = rc == SQLITE_DONE ? SQLITE_OK : rc;
        sqlite3_reset(s);
    }
    sqlite3_finalize(s);
    return rc;
}

/* What Optuna's viewers show beside the study. */
static int insert_metric_name(struct esp_store *store, const struct esp_study *study)
{
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(store->db,
                                "INSERT INTO study_system_attributes(study_id, \"key\", "
                                "value_json) VALUES (1, 'study:metric_names', json_array(?))",
                                -1,
                                &s,
                                NULL);
    if (rc == SQLITE_OK) {
        sqlite3_bind_text(s, 1, study->metric, -1, SQLITE_STATIC);
        rc = sqlite3_step(s);
        rc = rc == SQLITE_DONE ? SQLITE_OK : rc;
    }
    sqlite3_finalize(s);
    return rc;
}

static int fill(struct esp_store *store,
                const struct esp_study *study,
                const struct esp_store_origin *origin)
{
    int rc = sqlite3_exec(store->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    rc = rc == SQLITE_OK ? esp_schema_create(store->db) : rc;
    rc = rc == SQLITE_OK ? insert_study(store, study, origin) : rc;
    rc = rc == SQLITE_OK ? insert_space(store, study) : rc;
    rc = rc == SQLITE_OK ? insert_metric_name(store, study) : rc;
    return rc == SQLITE_OK ? sqlite3_exec(store->db, "COMMIT", NULL, NULL, NULL) : rc;
}

/* DIR itself must be on disk too, or a power cut takes the whole study with it. */
static int sync_folders(const char *dir, struct esp_error *error)
{
    char copy[ESP_PATH_MAX];
    int code = esp_database_sync_file(dir, error);
    snprintf(copy, sizeof copy, "%s", dir);
    return code < 0 ? code : esp_database_sync_file(dirname(copy), error);
}

int esp_store_create(const char *dir,
                     const struct esp_study *study,
                     const struct esp_store_origin *origin,
                     const struct esp_store_options *options,
                     struct esp_store **out,
                     struct esp_error *error)
{
    int code;
    struct esp_store *store = allocate(dir, error, &code);
    if (!store) {
        return code;
    }
    code = esp_filesystem_check(dir, error);
    if (code == 0) {
        code = connect(store, SQLITE_OPEN_CREATE, error);
    }
    int content = code == 0 ? esp_database_content(store->db, store->path, error) : code;
    if (content != 0) {
        code = content < 0
                   ? content
                   : esp_error_set(error, -EEXIST, "%s: there is a study already", store->path);
        goto out;
    }
    code = configure(store, options, error);
    if (code < 0) {
        goto out;
    }
    int rc = fill(store, study, origin);
    if (rc != SQLITE_OK) {
        code = fail(store, rc, "begin the ledger", error);
        goto out;
    }
    code = options && options->unsafe ? 0 : sync_folders(dir, error);
    if (code == 0) {
        code = read_study(store, error);
    }
    if (code == 0) {
        code = prepare(store, error);
    }
out:
    if (code < 0) {
        esp_store_close(store);
        return code;
    }
    store->study = study;
    *out = store;
    return 0;
}

int esp_store_open(const char *dir,
                   const struct esp_store_options *options,
                   struct esp_store **out,
                   struct esp_error *error)
{
    int code;
    bool older = false;
    struct stat status;
    struct esp_store *store = allocate(dir, error, &code);
    if (!store) {
        return code;
    }
    if (stat(store->path, &status) < 0) {
        code = -errno;
        esp_error_set(error,
                      code,
                      code == -ENOENT ? "%s: there is no study here" : "%s: cannot be opened",
                      store->path);
        goto out;
    }
    code = esp_filesystem_check(dir, error);
    if (code == 0) {
        code = connect(store, 0, error);
    }
    if (code == 0) {
        code = esp_database_identify(store->db, store->path, &older, error);
    }
    if (code == 0) {
        code = esp_database_check(store->db, store->path, error);
    }
    if (code == 0) {
        code = configure(store, options, error);
    }
    if (code == 0 && older) {
        code = esp_schema_migrate(store->db,
                                  store->path,
                                  esp_schema_migrations,
                                  esp_schema_migration_count,
                                  ESP_SCHEMA_VERSION,
                                  error);
    }
    if (code == 0) {
        code = read_study(store, error);
    }
    if (code == 0) {
        code = prepare(store, error);
    }
out:
    if (code < 0) {
        esp_store_close(store);
        return code;
    }
    *out = store;
    return 0;
}

static int
mismatch(struct esp_store *store, const char *what, const char *ours, struct esp_error *error)
{
    return esp_error_set(error,
                         -EINVAL,
                         "%s: begun with another %s than `%s`; a changed search needs a folder "
                         "of its own (--dir)",
                         store->path,
                         what,
                         ours);
}

int esp_store_bind(struct esp_store *store,
                   const struct esp_study *study,
                   struct esp_error *error)
{
    sqlite3_stmt *s = NULL;
    int count = 0, code = 0;
    int rc = sqlite3_prepare_v2(store->db,
                                "SELECT metric, goal = 'maximize', -1 FROM study UNION ALL "
                                "SELECT * FROM (SELECT name, optuna, position FROM space "
                                "ORDER BY position)",
                                -1,
                                &s,
                                NULL);
    while (rc == SQLITE_OK && code == 0 && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(s, 0);
        rc = SQLITE_OK;
        if (sqlite3_column_int(s, 2) < 0) {
            if (!name || strcmp(name, study->metric) != 0) {
                code = mismatch(store, "metric", study->metric, error);
            } else if (sqlite3_column_int(s, 1) != study->maximize) {
                code =
                    mismatch(store, "goal", study->maximize ? "maximize" : "minimize", error);
            }
        } else if (count >= study->param_count || !name ||
                   strcmp(name, study->params[count].name) != 0) {
            code = mismatch(store,
                            "parameter",
                            count < study->param_count ? study->params[count].name : "(none)",
                            error);
        } else {
            count++;
        }
    }
    if (code == 0 && rc != SQLITE_DONE && rc != SQLITE_OK) {
        code = esp_database_fail(store->db, rc, store->path, "be read", error);
    } else if (code == 0 && count != study->param_count) {
        code = mismatch(store, "parameter", study->params[count].name, error);
    }
    sqlite3_finalize(s);
    if (code == 0) {
        store->study = study;
    }
    return code;
}

void esp_store_close(struct esp_store *store)
{
    if (!store) {
        return;
    }
    if (store->db) {
        esp_store_rollback(store);
        esp_fold_release(store);
        sqlite3_close(store->db);
    }
    esp_text_release(&store->text);
    free(store->source);
    free(store->base);
    free(store->file);
    free(store->dir);
    free(store->path);
    free(store);
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

/* Copies the log into the database. The commit before it is safe whatever happens here; but a
 * sync that failed once may not fail again although the pages are lost, so after an error of
 * the disk nothing more is written. A reader that stays in a snapshot, or a full disk, only
 * puts it off. */
static void checkpoint(struct esp_store *store)
{
    int frames = 0, copied = 0;
    if (store->wal_frames < CHECKPOINT_FRAMES) {
        store->checkpoint_at = CHECKPOINT_FRAMES; /* the log began anew */
    }
    if (store->wal_frames < store->checkpoint_at) {
        return;
    }
    int rc =
        sqlite3_wal_checkpoint_v2(store->db, NULL, SQLITE_CHECKPOINT_PASSIVE, &frames, &copied);
    if ((rc & 0xff) == SQLITE_IOERR || (rc & 0xff) == SQLITE_CORRUPT) {
        int code = esp_database_fail(store->db, rc, store->path, "checkpoint", NULL);
        store->broken = is_usable_after(code) ? 0 : code;
    }
    store->checkpoint_at = rc == SQLITE_OK && copied == frames
                               ? CHECKPOINT_FRAMES
                               : store->wal_frames + CHECKPOINT_FRAMES;
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
    checkpoint(store);
    return 0;
}

void esp_store_rollback(struct esp_store *store)
{
    if (store->open) {
        drop(store, -EINVAL);
    }
}

/* A file of that size, written and synced, then gone. */
static int try_disk(struct esp_store *store)
{
    static const char block[65536];
    int fd = open(store->dir, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0) {
        return errno == ENOSPC || errno == EDQUOT ? 0 : -errno;
    }
    int room = 1;
    for (int done = 0; room == 1 && done < ROOM_BYTES; done += (int)sizeof block) {
        ssize_t size = write(fd, block, sizeof block);
        if (size != (ssize_t)sizeof block) {
            room = size >= 0 || errno == ENOSPC || errno == EDQUOT ? 0 : -errno;
        }
    }
    if (room == 1 && fsync(fd) < 0) {
        room = errno == ENOSPC || errno == EDQUOT ? 0 : -errno;
    }
    close(fd);
    return room;
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
    int room = try_disk(store);
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
    return code == -ENOSPC ? 0 : code;
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

uint64_t esp_store_seq(const struct esp_store *store)
{
    return store->seq;
}

uint64_t esp_store_nonce(const struct esp_store *store)
{
    return store->nonce;
}

const char *esp_store_study_source(const struct esp_store *store)
{
    return store->source;
}

const char *esp_store_study_base(const struct esp_store *store)
{
    return store->base;
}

const char *esp_store_study_file(const struct esp_store *store)
{
    return store->file;
}

int esp_store_exists(const char *dir)
{
    char path[ESP_DATABASE_PATH_MAX];
    struct stat status;
    sqlite3 *db = NULL;
    if (esp_database_path(dir, path, NULL) < 0 || stat(path, &status) < 0) {
        return 0;
    }
    if (!S_ISREG(status.st_mode)) {
        return 1;
    }
    int content = 1; /* what cannot be looked at is not ours to overwrite */
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_EXRESCODE, NULL) ==
        SQLITE_OK) {
        sqlite3_busy_timeout(db, ESP_DATABASE_BUSY_MS);
        content = esp_database_content(db, path, NULL) != 0;
    }
    sqlite3_close(db);
    return content;
}
