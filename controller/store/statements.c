/* SQL of the statements that the writer uses for every event, prepared once per ledger. */
#include "internal.h"

static const char *const statements[ESP_SQL_COUNT] = {
    [ESP_SQL_BEGIN] = "BEGIN IMMEDIATE",
    [ESP_SQL_COMMIT] = "COMMIT",
    [ESP_SQL_EVENT] = "INSERT INTO event(" ESP_EVENT_COLUMNS ") VALUES (?, ?, ?, ?, ?, ?)",
    [ESP_SQL_REPORT] = "INSERT INTO report(" ESP_REPORT_COLUMNS ") "
                       "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
    [ESP_SQL_MEASURE] = "INSERT INTO measure(trial, step, metric, value, position) "
                        "VALUES (?, ?, ?, ?, ?)",
    [ESP_SQL_ADVANCE] =
        "UPDATE trial SET "
        "spent_tokens = min(spent_tokens + max(0, ?8 - at_tokens), 1 << 62), at_tokens = "
        "max(at_tokens, ?8), "
        "device_seconds = device_seconds + max(0, coalesce(?3, at_seconds) - at_seconds), "
        "at_seconds = max(at_seconds, coalesce(?3, at_seconds)), "
        "step = iif(?7, ?4, step), tokens = iif(?7, ?2, tokens), "
        "value = iif(?7, ?5, value), train_loss = iif(?7, ?6, train_loss) "
        "WHERE trial = ?1 AND (step IS NULL OR step < ?4 OR NOT ?7)",
    [ESP_SQL_CREATED] = "INSERT INTO trial(trial, state, horizon, seed, created_ms, repeats) "
                        "VALUES (?, 'QUEUED', ?, ?, ?, ?) ON CONFLICT DO NOTHING",
    [ESP_SQL_PARAM] = "INSERT INTO param(trial, position, name, value, type, drawn) "
                      "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
    [ESP_SQL_MOVED] = "UPDATE trial SET state = ?2, cause = ?3, attempts = max(attempts, ?4), "
                      "held = coalesce(?5, held), process = coalesce(?6, process), "
                      "until = coalesce(?7, until), started_ms = coalesce(started_ms, ?8), "
                      "ended_ms = ?9, words = coalesce(?10, words) WHERE trial = ?1",
    [ESP_SQL_ATTRIBUTE] =
        "INSERT INTO trial_user_attributes(trial_id, \"key\", value_json) "
        "VALUES (?1 + 1, 'espalier:state', '\"' || ?2 || '\"') "
        "ON CONFLICT (trial_id, \"key\") DO UPDATE SET value_json = excluded.value_json",
    [ESP_SQL_STARTED] =
        "UPDATE trial SET attempts = max(attempts, ?2), at_tokens = min(max(?3, 0), 1 << 56), "
        "horizon = iif(?4 > 0, ?4, horizon), "
        "at_seconds = coalesce((SELECT device_seconds FROM checkpoint WHERE "
        "checkpoint.trial = ?1 AND checkpoint.tokens = ?3 AND dropped_ms IS NULL "
        "ORDER BY id DESC LIMIT 1), 0) WHERE trial = ?1",
    [ESP_SQL_UNTIL] = "UPDATE trial SET until = ?2 WHERE trial = ?1",
    [ESP_SQL_FAILED] = "UPDATE trial SET words = ?2 WHERE trial = ?1",
    [ESP_SQL_SAVED] =
        "INSERT INTO checkpoint(id, trial, attempt, step, tokens, bytes, hash, "
        "host, path, saved_ms, device_seconds) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
        "(SELECT at_seconds FROM trial WHERE trial.trial = ?2))",
    [ESP_SQL_LATEST] = "UPDATE trial SET checkpoint = (SELECT max(id) FROM checkpoint WHERE "
                       "checkpoint.trial = ?1 AND dropped_ms IS NULL) WHERE trial = ?1",
    [ESP_SQL_DROPPED] = "UPDATE checkpoint SET dropped_ms = ?2 WHERE id = ?1",
    [ESP_SQL_WORKER] =
        "INSERT INTO worker(key, role, agent, slot, host, device, since_ms) "
        "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (role, key) DO UPDATE SET "
        "agent = excluded.agent, slot = excluded.slot, host = excluded.host, "
        "device = excluded.device, since_ms = excluded.since_ms, exited_ms = NULL, "
        "status = NULL, signal = NULL, asked = NULL, tail = NULL",
    [ESP_SQL_GRANTED] = "UPDATE worker SET trial = ?2 WHERE role = 'trial' AND key = ?1",
    [ESP_SQL_EXITED] =
        "UPDATE worker SET exited_ms = ?2, status = ?3, signal = ?4, asked = ?5, "
        "tail = ?6 WHERE role = 'trial' AND key = ?1",
    [ESP_SQL_NOTE] = "INSERT INTO note(id, trial, time_ms, text) VALUES (?, ?, ?, ?)",
};

int esp_statements_prepare(struct esp_store *store)
{
    for (int i = 0; i < ESP_SQL_COUNT; i++) {
        int rc = sqlite3_prepare_v3(
            store->db, statements[i], -1, SQLITE_PREPARE_PERSISTENT, &store->sql[i], NULL);
        if (rc != SQLITE_OK) {
            return rc;
        }
    }
    return SQLITE_OK;
}

void esp_statements_finalize(struct esp_store *store)
{
    for (int i = 0; i < ESP_SQL_COUNT; i++) {
        sqlite3_finalize(store->sql[i]);
        store->sql[i] = NULL;
    }
}
