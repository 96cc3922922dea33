/* Creates a ledger in one transaction, so that an interrupted creation leaves nothing that
 * looks like a study. */
#include "internal.h"
#include "schema.h"
#include <errno.h>
#include <libgen.h>
#include <string.h>

static int insert_study(struct esp_store *store,
                        const struct esp_study *study,
                        const struct esp_store_origin *origin)
{
    sqlite3_stmt *s = NULL;
    char hex[ESP_HEX_MAX];
    int rc = sqlite3_prepare_v2(store->db,
                                "INSERT INTO study(id, name, metric, goal, nonce, source, "
                                "file, base, created_ms, created_by, begun_format) "
                                "VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
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
    sqlite3_bind_int(s, 10, ESP_SCHEMA_VERSION);
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
        esp_optuna_distribution(
            &study->params[i], study->method == ESP_METHOD_GRID, &store->text);
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

/* The metric's name, which optuna-dashboard shows. */
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

/* Syncs DIR and its parent: otherwise a power loss could remove the whole study. */
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
    struct esp_store *store = esp_store_allocate(dir, error, &code);
    if (!store) {
        return code;
    }
    code = esp_filesystem_check(dir, error);
    if (code == 0) {
        code = esp_store_connect(store, SQLITE_OPEN_CREATE, error);
    }
    int content = code == 0 ? esp_database_content(store->db, store->path, error) : code;
    if (content != 0) {
        code = content < 0
                   ? content
                   : esp_error_set(error, -EEXIST, "%s: there is already a study", store->path);
        goto out;
    }
    code = esp_store_configure(store, options, error);
    if (code < 0) {
        goto out;
    }
    int rc = fill(store, study, origin);
    if (rc != SQLITE_OK) {
        code = esp_database_fail(store->db, rc, store->path, "create the ledger", error);
        goto out;
    }
    code = options && options->unsafe ? 0 : sync_folders(dir, error);
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
    store->study = study;
    *out = store;
    return 0;
}
