/* The words of enumerations in events and messages, as ledgers, --json and the command line
 * show them. They are part of the format of ledgers: a word that was recorded never changes. */
#include <espalier/event.h>
#include <espalier/message.h>
#include <string.h>

static const char *const event_kinds[ESP_EVENT_KIND_COUNT] = {
    [ESP_EVENT_NONE] = "none",
    [ESP_EVENT_OPENED] = "opened",
    [ESP_EVENT_ENDED] = "ended",
    [ESP_EVENT_CHANGED] = "changed",
    [ESP_EVENT_CREATED] = "created",
    [ESP_EVENT_VERDICT] = "verdict",
    [ESP_EVENT_MOVED] = "moved",
    [ESP_EVENT_STARTED_AT] = "started",
    [ESP_EVENT_REPORT] = "report",
    [ESP_EVENT_SAVED] = "saved",
    [ESP_EVENT_DROPPED] = "dropped",
    [ESP_EVENT_DIRECTED] = "directed",
    [ESP_EVENT_FAILED] = "failed",
    [ESP_EVENT_AGENT] = "agent",
    [ESP_EVENT_SPAWNED] = "spawned",
    [ESP_EVENT_EXITED] = "exited",
    [ESP_EVENT_COMMAND] = "command",
    [ESP_EVENT_NOTE] = "note",
    [ESP_EVENT_PROTOCOL] = "protocol",
    [ESP_EVENT_FIT] = "fit",
    [ESP_EVENT_CALIBRATED] = "calibrated",
    [ESP_EVENT_SPENT] = "spent",
};

static const char *const trial_states[ESP_TRIAL_STATE_COUNT] = {
    [ESP_TRIAL_QUEUED] = "QUEUED",
    [ESP_TRIAL_ASSIGNED] = "ASSIGNED",
    [ESP_TRIAL_RUNNING] = "RUNNING",
    [ESP_TRIAL_PAUSING] = "PAUSING",
    [ESP_TRIAL_PAUSED] = "PAUSED",
    [ESP_TRIAL_STOPPING] = "STOPPING",
    [ESP_TRIAL_COMPLETE] = "COMPLETE",
    [ESP_TRIAL_PRUNED] = "PRUNED",
    [ESP_TRIAL_STOPPED] = "STOPPED",
    [ESP_TRIAL_FAILED] = "FAILED",
};

static const char *const causes[ESP_CAUSE_COUNT] = {
    [ESP_CAUSE_NONE] = "none",
    [ESP_CAUSE_COMPLETE] = "complete",
    [ESP_CAUSE_PRUNED] = "pruned",
    [ESP_CAUSE_DIVERGED] = "diverged",
    [ESP_CAUSE_STOPPED] = "stopped",
    [ESP_CAUSE_FAILED] = "failed",
    [ESP_CAUSE_LOST] = "lost",
};

static const char *const triggers[ESP_TRIGGER_COUNT] = {
    [ESP_TRIGGER_GRANT] = "grant",
    [ESP_TRIGGER_STARTED] = "started",
    [ESP_TRIGGER_NO_ANSWER] = "no-answer",
    [ESP_TRIGGER_PAUSE] = "pause",
    [ESP_TRIGGER_HOLD] = "hold",
    [ESP_TRIGGER_PRUNE] = "prune",
    [ESP_TRIGGER_DIVERGED] = "diverged",
    [ESP_TRIGGER_HORIZON] = "horizon",
    [ESP_TRIGGER_SAVE_FAILED] = "save-failed",
    [ESP_TRIGGER_CONTINUE] = "continue",
    [ESP_TRIGGER_RESUME] = "resume",
    [ESP_TRIGGER_DISCARD] = "discard",
    [ESP_TRIGGER_STOP] = "stop",
    [ESP_TRIGGER_ERROR] = "error",
    [ESP_TRIGGER_LOST] = "lost",
    [ESP_TRIGGER_GRACE_OVER] = "grace-over",
    [ESP_TRIGGER_RELEASED] = "released",
    [ESP_TRIGGER_TARGET] = "target",
};

static const char *const rules[ESP_RULE_COUNT] = {
    [ESP_RULE_NONE] = "none",
    [ESP_RULE_HORIZON] = "horizon",
    [ESP_RULE_NEW] = "new",
    [ESP_RULE_ASHA_PROMOTE] = "asha-promote",
    [ESP_RULE_ASHA_WAIT] = "asha-wait",
    [ESP_RULE_ASHA_STOP] = "asha-stop",
    [ESP_RULE_MEDIAN] = "median",
    [ESP_RULE_PERCENTILE] = "percentile",
    [ESP_RULE_HALVING] = "halving",
    [ESP_RULE_HYPERBAND] = "hyperband",
    [ESP_RULE_WANDB_HYPERBAND] = "wandb-hyperband",
    [ESP_RULE_PASHA] = "pasha",
    [ESP_RULE_CUT] = "cut",
    [ESP_RULE_PATIENCE] = "patience",
    [ESP_RULE_THRESHOLD] = "threshold",
    [ESP_RULE_TARGET] = "target",
    [ESP_RULE_FREEZE_THAW] = "freeze-thaw",
    [ESP_RULE_STARTUP] = "start-up",
    [ESP_RULE_LEADER] = "leader",
    [ESP_RULE_CALIBRATED] = "calibrated",
    [ESP_RULE_DIVERGED] = "diverged",
    [ESP_RULE_INTERRUPT] = "interrupt",
    [ESP_RULE_RESTART] = "restart",
    [ESP_RULE_STUDY_END] = "study-end",
    [ESP_RULE_USER] = "user",
    [ESP_RULE_BUDGET] = "budget",
    [ESP_RULE_SEED_NOISE] = "seed-noise",
    [ESP_RULE_EXHAUSTED] = "exhausted",
};

static const char *const verdict_actions[] = {
    [ESP_VERDICT_NONE] = "none",
    [ESP_VERDICT_CONTINUE] = "continue",
    [ESP_VERDICT_PAUSE] = "pause",
    [ESP_VERDICT_PRUNE] = "prune",
    [ESP_VERDICT_START] = "start",
    [ESP_VERDICT_DISCARD] = "discard",
    [ESP_VERDICT_END] = "end",
    [ESP_VERDICT_REPEAT] = "repeat",
    [ESP_VERDICT_SPARE] = "spare",
};

static const char *const study_states[] = {
    [ESP_STUDY_RUNNING] = "running",
    [ESP_STUDY_INTERRUPTED] = "interrupted",
    [ESP_STUDY_COMPLETE] = "complete",
    [ESP_STUDY_BUDGET] = "budget",
};

static const char *const directive_actions[] = {
    [ESP_DIRECT_CONTINUE] = "continue",
    [ESP_DIRECT_SAVE] = "save",
    [ESP_DIRECT_PAUSE] = "pause",
    [ESP_DIRECT_STOP] = "stop",
};

static const char *const verbs[] = {
    [ESP_VERB_STOP] = "stop",
    [ESP_VERB_PAUSE] = "pause",
    [ESP_VERB_CONTINUE] = "continue",
    [ESP_VERB_EXTEND] = "extend",
    [ESP_VERB_ADD] = "add",
    [ESP_VERB_SET] = "set",
    [ESP_VERB_NOTE] = "note",
    [ESP_VERB_INTERRUPT] = "interrupt",
    [ESP_VERB_PING] = "ping",
};

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

static const char *name_at(const char *const *table, size_t count, unsigned index)
{
    return index < count && table[index] ? table[index] : "?";
}

static int index_of(const char *const *table, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (table[i] && strcmp(table[i], name) == 0) {
            return (int)i;
        }
    }
    return -1;
}

const char *esp_event_kind_name(enum esp_event_kind kind)
{
    return name_at(event_kinds, COUNT(event_kinds), kind);
}

const char *esp_trial_state_name(enum esp_trial_state state)
{
    return name_at(trial_states, COUNT(trial_states), state);
}

const char *esp_cause_name(enum esp_cause cause)
{
    return name_at(causes, COUNT(causes), cause);
}

const char *esp_trigger_name(enum esp_trigger trigger)
{
    return name_at(triggers, COUNT(triggers), trigger);
}

const char *esp_rule_name(enum esp_rule rule)
{
    return name_at(rules, COUNT(rules), rule);
}

const char *esp_verdict_action_name(enum esp_verdict_action action)
{
    return name_at(verdict_actions, COUNT(verdict_actions), action);
}

const char *esp_study_state_name(enum esp_study_state state)
{
    return name_at(study_states, COUNT(study_states), state);
}

const char *esp_directive_action_name(enum esp_directive_action action)
{
    return name_at(directive_actions, COUNT(directive_actions), action);
}

const char *esp_command_verb_name(enum esp_command_verb verb)
{
    return name_at(verbs, COUNT(verbs), verb);
}

int esp_event_kind_parse(const char *name)
{
    return index_of(event_kinds, COUNT(event_kinds), name);
}

int esp_trial_state_parse(const char *name)
{
    return index_of(trial_states, COUNT(trial_states), name);
}

int esp_cause_parse(const char *name)
{
    return index_of(causes, COUNT(causes), name);
}

int esp_trigger_parse(const char *name)
{
    return index_of(triggers, COUNT(triggers), name);
}

int esp_rule_parse(const char *name)
{
    return index_of(rules, COUNT(rules), name);
}

int esp_verdict_action_parse(const char *name)
{
    return index_of(verdict_actions, COUNT(verdict_actions), name);
}

int esp_study_state_parse(const char *name)
{
    return index_of(study_states, COUNT(study_states), name);
}

int esp_directive_action_parse(const char *name)
{
    return index_of(directive_actions, COUNT(directive_actions), name);
}

int esp_command_verb_parse(const char *name)
{
    return index_of(verbs, COUNT(verbs), name);
}
