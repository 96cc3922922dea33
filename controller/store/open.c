/* Opens a ledger for writing: checks its identity and integrity, and reads its study row. */
#include "internal.h"
#include "schema.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int on_wal(void *context, sqlite3 *db, const char *name, int frames)
{
    struct esp_store *store = context;
    (void)db;
    (void)name;
    store->wal_frames = frames;
    return SQLITE_OK;
}

struct esp_store *esp_store_allocate(const char *dir, struct esp_error *error, int *code)
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
    }
    if (!store || !store->dir || !store->path) {
        esp_store_close(store);
        *code = esp_error_set(error, -ENOMEM, "out of memory");
        return NULL;
    }
    return store;
}

int esp_store_connect(struct esp_store *store, int flags, struct esp_error *error)
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
    /* Limits what the schema of a damaged or hostile file can do. Without mmap a file that
     * shrinks while it is open cannot raise SIGBUS. */
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_exec(store->db, "PRAGMA mmap_size = 0", NULL, NULL, NULL);
    return 0;
}

/* Sets WAL and the sync level. Checkpoints are made explicitly, so that a failed sync is seen.
 */
int esp_store_configure(struct esp_store *store,
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

/* Reads the study row and the last seq. */
int esp_store_read_study(struct esp_store *store, struct esp_error *error)
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
            error, -EBADMSG, "%s: the ledger is damaged: it has no study row", store->path);
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
    code = code < 0 ? code : esp_database_begun_format(store->db, &store->begun_format);
    if (code < 0) {
        return esp_database_fail(
            store->db, sqlite3_extended_errcode(store->db), store->path, "be read", error);
    }
    store->seq = store->committed = (uint64_t)rows;
    return 0;
}

int esp_store_prepare(struct esp_store *store, struct esp_error *error)
{
    int rc = esp_statements_prepare(store);
    return rc == SQLITE_OK ? 0
                           : esp_database_fail(store->db, rc, store->path, "be read", error);
}

int esp_store_open(const char *dir,
                   const struct esp_store_options *options,
                   struct esp_store **out,
                   struct esp_error *error)
{
    int code;
    bool older = false;
    struct stat status;
    struct esp_store *store = esp_store_allocate(dir, error, &code);
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
    code = esp_database_regular(&status, store->path, error);
    if (code == 0) {
        code = esp_filesystem_check(dir, error);
    }
    if (code == 0) {
        code = esp_store_connect(store, 0, error);
    }
    if (code == 0) {
        code = esp_database_identify(store->db, store->path, &older, error);
    }
    if (code == 0) {
        code = esp_database_check(store->db, store->path, error);
    }
    if (code == 0) {
        code = esp_store_configure(store, options, error);
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
        code = esp_store_read_study(store, error);
    }
    if (code == 0) {
        code = esp_store_prepare(store, error);
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
                         "%s: was created with another %s than `%s`; use a new folder for a "
                         "changed search (--dir)",
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

/* How long esp_store_close waits for readers. */
#define CLOSE_WAIT_MS 200

/* Copies the log into study.db, so that this file alone is the complete ledger. While a reader
 * holds a snapshot the log cannot be truncated; it is then read by the next opener. */
static void complete_file(struct esp_store *store)
{
    sqlite3_busy_timeout(store->db, CLOSE_WAIT_MS);
    int rc = sqlite3_wal_checkpoint_v2(store->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    if ((rc & 0xff) == SQLITE_BUSY) {
        sqlite3_wal_checkpoint_v2(store->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    }
}

void esp_store_close(struct esp_store *store)
{
    if (!store) {
        return;
    }
    if (store->db) {
        esp_store_rollback(store);
        esp_statements_finalize(store);
        if (store->study && store->broken == 0) {
            complete_file(store);
        }
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

int esp_store_begun_format(const struct esp_store *store)
{
    return (int)store->begun_format;
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
    int content = 1; /* a file that cannot be read must not be overwritten */
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_EXRESCODE, NULL) ==
        SQLITE_OK) {
        sqlite3_busy_timeout(db, ESP_DATABASE_BUSY_MS);
        content = esp_database_content(db, path, NULL) != 0;
    }
    sqlite3_close(db);
    return content;
}
