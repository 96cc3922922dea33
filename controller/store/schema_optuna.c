/* Tables and views with Optuna's names, so that optuna and optuna-dashboard open study.db as it
 * is.
 *
 * Optuna checks version_info = (1, 12, text) and alembic_version = 'v3.2.0.a'. Data that it
 * only reads are views. Data that it may write about a study (attributes: notes and tags of the
 * dashboard) and heartbeats are real tables. `tell` and `ask` fail, because a view cannot be
 * modified.
 *
 *   - Optuna's ids start at 1: trial_id is `trial` + 1, and `number` is `trial`.
 *   - PAUSED trials, and QUEUED ones that have trained, are RUNNING in Optuna; the user
 * attribute espalier:state holds the state of the ledger. STOPPED is PRUNED when it has a
 * value.
 *   - A categorical value is the index of the choice.
 *   - value_type expresses what a REAL column cannot: NULL is NAN, infinities are INF_POS and
 *     INF_NEG; the value is then NULL.
 *   - Times are UTC, as Optuna 5 expects. */
#include "schema.h"

#define TIME(column) "strftime('%Y-%m-%d %H:%M:%f', " column " / 1000.0, 'unixepoch') || '000'"

#define FINITE(column) "CASE WHEN abs(" column ") <= 1.7976931348623157e308 THEN " column " END"

#define TYPE(column)                                                                           \
    "CASE WHEN " column " IS NULL THEN 'NAN' "                                                 \
    "WHEN " column " > 1.7976931348623157e308 THEN 'INF_POS' "                                 \
    "WHEN " column " < -1.7976931348623157e308 THEN 'INF_NEG' ELSE 'FINITE' END"

/* clang-format off: one line of SQL per line. */
const char esp_schema_optuna[] =
    "CREATE TABLE alembic_version(version_num VARCHAR(32) NOT NULL PRIMARY KEY);\n"
    "INSERT INTO alembic_version VALUES ('v3.2.0.a');\n"
    "CREATE TABLE version_info(version_info_id INTEGER NOT NULL PRIMARY KEY\n"
    "    CHECK (version_info_id = 1), schema_version INTEGER, library_version VARCHAR(256));\n"
    "INSERT INTO version_info VALUES (1, 12, 'espalier');\n"
    "CREATE TABLE study_user_attributes(study_user_attribute_id INTEGER PRIMARY KEY,\n"
    "    study_id INTEGER, \"key\" VARCHAR(512), value_json TEXT, UNIQUE (study_id, "
    "\"key\"));\n"
    "CREATE TABLE study_system_attributes(study_system_attribute_id INTEGER PRIMARY KEY,\n"
    "    study_id INTEGER, \"key\" VARCHAR(512), value_json TEXT, UNIQUE (study_id, "
    "\"key\"));\n"
    "CREATE TABLE trial_user_attributes(trial_user_attribute_id INTEGER PRIMARY KEY,\n"
    "    trial_id INTEGER, \"key\" VARCHAR(512), value_json TEXT, UNIQUE (trial_id, "
    "\"key\"));\n"
    "CREATE TABLE trial_system_attributes(trial_system_attribute_id INTEGER PRIMARY KEY,\n"
    "    trial_id INTEGER, \"key\" VARCHAR(512), value_json TEXT, UNIQUE (trial_id, "
    "\"key\"));\n"
    "CREATE TABLE trial_heartbeats(trial_heartbeat_id INTEGER PRIMARY KEY,\n"
    "    trial_id INTEGER NOT NULL UNIQUE, heartbeat DATETIME NOT NULL);\n"
    "CREATE VIEW studies AS SELECT id AS study_id, name AS study_name FROM study;\n"
    "CREATE VIEW study_directions AS SELECT id AS study_direction_id,\n"
    "    upper(goal) AS direction, id AS study_id, 0 AS objective FROM study;\n"
    "CREATE VIEW trials AS SELECT trial + 1 AS trial_id, trial AS number, 1 AS study_id,\n"
    "    CASE WHEN state = 'COMPLETE' AND value IS NOT NULL THEN 'COMPLETE'\n"
    "      WHEN state = 'COMPLETE' OR state = 'FAILED' THEN 'FAIL'\n"
    "      WHEN state = 'PRUNED' THEN 'PRUNED'\n"
    "      WHEN state = 'STOPPED' THEN CASE WHEN value IS NULL THEN 'FAIL' ELSE 'PRUNED' END\n"
    "      WHEN state = 'QUEUED' AND attempts = 0 THEN 'WAITING'\n"
    "      ELSE 'RUNNING' END AS state,\n"
    "    " TIME(
        "started_ms") " AS datetime_start,\n"
                      "    " TIME(
                          "ended_ms") " AS datetime_complete FROM trial;\n"
                                      "CREATE VIEW trial_params AS SELECT p.trial * 64 + "
                                      "p.position + 1 AS param_id,\n"
                                      "    p.trial + 1 AS trial_id, p.name AS param_name, "
                                      "p.drawn AS param_value,\n"
                                      "    s.optuna AS distribution_json FROM param p JOIN "
                                      "space s USING (position);\n"
                                      "CREATE VIEW trial_values AS SELECT trial + 1 AS "
                                      "trial_value_id, trial + 1 AS trial_id,\n"
                                      "    0 AS objective, " FINITE("value") " AS value, " TYPE(
                                          "value") " AS value_type\n"
                                                   "    FROM trial WHERE state IN ('COMPLETE', "
                                                   "'PRUNED', 'STOPPED') AND value IS NOT "
                                                   "NULL;\n"
                                                   "CREATE VIEW trial_intermediate_values AS "
                                                   "SELECT seq AS "
                                                   "trial_intermediate_value_id,\n"
                                                   "    trial + 1 AS trial_id, step, " FINITE(
                                                       "value") " AS intermediate_value,\n"
                                                                "    " TYPE(
                                                                    "value") " AS "
                                                                             "intermediate_"
                                                                             "value_type FROM "
                                                                             "report;\n";
/* clang-format on */
