/* The fields of events by kind: their keys in event.data, their types and where their members
 * are in struct esp_event.
 *
 * The keys and their order are a format: a key once written stays, and a new field is added at
 * the end of its kind's table. */
#include "event_fields.h"
#include <string.h>

#define WORDS(noun)                                                                            \
    static const char *noun##_name(int value)                                                  \
    {                                                                                          \
        const char *name = esp_##noun##_name((enum esp_##noun)value);                          \
        return strcmp(name, "?") == 0 ? NULL : name;                                           \
    }                                                                                          \
    static const struct esp_words noun##_words = {noun##_name, esp_##noun##_parse};

WORDS(trial_state)
WORDS(cause)
WORDS(trigger)
WORDS(rule)
WORDS(verdict_action)
WORDS(study_state)
WORDS(end_reason)
WORDS(command_verb)
WORDS(directive_action)

/* ALWAYS: written even at its default, 0. SPARSE: written when it is not 0. NONE: written when
 * it is not -1 or NaN. */
#define ALWAYS(key, type, member, words)                                                       \
    {                                                                                          \
        key, ESP_JSON_##type, true, false, offsetof(struct esp_event, member), words           \
    }
#define SPARSE(key, type, member, words)                                                       \
    {                                                                                          \
        key, ESP_JSON_##type, false, false, offsetof(struct esp_event, member), words          \
    }
#define NONE(key, type, member)                                                                \
    {                                                                                          \
        key, ESP_JSON_##type, false, true, offsetof(struct esp_event, member), NULL            \
    }
#define SEQUENCE SPARSE("sequence", UINT64, sequence, NULL)
/* Always written; -1 when it is absent. */
#define SUBJECT(member)                                                                        \
    {                                                                                          \
        "verdict_trial", ESP_JSON_INT64, true, true, offsetof(struct esp_event, member), NULL  \
    }

#define REASON(reason)                                                                         \
    ALWAYS("rule", ENUM, reason.rule, &rule_words), NONE("rung", INT32, reason.rung),          \
        NONE("at", INT64, reason.at), NONE("rank", INT32, reason.rank),                        \
        NONE("of", INT32, reason.of), NONE("value", REAL, reason.value),                       \
        NONE("threshold", REAL, reason.threshold), NONE("expected", REAL, reason.expected),    \
        NONE("cost", REAL, reason.cost), NONE("cost_seconds", REAL, reason.cost_seconds),      \
        NONE("rivals", RIVALS, reason.rivals)

static const struct esp_json_field opened[] = {
    SEQUENCE,
    ALWAYS("incarnation", UINT64, opened.incarnation, NULL),
    ALWAYS("version", TEXT, opened.version, NULL),
};

static const struct esp_json_field ended[] = {
    SEQUENCE,
    ALWAYS("state", ENUM, ended.state, &study_state_words),
    ALWAYS("exit_code", INT32, ended.exit_code, NULL),
    SPARSE("code", ENUM, ended.scored_by, NULL),
    SPARSE("scored", BOOL, ended.scored, NULL),
    SPARSE("score", REAL, ended.score, NULL),
    SPARSE("tie_run_cap", REAL, ended.remedy.run_cap, NULL),
    SPARSE("tie_tokens", REAL, ended.remedy.tokens, NULL),
    SPARSE("tie_seconds", REAL, ended.remedy.seconds, NULL),
    SPARSE("tie_usd", REAL, ended.remedy.usd, NULL),
    SPARSE("reason", ENUM, ended.reason, &end_reason_words),
};

static const struct esp_json_field changed[] = {
    SEQUENCE,
    ALWAYS("setting_value", REAL, changed.value, NULL),
    ALWAYS("setting", TEXT, changed.setting, NULL),
};

static const struct esp_json_field created[] = {
    SEQUENCE,
    ALWAYS("horizon", INT64, created.horizon, NULL),
    ALWAYS("seed", INT64, created.seed, NULL),
    SPARSE("values", REALS, created.values, NULL),
    ALWAYS("verdict", REPEATS, created, &verdict_action_words),
    SUBJECT(created.repeats),
    REASON(created.reason),
};

static const struct esp_json_field verdict[] = {
    SEQUENCE,
    ALWAYS("verdict", ENUM, verdict.action, &verdict_action_words),
    SUBJECT(verdict.trial),
    SPARSE("until", INT64, verdict.until, NULL),
    REASON(verdict.reason),
};

static const struct esp_json_field moved[] = {
    SEQUENCE,
    SPARSE("process", KEY, moved.process, NULL),
    ALWAYS("trigger", ENUM, moved.trigger, &trigger_words),
    ALWAYS("from", ENUM, moved.from, &trial_state_words),
    ALWAYS("to", ENUM, moved.to, &trial_state_words),
    SPARSE("cause", ENUM, moved.cause, &cause_words),
    SPARSE("granted_until", INT64, moved.until, NULL),
    SPARSE("resumed_from", INT64, moved.resumed_from, NULL),
    SPARSE("excused", BOOL, moved.excused, NULL),
    SPARSE("words", TEXT, moved.text, NULL),
};

static const struct esp_json_field started[] = {
    SEQUENCE,
    ALWAYS("stands_at", INT64, started.tokens, NULL),
    ALWAYS("own_horizon", INT64, started.horizon, NULL),
    ALWAYS("can_save", BOOL, started.can_save, NULL),
    ALWAYS("fell_back", TEXT, started.fell_back, NULL),
};

/* A report whose trial and step have a row in the table `report` already. */
static const struct esp_json_field report[] = {
    SEQUENCE,
    ALWAYS("waiting", BOOL, report.waiting, NULL),
    ALWAYS("step", INT64, report.point.step, NULL),
    ALWAYS("tokens", INT64, report.point.tokens, NULL),
    ALWAYS("device_seconds", REAL, report.point.device_seconds, NULL),
    ALWAYS("metric", REAL, report.point.value, NULL),
    ALWAYS("train_loss", REAL, report.point.train_loss, NULL),
    SPARSE("measures", MEASURES, report.point, NULL),
};

static const struct esp_json_field saved[] = {
    SEQUENCE,
    ALWAYS("path", TEXT, saved.path, NULL),
    ALWAYS("saved_host", TEXT, saved.host, NULL),
    ALWAYS("saved_step", INT64, saved.step, NULL),
    ALWAYS("saved_tokens", INT64, saved.tokens, NULL),
    ALWAYS("bytes", UINT64, saved.bytes, NULL),
    ALWAYS("hash", KEY, saved.hash, NULL),
    ALWAYS("saved_seconds", REAL, saved.device_seconds, NULL),
    ALWAYS("saved_trial", UINT32, saved.at.trial, NULL),
    ALWAYS("saved_attempt", UINT32, saved.at.attempt, NULL),
    ALWAYS("saved_sequence", UINT64, saved.at.sequence, NULL),
};

static const struct esp_json_field dropped[] = {
    SEQUENCE,
    ALWAYS("checkpoint", UINT64, dropped.checkpoint, NULL),
};

static const struct esp_json_field directed[] = {
    SEQUENCE,
    ALWAYS("directive", UINT32, directive.number, NULL),
    ALWAYS("direct", ENUM, directive.action, &directive_action_words),
    ALWAYS("train_until", INT64, directive.until, NULL),
    ALWAYS("keep", BOOL, directive.keep, NULL),
};

static const struct esp_json_field failed[] = {
    SEQUENCE,
    ALWAYS("error", INT32, failed.code, NULL),
    SPARSE("flag", BOOL, failed.save_failed, NULL),
    ALWAYS("words", TEXT, failed.text, NULL),
};

static const struct esp_json_field agent[] = {
    SEQUENCE,
    SPARSE("process", KEY, agent.id, NULL),
    ALWAYS("slots", UINT32, agent.slots, NULL),
    ALWAYS("host", TEXT, agent.host, NULL),
    ALWAYS("device", TEXT, agent.device, NULL),
};

static const struct esp_json_field spawned[] = {
    SEQUENCE,
    SPARSE("process", KEY, spawned.process, NULL),
    ALWAYS("agent", UINT64, spawned.agent, NULL),
    ALWAYS("slot", UINT32, spawned.slot, NULL),
};

static const struct esp_json_field exited[] = {
    SEQUENCE,
    SPARSE("process", KEY, exited.process, NULL),
    ALWAYS("status", INT32, exited.status, NULL),
    ALWAYS("signal", INT32, exited.signal, NULL),
    ALWAYS("asked", BOOL, exited.asked, NULL),
    ALWAYS("tail", TEXT, exited.tail, NULL),
};

static const struct esp_json_field command[] = {
    SEQUENCE,
    ALWAYS("command", UINT64, command.id, NULL),
    ALWAYS("verb", ENUM, command.verb, &command_verb_words),
    ALWAYS("answer_code", INT32, command.code, NULL),
    ALWAYS("answer", TEXT, command.answer, NULL),
};

static const struct esp_json_field note[] = {
    SEQUENCE,
    ALWAYS("note", TEXT, note.text, NULL),
};

static const struct esp_json_field protocol[] = {
    SEQUENCE,
    SPARSE("process", KEY, protocol.process, NULL),
    ALWAYS("trigger", ENUM, protocol.trigger, &trigger_words),
    ALWAYS("from", ENUM, protocol.from, &trial_state_words),
    ALWAYS("fault", TEXT, protocol.fault, NULL),
};

static const struct esp_json_field fit[] = {
    SEQUENCE,
    ALWAYS("which", ENUM, fit.which, NULL),
    SPARSE("values", REALS, fit.values, NULL),
};

static const struct esp_json_field calibrated[] = {
    SEQUENCE,
    ALWAYS("looked_at", INT64, calibrated.examined_count, NULL),
    ALWAYS("scores", REALS, calibrated.scores, NULL),
};

static const struct esp_json_field spent[] = {
    SEQUENCE,
    ALWAYS("tokens", INT64, spent.tokens, NULL),
    ALWAYS("device_seconds", REAL, spent.device_seconds, NULL),
};

#define FIELDS(kind, table) [ESP_EVENT_##kind] = {table, sizeof table / sizeof table[0]}

struct esp_event_fields esp_event_fields(enum esp_event_kind kind)
{
    static const struct esp_event_fields kinds[ESP_EVENT_KIND_COUNT] = {
        FIELDS(OPENED, opened),
        FIELDS(ENDED, ended),
        FIELDS(CHANGED, changed),
        FIELDS(CREATED, created),
        FIELDS(VERDICT, verdict),
        FIELDS(MOVED, moved),
        FIELDS(STARTED_AT, started),
        FIELDS(REPORT, report),
        FIELDS(SAVED, saved),
        FIELDS(DROPPED, dropped),
        FIELDS(DIRECTED, directed),
        FIELDS(FAILED, failed),
        FIELDS(AGENT, agent),
        FIELDS(SPAWNED, spawned),
        FIELDS(EXITED, exited),
        FIELDS(COMMAND, command),
        FIELDS(NOTE, note),
        FIELDS(PROTOCOL, protocol),
        FIELDS(FIT, fit),
        FIELDS(CALIBRATED, calibrated),
        FIELDS(SPENT, spent),
    };
    return (unsigned)kind < ESP_EVENT_KIND_COUNT ? kinds[kind] : kinds[ESP_EVENT_NONE];
}
