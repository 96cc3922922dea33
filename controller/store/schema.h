/* Tables of the ledger, and migrations from older formats. */
#ifndef ESPALIER_STORE_SCHEMA_H
#define ESPALIER_STORE_SCHEMA_H

#include <espalier/error.h>
#include <sqlite3.h>
#include <stddef.h>

/* "espl" as a big-endian integer. Identifies ledgers, also for file(1). */
#define ESP_SCHEMA_APPLICATION_ID 0x6573706c
#define ESP_SCHEMA_VERSION 2

/* Statements that migrate format `to - 1` to format `to`. */
struct esp_migration {
    int to;
    const char *sql;
};

/* Creates all tables, views and triggers of the current format in an empty database, within the
 * caller's transaction, and sets application_id and user_version. Returns a SQLite result code.
 */
int esp_schema_create(sqlite3 *db);

/* SQL of Optuna's tables and views, run by esp_schema_create. */
extern const char esp_schema_optuna[];

/* Migrations ordered by `to`:
 *   2  adds trial.repeats, and study.begun_format with the value 1 */
extern const struct esp_migration esp_schema_migrations[];
extern const size_t esp_schema_migration_count;

/* Migrates a database from its user_version to `target`. Copies it to PATH.vN.bak first and
 * replaces a copy left by an interrupted migration, then runs all steps in one transaction.
 * -ENOTSUP: a step is missing. On failure the database is unchanged. */
int esp_schema_migrate(sqlite3 *db,
                       const char *path,
                       const struct esp_migration *migrations,
                       size_t count,
                       int target,
                       struct esp_error *error);

#endif
