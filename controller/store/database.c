/* Maps SQLite results to errno codes and messages, and identifies ledger files. */
#include "database.h"
#include "schema.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Lines of quick_check that are reported; the first ones suffice. */
#define CHECK_LINES_MAX 3

/* Whether the last write that failed was refused by the limit on file sizes. SQLite keeps the
 * errno of a failed write with the file, the database or its log; sqlite3_system_errno has lost
 * it by now. */
static bool is_size_limited(sqlite3 *db)
{
    static const int files[] = {SQLITE_FCNTL_FILE_POINTER, SQLITE_FCNTL_JOURNAL_POINTER};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        sqlite3_file *file = NULL;
        int system = 0;
        if (sqlite3_file_control(db, "main", files[i], &file) == SQLITE_OK && file &&
            file->pMethods &&
            file->pMethods->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &system) == SQLITE_OK &&
            system == EFBIG) {
            return true;
        }
    }
    return false;
}

static int errno_of(sqlite3 *db, int rc)
{
    int system = db ? sqlite3_system_errno(db) : 0;
    switch (rc & 0xff) {
    case SQLITE_FULL:
        return -ENOSPC;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return -EBUSY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_FORMAT:
        return -EBADMSG;
    case SQLITE_READONLY:
        return -EROFS;
    case SQLITE_NOMEM:
        return -ENOMEM;
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return -EACCES;
    case SQLITE_CANTOPEN:
        return system > 0 ? -system : -EACCES;
    case SQLITE_IOERR:
        if (db && rc == SQLITE_IOERR_WRITE && is_size_limited(db)) {
            return -EFBIG;
        }
        /* A full disk or quota while the shared-memory file grows is reported as an IOERR. */
        return system == ENOSPC || system == EDQUOT ? -ENOSPC
               : rc == SQLITE_IOERR_NOMEM           ? -ENOMEM
                                                    : -EIO;
    case SQLITE_TOOBIG:
        return -EMSGSIZE;
    default: /* for example an error in a statement; not caused by the disk */
        return -EPROTO;
    }
}

static const char *remedy(int code)
{
    switch (code) {
    case -ENOSPC:
        return "; make room on that disk: nothing recorded is lost";
    case -EFBIG:
        return "; raise the limit on file sizes (ulimit -f), then resume: nothing recorded is "
               "lost";
    case -EBUSY:
        return "; close the other program that has it open for writing";
    case -EBADMSG:
        return "; the file is damaged: move it aside and restore a backup (sqlite3's .recover "
               "saves what is readable)";
    case -EROFS:
    case -EACCES:
        return "; check the permissions of the folder and of the file";
    case -EIO:
        return "; the disk refused it: see the kernel's log, then resume";
    default:
        return "";
    }
}

int esp_database_fail(
    sqlite3 *db, int rc, const char *path, const char *doing, struct esp_error *error)
{
    int code = errno_of(db, rc);
    return esp_error_set(error,
                         code,
                         "%s: cannot %s: %s%s",
                         path,
                         doing,
                         db ? sqlite3_errmsg(db) : sqlite3_errstr(rc),
                         remedy(code));
}

int esp_database_path(const char *dir,
                      char path[ESP_DATABASE_PATH_MAX],
                      struct esp_error *error)
{
    if (strlen(dir) >= ESP_PATH_MAX) {
        return esp_error_set(error, -ENAMETOOLONG, "the folder's path is too long: %s", dir);
    }
    snprintf(path, ESP_DATABASE_PATH_MAX, "%s/study.db", dir);
    return 0;
}

int esp_database_regular(const struct stat *status, const char *path, struct esp_error *error)
{
    return S_ISREG(status->st_mode)
               ? 0
               : esp_error_set(error,
                               -EINVAL,
                               "%s: not a regular file; move it aside, or name another folder",
                               path);
}

int esp_database_integer(sqlite3 *db, const char *sql, int64_t *value)
{
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(statement);
    }
    if (rc == SQLITE_ROW) {
        *value = sqlite3_column_int64(statement, 0);
    }
    int code = rc == SQLITE_ROW ? 0 : rc == SQLITE_DONE ? -EBADMSG : errno_of(db, rc);
    sqlite3_finalize(statement);
    return code;
}

int esp_database_begun_format(sqlite3 *db, int64_t *format)
{
    int64_t has_column = 0;
    int code = esp_database_integer(
        db,
        "SELECT count(*) FROM pragma_table_info('study') WHERE name = 'begun_format'",
        &has_column);
    if (code < 0) {
        return code;
    }
    return esp_database_integer(
        db, has_column ? "SELECT begun_format FROM study" : "PRAGMA user_version", format);
}

int esp_database_content(sqlite3 *db, const char *path, struct esp_error *error)
{
    int64_t objects = 0, id = 0;
    int code = esp_database_integer(db, "SELECT count(*) FROM sqlite_schema", &objects);
    if (code == 0) {
        code = esp_database_integer(db, "PRAGMA application_id", &id);
    }
    if (code == -EBADMSG && sqlite3_errcode(db) == SQLITE_NOTADB) {
        return esp_error_set(error,
                             code,
                             "%s: not a SQLite database, or its beginning is damaged; name "
                             "another folder, or move the file aside",
                             path);
    }
    if (code < 0) {
        return esp_database_fail(db, sqlite3_extended_errcode(db), path, "be read", error);
    }
    return objects > 0 || id != 0;
}

int esp_database_identify(sqlite3 *db, const char *path, bool *older, struct esp_error *error)
{
    int content = esp_database_content(db, path, error);
    if (content < 0) {
        return content;
    }
    if (content == 0) {
        return esp_error_set(error, -ENOENT, "%s: holds no study yet", path);
    }
    int64_t id = 0, version = 0;
    int code = esp_database_integer(db, "PRAGMA application_id", &id);
    if (code == 0) {
        code = esp_database_integer(db, "PRAGMA user_version", &version);
    }
    if (code < 0) {
        return esp_database_fail(db, sqlite3_extended_errcode(db), path, "be read", error);
    }
    if (id != ESP_SCHEMA_APPLICATION_ID) {
        return esp_error_set(error,
                             -EINVAL,
                             "%s: the database of another program (application_id %" PRId64
                             ", not espalier's); name another folder with --dir",
                             path,
                             id);
    }
    if (version > ESP_SCHEMA_VERSION) {
        return esp_error_set(error,
                             -ENOTSUP,
                             "%s: written by a newer espalier (format %" PRId64
                             ", this one reads up to %d); use that version",
                             path,
                             version,
                             ESP_SCHEMA_VERSION);
    }
    if (older) {
        *older = version < ESP_SCHEMA_VERSION;
    } else if (version < ESP_SCHEMA_VERSION) {
        return esp_error_set(error,
                             -ENOTSUP,
                             "%s: has an older format (%" PRId64
                             "); `espalier resume` migrates it",
                             path,
                             version);
    }
    return 0;
}

int esp_database_check(sqlite3 *db, const char *path, struct esp_error *error)
{
    sqlite3_stmt *statement = NULL;
    char words[512] = "";
    size_t used = 0;
    int rc = sqlite3_prepare_v2(db, "PRAGMA quick_check", -1, &statement, NULL);
    if (rc != SQLITE_OK) {
        return esp_database_fail(db, rc, path, "be checked", error);
    }
    for (int line = 0; (rc = sqlite3_step(statement)) == SQLITE_ROW && line < CHECK_LINES_MAX;
         line++) {
        const char *text = (const char *)sqlite3_column_text(statement, 0);
        if (text && strcmp(text, "ok") != 0 && used < sizeof words) {
            used += (size_t)snprintf(
                words + used, sizeof words - used, "%s%s", used ? "; " : "", text);
        }
    }
    int code = 0;
    if (used) {
        code = esp_error_set(error,
                             -EBADMSG,
                             "%s: the ledger is damaged: %s; move it aside and restore a "
                             "backup (sqlite3's .recover saves what is readable)",
                             path,
                             words);
    } else if (rc != SQLITE_DONE && rc != SQLITE_ROW) {
        code = esp_database_fail(db, rc, path, "be checked", error);
    }
    sqlite3_finalize(statement);
    return code;
}

int esp_database_sync_file(const char *path, struct esp_error *error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0) {
        int code = -errno;
        esp_error_set(error, code, "cannot write %s to disk: %m", path);
        if (fd >= 0) {
            close(fd);
        }
        return code;
    }
    close(fd);
    return 0;
}

void esp_hex_write(uint64_t value, char text[ESP_HEX_MAX])
{
    snprintf(text, ESP_HEX_MAX, "%016" PRIx64, value);
}

int esp_hex_read(const char *text, uint64_t *value)
{
    if (!text || strlen(text) != ESP_HEX_MAX - 1 ||
        strspn(text, "0123456789abcdef") != ESP_HEX_MAX - 1) {
        return -EBADMSG;
    }
    *value = strtoull(text, NULL, 16);
    return 0;
}
