/* The members of struct esp_event by name, and the names that single kinds give them.
 *
 * Every plain member that differs from its default is written, whatever the kind, so that
 * nothing the core records is lost; a kind's aliases only make the usual ones readable. The
 * names are a format: a key once written stays. */
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
WORDS(verb)
WORDS(directive_action)

#define AT(member) offsetof(struct esp_event, member)

const struct esp_column esp_columns[] = {
    [ESP_PLAIN_TRIAL] = {"trial", ESP_COLUMN_INT64, 0, false, false, AT(trial), NULL},
    [ESP_PLAIN_SEQUENCE] = {"sequence", ESP_COLUMN_UINT64, 0, false, false, AT(sequence), NULL},
    [ESP_PLAIN_PROCESS] = {"process", ESP_COLUMN_KEY, 0, false, false, AT(process), NULL},
    [ESP_PLAIN_TRIGGER] =
        {"trigger", ESP_COLUMN_ENUM, 0, false, false, AT(trigger), &trigger_words},
    [ESP_PLAIN_FROM] = {"from", ESP_COLUMN_ENUM, 0, false, false, AT(from), &trial_state_words},
    [ESP_PLAIN_TO] = {"to", ESP_COLUMN_ENUM, 0, false, false, AT(to), &trial_state_words},
    [ESP_PLAIN_CAUSE] = {"cause", ESP_COLUMN_ENUM, 0, false, false, AT(cause), &cause_words},
    [ESP_PLAIN_NUMBER] = {"number", ESP_COLUMN_INT64, 0, false, false, AT(number), NULL},
    [ESP_PLAIN_EXTRA] = {"extra", ESP_COLUMN_INT64, 0, false, false, AT(extra), NULL},
    [ESP_PLAIN_CODE] = {"code", ESP_COLUMN_INT32, 0, false, false, AT(code), NULL},
    [ESP_PLAIN_FLAG] = {"flag", ESP_COLUMN_BOOL, 0, false, false, AT(flag), NULL},
    [ESP_PLAIN_REAL] = {"real", ESP_COLUMN_REAL, 0, false, false, AT(real), NULL},
    [ESP_PLAIN_TEXT] = {"text", ESP_COLUMN_TEXT, 0, false, false, AT(text), NULL},
    [ESP_PLAIN_TEXT2] = {"text2", ESP_COLUMN_TEXT, 0, false, false, AT(text2), NULL},
    [ESP_PLAIN_VALUES] = {"values", ESP_COLUMN_VALUES, 0, false, false, AT(values), NULL},

#define VERDICT(key, type, always, none, member, words)                                        \
    {                                                                                          \
        key, type, ESP_GROUP_VERDICT, always, none, AT(verdict.member), words                  \
    }
    VERDICT("verdict", ESP_COLUMN_ENUM, true, false, action, &verdict_action_words),
    VERDICT("verdict_trial", ESP_COLUMN_INT64, true, false, trial, NULL),
    VERDICT("until", ESP_COLUMN_INT64, false, false, until, NULL),
    VERDICT("rule", ESP_COLUMN_ENUM, true, false, reason.rule, &rule_words),
    VERDICT("rung", ESP_COLUMN_INT32, false, true, reason.rung, NULL),
    VERDICT("at", ESP_COLUMN_INT64, false, true, reason.at, NULL),
    VERDICT("rank", ESP_COLUMN_INT32, false, true, reason.rank, NULL),
    VERDICT("of", ESP_COLUMN_INT32, false, true, reason.of, NULL),
    VERDICT("value", ESP_COLUMN_REAL, false, true, reason.value, NULL),
    VERDICT("threshold", ESP_COLUMN_REAL, false, true, reason.threshold, NULL),
    VERDICT("expected", ESP_COLUMN_REAL, false, true, reason.expected, NULL),
    VERDICT("cost", ESP_COLUMN_REAL, false, true, reason.cost, NULL),
    VERDICT("cost_seconds", ESP_COLUMN_REAL, false, true, reason.cost_seconds, NULL),
    VERDICT("rivals", ESP_COLUMN_RIVALS, false, true, reason.rivals, NULL),

#define DIRECTIVE(key, type, member, words)                                                    \
    {                                                                                          \
        key, type, ESP_GROUP_DIRECTIVE, true, false, AT(directive.member), words               \
    }
    DIRECTIVE("directive", ESP_COLUMN_UINT32, number, NULL),
    DIRECTIVE("direct", ESP_COLUMN_ENUM, action, &directive_action_words),
    DIRECTIVE("train_until", ESP_COLUMN_INT64, until, NULL),
    DIRECTIVE("keep", ESP_COLUMN_BOOL, keep, NULL),

#define POINT(key, type, member)                                                               \
    {                                                                                          \
        key, type, ESP_GROUP_POINT, true, false, AT(point.member), NULL                        \
    }
    POINT("step", ESP_COLUMN_INT64, step),
    POINT("tokens", ESP_COLUMN_INT64, tokens),
    POINT("device_seconds", ESP_COLUMN_REAL, device_seconds),
    POINT("metric", ESP_COLUMN_REAL, value),
    POINT("train_loss", ESP_COLUMN_REAL, train_loss),
    {"measures", ESP_COLUMN_MEASURES, ESP_GROUP_POINT, false, false, AT(point.measures), NULL},

#define SAVED(key, type, member)                                                               \
    {                                                                                          \
        key, type, ESP_GROUP_SAVED, true, false, AT(saved.member), NULL                        \
    }
    SAVED("path", ESP_COLUMN_TEXT, path),
    SAVED("saved_host", ESP_COLUMN_TEXT, host),
    SAVED("saved_step", ESP_COLUMN_INT64, step),
    SAVED("saved_tokens", ESP_COLUMN_INT64, tokens),
    SAVED("bytes", ESP_COLUMN_UINT64, bytes),
    SAVED("hash", ESP_COLUMN_KEY, hash),
    SAVED("saved_seconds", ESP_COLUMN_REAL, device_seconds),
    SAVED("saved_trial", ESP_COLUMN_UINT32, at.trial),
    SAVED("saved_attempt", ESP_COLUMN_UINT32, at.attempt),
    SAVED("saved_sequence", ESP_COLUMN_UINT64, at.sequence),
};

const size_t esp_column_count = sizeof esp_columns / sizeof esp_columns[0];

static const struct esp_alias aliases[ESP_EVENT_KIND_COUNT][ESP_PLAIN_PLAIN_COUNT] = {
    [ESP_EVENT_OPENED] = {[ESP_PLAIN_NUMBER] = {"incarnation", NULL, false},
                          [ESP_PLAIN_TEXT] = {"version", NULL, false}},
    [ESP_EVENT_ENDED] = {[ESP_PLAIN_NUMBER] = {"state", &study_state_words, false},
                         [ESP_PLAIN_EXTRA] = {"exit_code", NULL, false},
                         [ESP_PLAIN_FLAG] = {"scored", NULL, true},
                         [ESP_PLAIN_REAL] = {"score", NULL, true}},
    [ESP_EVENT_CHANGED] = {[ESP_PLAIN_TEXT] = {"setting", NULL, false},
                           [ESP_PLAIN_REAL] = {"setting_value", NULL, false}},
    [ESP_EVENT_CREATED] = {[ESP_PLAIN_NUMBER] = {"horizon", NULL, false},
                           [ESP_PLAIN_EXTRA] = {"seed", NULL, false}},
    [ESP_EVENT_MOVED] = {[ESP_PLAIN_TRIGGER] = {"trigger", NULL, false},
                         [ESP_PLAIN_FROM] = {"from", NULL, false},
                         [ESP_PLAIN_TO] = {"to", NULL, false},
                         [ESP_PLAIN_NUMBER] = {"granted_until", NULL, true},
                         [ESP_PLAIN_EXTRA] = {"resumed_from", NULL, true},
                         [ESP_PLAIN_FLAG] = {"excused", NULL, true},
                         [ESP_PLAIN_TEXT] = {"words", NULL, true}},
    [ESP_EVENT_STARTED_AT] = {[ESP_PLAIN_NUMBER] = {"stands_at", NULL, false},
                              [ESP_PLAIN_EXTRA] = {"own_horizon", NULL, false},
                              [ESP_PLAIN_FLAG] = {"can_save", NULL, false},
                              [ESP_PLAIN_TEXT] = {"fell_back", NULL, false}},
    [ESP_EVENT_REPORT] = {[ESP_PLAIN_FLAG] = {"waiting", NULL, false}},
    [ESP_EVENT_DROPPED] = {[ESP_PLAIN_NUMBER] = {"checkpoint", NULL, false}},
    [ESP_EVENT_FAILED] = {[ESP_PLAIN_NUMBER] = {"error", NULL, false},
                          [ESP_PLAIN_TEXT] = {"words", NULL, false}},
    [ESP_EVENT_AGENT] = {[ESP_PLAIN_NUMBER] = {"slots", NULL, false},
                         [ESP_PLAIN_TEXT] = {"host", NULL, false},
                         [ESP_PLAIN_TEXT2] = {"device", NULL, false}},
    [ESP_EVENT_SPAWNED] = {[ESP_PLAIN_NUMBER] = {"agent", NULL, false},
                           [ESP_PLAIN_EXTRA] = {"slot", NULL, false}},
    [ESP_EVENT_EXITED] = {[ESP_PLAIN_NUMBER] = {"status", NULL, false},
                          [ESP_PLAIN_EXTRA] = {"signal", NULL, false},
                          [ESP_PLAIN_FLAG] = {"asked", NULL, false},
                          [ESP_PLAIN_TEXT] = {"tail", NULL, false}},
    [ESP_EVENT_COMMAND] = {[ESP_PLAIN_NUMBER] = {"command", NULL, false},
                           [ESP_PLAIN_EXTRA] = {"verb", &verb_words, false},
                           [ESP_PLAIN_CODE] = {"answer_code", NULL, false},
                           [ESP_PLAIN_TEXT] = {"answer", NULL, false}},
    [ESP_EVENT_NOTE] = {[ESP_PLAIN_TEXT] = {"note", NULL, false}},
    [ESP_EVENT_PROTOCOL] = {[ESP_PLAIN_TRIGGER] = {"trigger", NULL, false},
                            [ESP_PLAIN_FROM] = {"from", NULL, false},
                            [ESP_PLAIN_TEXT] = {"fault", NULL, false}},
    [ESP_EVENT_FIT] = {[ESP_PLAIN_NUMBER] = {"which", NULL, false}},
    [ESP_EVENT_CALIBRATED] = {[ESP_PLAIN_NUMBER] = {"looked_at", NULL, false},
                              [ESP_PLAIN_VALUES] = {"scores", NULL, false}},
};

const struct esp_alias *esp_column_alias(enum esp_event_kind kind, size_t index)
{
    if (index >= ESP_PLAIN_PLAIN_COUNT || (unsigned)kind >= ESP_EVENT_KIND_COUNT ||
        !aliases[kind][index].key) {
        return NULL;
    }
    return &aliases[kind][index];
}

const char *esp_column_key(enum esp_event_kind kind, size_t index)
{
    const struct esp_alias *alias = esp_column_alias(kind, index);
    return alias ? alias->key : esp_columns[index].key;
}
