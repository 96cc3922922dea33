/* Opening a ledger to read, snapshots, and running queries. */
#include "reader.h"
#include "reader_internal.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int open_plain(struct esp_reader *reader)
{
    return sqlite3_open_v2(reader->path,
                           &reader->db,
                           SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
                           NULL);
}

/* On a read-only file system SQLite cannot create the shared-memory file that WAL needs. When
 * the log is empty nobody is writing, so the database file can be opened as immutable. */
static int open_immutable(struct esp_reader *reader)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "0123456789/._-";
    struct esp_text uri = {0};
    char escaped[8];
    esp_text_raw(&uri, "file:");
    for (const char *c = reader->path; *c; c++) {
        snprintf(escaped,
                 sizeof escaped,
                 strchr(plain, *c) ? "%c" : "%%%02x",
                 strchr(plain, *c) ? *c : (int)(unsigned char)*c);
        esp_text_raw(&uri, escaped);
    }
    esp_text_raw(&uri, "?immutable=1");
    int rc = uri.failed ? SQLITE_NOMEM
                        : sqlite3_open_v2(uri.data,
                                          &reader->db,
                                          SQLITE_OPEN_READONLY | SQLITE_OPEN_URI |
                                              SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
                                          NULL);
    esp_text_release(&uri);
    return rc;
}

static bool log_is_empty(const struct esp_reader *reader)
{
    char path[ESP_DATABASE_PATH_MAX + 8];
    struct stat status;
    snprintf(path, sizeof path, "%s-wal", reader->path);
    return stat(path, &status) < 0 ? errno == ENOENT : status.st_size == 0;
}

static int
connect(struct esp_reader *reader, int (*open)(struct esp_reader *), struct esp_error *error)
{
    sqlite3_close(reader->db);
    reader->db = NULL;
    int rc = open(reader);
    if (rc != SQLITE_OK) {
        return esp_database_fail(reader->db, rc, reader->path, "open it", error);
    }
    sqlite3_busy_timeout(reader->db, ESP_DATABASE_BUSY_MS);
    sqlite3_db_config(reader->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_exec(reader->db, "PRAGMA cache_size = -4096", NULL, NULL, NULL);
    /* Format 1 lacks one column, for which reader_trials.c substitutes NULL, so a finished
     * study can be read without a migration. */
    return esp_database_identify(reader->db, reader->path, &reader->lacks_repeats, error);
}

int esp_reader_open(const char *dir, struct esp_reader **out, struct esp_error *error)
{
    char path[ESP_DATABASE_PATH_MAX];
    struct stat status;
    int code = esp_database_path(dir, path, error);
    if (code < 0) {
        return code;
    }
    if (stat(path, &status) < 0) {
        code = -errno;
        return code == -ENOENT
                   ? esp_error_set(error, code, "%s: there is no study here (no study.db)", dir)
                   : esp_error_set(error, code, "%s: cannot be opened: %m", path);
    }
    code = esp_database_regular(&status, path, error);
    if (code < 0) {
        return code;
    }
    struct esp_reader *reader = calloc(1, sizeof *reader);
    if (reader) {
        reader->dir = strdup(dir);
        reader->path = strdup(path);
    }
    if (!reader || !reader->dir || !reader->path) {
        esp_reader_close(reader);
        return esp_error_set(error, -ENOMEM, "out of memory");
    }
    code = connect(reader, open_plain, error);
    if ((code == -EACCES || code == -EROFS) && log_is_empty(reader)) {
        code = connect(reader, open_immutable, error);
    }
    if (code < 0) {
        esp_reader_close(reader);
        return code;
    }
    *out = reader;
    return 0;
}

void esp_reader_close(struct esp_reader *reader)
{
    if (!reader) {
        return;
    }
    sqlite3_close(reader->db);
    for (size_t i = 0; i < sizeof reader->text / sizeof reader->text[0]; i++) {
        esp_text_release(&reader->text[i]);
    }
    esp_decoded_release(&reader->memory);
    free(reader->dir);
    free(reader->path);
    free(reader);
}

int esp_reader_begin(struct esp_reader *reader, struct esp_error *error)
{
    if (reader->in_snapshot) {
        return 0;
    }
    int rc = sqlite3_exec(reader->db, "BEGIN", NULL, NULL, NULL);
    if (rc != SQLITE_OK) {
        return esp_database_fail(reader->db, rc, reader->path, "be read", error);
    }
    reader->in_snapshot = true;
    return 0;
}

void esp_reader_end(struct esp_reader *reader)
{
    if (reader->in_snapshot) {
        sqlite3_exec(reader->db, "ROLLBACK", NULL, NULL, NULL);
        reader->in_snapshot = false;
    }
}

int esp_reader_damaged(struct esp_reader *reader, struct esp_error *error)
{
    return esp_error_set(error,
                         -EBADMSG,
                         "%s: the ledger is damaged; move it aside and restore a backup",
                         reader->path);
}

int esp_reader_prepare(struct esp_reader *reader,
                       const char *sql,
                       sqlite3_stmt **statement,
                       struct esp_error *error)
{
    int rc = sqlite3_prepare_v2(reader->db, sql, -1, statement, NULL);
    return rc == SQLITE_OK ? 0
                           : esp_database_fail(reader->db, rc, reader->path, "be read", error);
}

int esp_reader_query(struct esp_reader *reader,
                     const char *sql,
                     const int64_t *bound,
                     int count,
                     esp_reader_row *row,
                     void *context,
                     struct esp_error *error)
{
    sqlite3_stmt *s = NULL;
    int code = esp_reader_prepare(reader, sql, &s, error);
    if (code < 0) {
        return code;
    }
    for (int i = 0; i < count; i++) {
        sqlite3_bind_int64(s, i + 1, bound[i]);
    }
    int rc;
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        code = row(context, s);
        if (code != 0) {
            break;
        }
    }
    if (code == 0 && rc != SQLITE_DONE) {
        code = esp_database_fail(reader->db, rc, reader->path, "be read", error);
    }
    sqlite3_finalize(s);
    return code;
}
