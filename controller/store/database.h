/* What the writer and the readers share about SQLite: errors, identity, small helpers. */
#ifndef ESPALIER_STORE_DATABASE_H
#define ESPALIER_STORE_DATABASE_H

#include <espalier/error.h>
#include <espalier/limits.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

/* DIR, "/study.db" and a suffix. */
#define ESP_DATABASE_PATH_MAX (ESP_PATH_MAX + 64)

/* How long a connection waits for another's lock. */
#define ESP_DATABASE_BUSY_MS 5000

/* A SQLite result as a negative errno, with words: "PATH: cannot DOING: …" and the remedy.
 * -ENOSPC, -EBUSY, -EBADMSG (corrupt or no database), -EROFS, -EACCES, -ENOMEM, -EIO. */
int esp_database_fail(
    sqlite3 *db, int rc, const char *path, const char *doing, struct esp_error *error);

/* The path of DIR's ledger. -ENAMETOOLONG. */
int esp_database_path(const char *dir,
                      char path[ESP_DATABASE_PATH_MAX],
                      struct esp_error *error);

/* The one integer that a statement yields. -EBADMSG or as esp_database_fail. */
int esp_database_integer(sqlite3 *db, const char *sql, int64_t *value);

/* The format that the ledger was begun in (schema.h). */
int esp_database_begun_format(sqlite3 *db, int64_t *format);

/* Whether there is anything in it: 1 or 0, or negative errno. */
int esp_database_content(sqlite3 *db, const char *path, struct esp_error *error);

/* Ours, and of a version up to the present one. -EINVAL: another program's; -ENOTSUP: newer;
 * -ENOENT: empty. `older` (may be NULL) tells whether it needs a migration; where that is NULL
 * an older one is -ENOTSUP. */
int esp_database_identify(sqlite3 *db, const char *path, bool *older, struct esp_error *error);

/* Reads every page (PRAGMA quick_check). -EBADMSG: what is damaged. */
int esp_database_check(sqlite3 *db, const char *path, struct esp_error *error);

/* fsync of a file, or of a folder. */
int esp_database_sync_file(const char *path, struct esp_error *error);

/* NULL, or the network filesystem that keeps a database from being safe there. `type` is
 * statfs's f_type, `name` the mount's type as in /proc/self/mountinfo ("" when unknown). */
const char *esp_filesystem_refused(unsigned long type, const char *name);

/* -ENOTSUP when DIR lies on a network filesystem. */
int esp_filesystem_check(const char *dir, struct esp_error *error);

/* 64-bit keys and hashes are 16 hex digits in the ledger. Parsing: 0 or -EBADMSG. */
#define ESP_HEX_MAX 17
void esp_hex_write(uint64_t value, char text[ESP_HEX_MAX]);
int esp_hex_read(const char *text, uint64_t *value);

#endif
