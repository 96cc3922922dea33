/* Format of the ledger.
 *
 * DIR/study.db is one SQLite database per study: application_id "espl", user_version the
 * format, WAL, synchronous=FULL. The controller's connection is the only writer. Everything
 * else opens the file read-only.
 *
 * Two tables record what happened, ordered together by `seq`, which starts at 1 without gaps:
 *
 *   event   append-only: triggers refuse UPDATE and DELETE. `kind` is a word of
 *           esp_event_kind_name, `trial` the trial concerned or NULL, `data` a flat JSON object
 *           with the members of the kind (fields.c lists the keys), for json_extract. Doubles
 *           are written so that they read back bit for bit; non-finite ones are the strings
 *           "NaN", "Infinity" and "-Infinity". 64-bit keys and hashes are strings of 16 hex
 *           digits, because JSON numbers are exact only up to 2^53. Text is UTF-8; invalid
 * bytes are recorded as U+FFFD. report  one row per (trial, step): the first acknowledged
 * value. When a later attempt reports the same step again, that report is recorded as an event
 * of kind 'report' and the row stays unchanged. In REAL columns NULL stands for NaN and -0
 * becomes 0; SQLite stores infinities. `measures` is the number of rows of `measure` that
 * belong to it.
 *
 * The other tables are derived from these in the same transaction (fold.c), for queries in
 * plain SQL:
 *
 *   study       one row: text and path of the study file, nonce; begun_format is the format in
 * which the study was created, because defaults of omitted keys are those of that format. Early
 * ledgers of format 2 lack this column. space       the searched parameters in order, with
 * their distributions in Optuna's JSON trial       one row per trial: its state, its furthest
 * report (step, tokens, value, train_loss), its cost over all attempts (spent_tokens,
 * device_seconds; at_tokens and at_seconds are the position of the running attempt); repeats is
 *               the trial that it repeats with another seed
 *   param       parameters of a trial, as a person would write them (value, type) and as drawn
 *   measure     other metrics of a report
 *   checkpoint  saved files; dropped_ms is set when the file was deleted; id is the seq of the
 * event worker      agents and trial processes note        notes by users
 *
 * Times are milliseconds of the Unix epoch. Optuna's names are in schema_optuna.c. */
#include "schema.h"
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

static const char tables[] =
    "CREATE TABLE study(\n"
    "  id INTEGER PRIMARY KEY CHECK (id = 1),\n"
    "  name TEXT NOT NULL,\n"
    "  metric TEXT NOT NULL,\n"
    "  goal TEXT NOT NULL CHECK (goal IN ('minimize', 'maximize')),\n"
    "  nonce TEXT NOT NULL,\n"
    "  source TEXT NOT NULL,\n"
    "  file TEXT NOT NULL,\n"
    "  base TEXT NOT NULL,\n"
    "  created_ms INTEGER NOT NULL,\n"
    "  created_by TEXT NOT NULL,\n"
    "  begun_format INTEGER NOT NULL\n"
    ") STRICT;\n"
    "CREATE TABLE space(\n"
    "  position INTEGER PRIMARY KEY,\n"
    "  name TEXT NOT NULL UNIQUE,\n"
    "  optuna TEXT NOT NULL\n"
    ") STRICT;\n"
    "CREATE TABLE event(\n"
    "  seq INTEGER PRIMARY KEY,\n"
    "  time_ms INTEGER NOT NULL,\n"
    "  kind TEXT NOT NULL,\n"
    "  trial INTEGER,\n"
    "  attempt INTEGER NOT NULL,\n"
    "  data TEXT NOT NULL\n"
    ") STRICT;\n"
    "CREATE INDEX event_trial ON event(trial, seq) WHERE trial IS NOT NULL;\n"
    "CREATE INDEX event_study ON event(kind, seq)\n"
    "  WHERE kind IN ('opened', 'ended', 'changed');\n"
    "CREATE TRIGGER event_is_never_changed BEFORE UPDATE ON event\n"
    "  BEGIN SELECT RAISE(ABORT, 'the event log is append-only'); END;\n"
    "CREATE TRIGGER event_is_never_deleted BEFORE DELETE ON event\n"
    "  BEGIN SELECT RAISE(ABORT, 'the event log is append-only'); END;\n"
    "CREATE TABLE trial(\n"
    "  trial INTEGER PRIMARY KEY,\n"
    "  state TEXT NOT NULL,\n"
    "  cause TEXT NOT NULL DEFAULT 'none',\n"
    "  held INTEGER NOT NULL DEFAULT 0,\n"
    "  attempts INTEGER NOT NULL DEFAULT 0,\n"
    "  horizon INTEGER NOT NULL,\n"
    "  until INTEGER NOT NULL DEFAULT 0,\n"
    "  seed INTEGER NOT NULL,\n"
    "  process TEXT,\n"
    "  step INTEGER,\n"
    "  tokens INTEGER,\n"
    "  value REAL,\n"
    "  train_loss REAL,\n"
    "  spent_tokens INTEGER NOT NULL DEFAULT 0,\n"
    "  device_seconds REAL NOT NULL DEFAULT 0,\n"
    "  at_tokens INTEGER NOT NULL DEFAULT 0,\n"
    "  at_seconds REAL NOT NULL DEFAULT 0,\n"
    "  checkpoint INTEGER,\n"
    "  words TEXT,\n"
    "  created_ms INTEGER NOT NULL,\n"
    "  started_ms INTEGER,\n"
    "  ended_ms INTEGER,\n"
    "  repeats INTEGER\n"
    ") STRICT;\n"
    "CREATE TABLE param(\n"
    "  trial INTEGER NOT NULL,\n"
    "  position INTEGER NOT NULL,\n"
    "  name TEXT NOT NULL,\n"
    "  value ANY,\n"
    "  type TEXT NOT NULL CHECK (type IN ('real', 'integer', 'boolean', 'text')),\n"
    "  drawn REAL,\n"
    "  PRIMARY KEY (trial, position)\n"
    ") STRICT, WITHOUT ROWID;\n"
    "CREATE TABLE report(\n"
    "  trial INTEGER NOT NULL,\n"
    "  step INTEGER NOT NULL,\n"
    "  seq INTEGER NOT NULL,\n"
    "  attempt INTEGER NOT NULL,\n"
    "  tokens INTEGER NOT NULL,\n"
    "  device_seconds REAL,\n"
    "  value REAL,\n"
    "  train_loss REAL,\n"
    "  time_ms INTEGER NOT NULL,\n"
    "  sequence INTEGER NOT NULL,\n"
    "  waiting INTEGER NOT NULL,\n"
    "  measures INTEGER NOT NULL,\n"
    "  PRIMARY KEY (trial, step)\n"
    ") STRICT, WITHOUT ROWID;\n"
    "CREATE TABLE measure(\n"
    "  trial INTEGER NOT NULL,\n"
    "  step INTEGER NOT NULL,\n"
    "  metric TEXT NOT NULL,\n"
    "  value REAL,\n"
    "  position INTEGER NOT NULL,\n"
    "  PRIMARY KEY (trial, step, metric)\n"
    ") STRICT, WITHOUT ROWID;\n"
    "CREATE TABLE checkpoint(\n"
    "  id INTEGER PRIMARY KEY,\n"
    "  trial INTEGER NOT NULL,\n"
    "  attempt INTEGER NOT NULL,\n"
    "  step INTEGER NOT NULL,\n"
    "  tokens INTEGER NOT NULL,\n"
    "  bytes INTEGER NOT NULL,\n"
    "  hash TEXT NOT NULL,\n"
    "  host TEXT,\n"
    "  path TEXT NOT NULL,\n"
    "  saved_ms INTEGER NOT NULL,\n"
    "  device_seconds REAL,\n"
    "  dropped_ms INTEGER\n"
    ") STRICT;\n"
    "CREATE INDEX checkpoint_trial ON checkpoint(trial, id);\n"
    "CREATE TABLE worker(\n"
    "  id INTEGER PRIMARY KEY,\n"
    "  key TEXT NOT NULL,\n"
    "  role TEXT NOT NULL CHECK (role IN ('agent', 'trial')),\n"
    "  agent TEXT,\n"
    "  slot INTEGER NOT NULL,\n"
    "  host TEXT,\n"
    "  device TEXT,\n"
    "  since_ms INTEGER NOT NULL,\n"
    "  trial INTEGER,\n"
    "  exited_ms INTEGER,\n"
    "  status INTEGER,\n"
    "  signal INTEGER,\n"
    "  asked INTEGER,\n"
    "  tail TEXT,\n"
    "  UNIQUE (role, key)\n"
    ") STRICT;\n"
    "CREATE TABLE note(\n"
    "  id INTEGER PRIMARY KEY,\n"
    "  trial INTEGER,\n"
    "  time_ms INTEGER NOT NULL,\n"
    "  text TEXT NOT NULL\n"
    ") STRICT;\n";

const struct esp_migration esp_schema_migrations[] = {
    {2,
     "ALTER TABLE trial ADD COLUMN repeats INTEGER;"
     "ALTER TABLE study ADD COLUMN begun_format INTEGER NOT NULL DEFAULT 1"}};
const size_t esp_schema_migration_count =
    sizeof esp_schema_migrations / sizeof esp_schema_migrations[0];

int esp_schema_create(sqlite3 *db)
{
    char identity[128];
    snprintf(identity,
             sizeof identity,
             "PRAGMA application_id = %d; PRAGMA user_version = %d;",
             ESP_SCHEMA_APPLICATION_ID,
             ESP_SCHEMA_VERSION);
    int rc = sqlite3_exec(db, identity, NULL, NULL, NULL);
    if (rc == SQLITE_OK) {
        rc = sqlite3_exec(db, tables, NULL, NULL, NULL);
    }
    if (rc == SQLITE_OK) {
        rc = sqlite3_exec(db, esp_schema_optuna, NULL, NULL, NULL);
    }
    return rc;
}
