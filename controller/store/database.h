/* SQLite helpers shared by the writer and the readers: errors, identity, hexadecimal keys. */
#ifndef ESPALIER_STORE_DATABASE_H
#define ESPALIER_STORE_DATABASE_H

#include <espalier/error.h>
#include <espalier/limits.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

/* Room for DIR, "/study.db" and a suffix. */
#define ESP_DATABASE_PATH_MAX (ESP_PATH_MAX + 64)

/* How long a connection waits for a lock that another one holds. */
#define ESP_DATABASE_BUSY_MS 5000

/* Converts a SQLite result code to a negative errno and sets the message "PATH: cannot DOING:
 * …" with a remedy. -ENOSPC, -EBUSY, -EBADMSG (corrupt or no database), -EROFS, -EACCES,
 * -ENOMEM, -EIO. */
int esp_database_fail(
    sqlite3 *db, int rc, const char *path, const char *doing, struct esp_error *error);

/* Writes the path of the ledger in DIR. -ENAMETOOLONG. */
int esp_database_path(const char *dir,
                      char path[ESP_DATABASE_PATH_MAX],
                      struct esp_error *error);

/* -EINVAL when the file is not a regular file: opening a FIFO would block, and a device or a
 * folder is no ledger. */
int esp_database_regular(const struct stat *status, const char *path, struct esp_error *error);

/* Reads the single integer that a statement returns. -EBADMSG: it returns no row; otherwise as
 * esp_database_fail. */
int esp_database_integer(sqlite3 *db, const char *sql, int64_t *value);

/* Reads the format in which the ledger was created (schema.h). */
int esp_database_begun_format(sqlite3 *db, int64_t *format);

/* Whether the database holds anything: 1, 0, or a negative errno. */
int esp_database_content(sqlite3 *db, const char *path, struct esp_error *error);

/* Checks that the database is a ledger of a supported version. -EINVAL: it belongs to another
 * program; -ENOTSUP: its format is newer; -ENOENT: it is empty. `older` receives whether it
 * needs a migration; when `older` is NULL, an older format is -ENOTSUP. */
int esp_database_identify(sqlite3 *db, const char *path, bool *older, struct esp_error *error);

/* Checks every page (PRAGMA quick_check). -EBADMSG: damaged, the message says where. */
int esp_database_check(sqlite3 *db, const char *path, struct esp_error *error);

/* Calls fsync on a file or a folder. */
int esp_database_sync_file(const char *path, struct esp_error *error);

/* Returns the name of the network filesystem if a database is not safe on it, otherwise NULL.
 * `type` is f_type of statfs(2), `name` the type of the mount as in /proc/self/mountinfo (""
 * when unknown). */
const char *esp_filesystem_refused(unsigned long type, const char *name);

/* -ENOTSUP when DIR is on a network filesystem. */
int esp_filesystem_check(const char *dir, struct esp_error *error);

/* 64-bit keys and hashes are stored as 16 hex digits. esp_hex_read returns 0 or -EBADMSG. */
#define ESP_HEX_MAX 17
void esp_hex_write(uint64_t value, char text[ESP_HEX_MAX]);
int esp_hex_read(const char *text, uint64_t *value);

#endif
