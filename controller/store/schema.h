/* The ledger's tables, and how an older version becomes the present one. */
#ifndef ESPALIER_STORE_SCHEMA_H
#define ESPALIER_STORE_SCHEMA_H

#include <espalier/error.h>
#include <sqlite3.h>
#include <stddef.h>

/* "espl", read as a big-endian integer: what `file study.db` and we know our files by. */
#define ESP_SCHEMA_APPLICATION_ID 0x6573706c
#define ESP_SCHEMA_VERSION 2

/* One step of the ledger's history: the statements that bring version `to - 1` to `to`. */
struct esp_migration {
    int to;
    const char *sql;
};

/* All tables, views and triggers of the present version, for an empty database; within the
 * caller's transaction. Sets application_id and user_version. A SQLite result code. */
int esp_schema_create(sqlite3 *db);

/* Optuna's tables and views, part of the above. */
extern const char esp_schema_optuna[];

/* Steps from older versions, by `to`:
 *   2  trial.repeats; study.begun_format says that it was 1 */
extern const struct esp_migration esp_schema_migrations[];
extern const size_t esp_schema_migration_count;

/* Brings a database from its user_version to `target`: copies it to PATH.vN.bak first (an
 * existing copy of that name, left by a migration that was cut off, is replaced), then runs
 * all steps in one transaction. -ENOTSUP: a step is missing. On failure the database is as
 * before. */
int esp_schema_migrate(sqlite3 *db,
                       const char *path,
                       const struct esp_migration *migrations,
                       size_t count,
                       int target,
                       struct esp_error *error);

#endif
