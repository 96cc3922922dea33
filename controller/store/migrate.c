/* Migrates a ledger: writes a backup next to the file, then runs all steps in one transaction.
 */
#include "database.h"
#include "schema.h"
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

static const struct esp_migration *
find(const struct esp_migration *migrations, size_t count, int to)
{
    for (size_t i = 0; i < count; i++) {
        if (migrations[i].to == to) {
            return &migrations[i];
        }
    }
    return NULL;
}

/* VACUUM INTO writes a complete and consistent file but does not sync it. The copy must be on
 * disk before the original changes. */
static int back_up(sqlite3 *db, const char *path, int version, struct esp_error *error)
{
    char copy[ESP_DATABASE_PATH_MAX];
    int length = snprintf(copy, sizeof copy, "%s.v%d.bak", path, version);
    if (length < 0 || (size_t)length >= sizeof copy) {
        return esp_error_set(error, -ENAMETOOLONG, "%s: the path is too long", path);
    }
    if (unlink(copy) < 0 && errno != ENOENT) {
        int code = -errno;
        return esp_error_set(error, code, "cannot replace the backup %s: %m", copy);
    }
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(db, "VACUUM INTO ?", -1, &statement, NULL);
    if (rc == SQLITE_OK) {
        sqlite3_bind_text(statement, 1, copy, -1, SQLITE_STATIC);
        rc = sqlite3_step(statement);
    }
    int code = rc == SQLITE_DONE ? 0 : esp_database_fail(db, rc, path, "back up", error);
    sqlite3_finalize(statement);
    return code < 0 ? code : esp_database_sync_file(copy, error);
}

int esp_schema_migrate(sqlite3 *db,
                       const char *path,
                       const struct esp_migration *migrations,
                       size_t count,
                       int target,
                       struct esp_error *error)
{
    int64_t version;
    int code = esp_database_integer(db, "PRAGMA user_version", &version);
    if (code < 0) {
        return esp_error_set(error, code, "%s: cannot be read: %s", path, sqlite3_errmsg(db));
    }
    if (version == target) {
        return 0;
    }
    for (int to = (int)version + 1; to <= target; to++) {
        if (!find(migrations, count, to)) {
            return esp_error_set(error,
                                 -ENOTSUP,
                                 "%s: has format %d, which this version of espalier (format "
                                 "%d) cannot migrate; use the version that wrote it",
                                 path,
                                 (int)version,
                                 target);
        }
    }
    code = back_up(db, path, (int)version, error);
    if (code < 0) {
        return code;
    }
    int rc = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    for (int to = (int)version + 1; rc == SQLITE_OK && to <= target; to++) {
        rc = sqlite3_exec(db, find(migrations, count, to)->sql, NULL, NULL, NULL);
    }
    if (rc == SQLITE_OK) {
        char sql[64];
        snprintf(sql, sizeof sql, "PRAGMA user_version = %d; COMMIT", target);
        rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
    }
    if (rc != SQLITE_OK) {
        code = esp_database_fail(db, rc, path, "migrate", error);
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
        return code;
    }
    return 0;
}
