/* The transition table. A report changes no state and has no row. RELEASED is a Released of the
 * attempt or its answer to Fenced, the confirmed exit of its process, or the end of lease and
 * margin. The first cause wins: a trial that is stopping takes no other. */
#include "trial_fsm.h"

#include <assert.h>

#define ROW(from, trigger, guard, to, effect)                                                  \
    {                                                                                          \
        ESP_TRIAL_##from, ESP_CAUSE_NONE, ESP_TRIGGER_##trigger, ESP_GUARD_##guard,            \
            ESP_TRIAL_##to, ESP_CAUSE_NONE, ESP_TRANSITION_##effect                            \
    }
#define ENDS(from, trigger, guard, to, cause, effect)                                          \
    {                                                                                          \
        ESP_TRIAL_##from, ESP_CAUSE_NONE, ESP_TRIGGER_##trigger, ESP_GUARD_##guard,            \
            ESP_TRIAL_##to, ESP_CAUSE_##cause, ESP_TRANSITION_##effect                         \
    }
#define STOPPED(of, guard, to, cause)                                                          \
    {                                                                                          \
        ESP_TRIAL_STOPPING, ESP_CAUSE_##of, ESP_TRIGGER_RELEASED, ESP_GUARD_##guard,           \
            ESP_TRIAL_##to, ESP_CAUSE_##cause, ESP_TRANSITION_FREE                             \
    }

const struct esp_trial_row esp_trial_rows[] = {
    ROW(QUEUED, GRANT, NONE, ASSIGNED, ASSIGN),
    ROW(QUEUED, HOLD, NONE, PAUSED, NOTHING),
    ENDS(QUEUED, DISCARD, NONE, PRUNED, PRUNED, NOTHING),
    ENDS(QUEUED, STOP, NONE, STOPPED, STOPPED, NOTHING),
    ENDS(QUEUED, TARGET, NONE, COMPLETE, COMPLETE, NOTHING),

    ROW(ASSIGNED, STARTED, NONE, RUNNING, NOTHING),
    ENDS(ASSIGNED, NO_ANSWER, NONE, STOPPING, LOST, FENCE),
    ENDS(ASSIGNED, STOP, NONE, STOPPING, STOPPED, KEEP),
    ENDS(ASSIGNED, ERROR, NONE, STOPPING, FAILED, STOP),
    ENDS(ASSIGNED, LOST, NONE, STOPPING, LOST, FENCE),

    ROW(RUNNING, PAUSE, NONE, PAUSING, PAUSE),
    ROW(RUNNING, HOLD, NONE, PAUSING, PAUSE),
    ENDS(RUNNING, PRUNE, NONE, STOPPING, PRUNED, STOP),
    ENDS(RUNNING, DIVERGED, NONE, STOPPING, DIVERGED, STOP),
    ENDS(RUNNING, HORIZON, NONE, STOPPING, COMPLETE, KEEP),
    ENDS(RUNNING, TARGET, NONE, STOPPING, COMPLETE, KEEP),
    ENDS(RUNNING, STOP, NONE, STOPPING, STOPPED, KEEP),
    ENDS(RUNNING, ERROR, NONE, STOPPING, FAILED, STOP),
    ENDS(RUNNING, LOST, NONE, STOPPING, LOST, FENCE),

    ROW(PAUSING, RELEASED, SAVED, PAUSED, FREE),
    ROW(PAUSING, HOLD, NONE, PAUSING, NOTHING),
    ENDS(PAUSING, SAVE_FAILED, NONE, STOPPING, LOST, FENCE),
    ENDS(PAUSING, DIVERGED, NONE, STOPPING, DIVERGED, STOP),
    ENDS(PAUSING, HORIZON, NONE, STOPPING, COMPLETE, KEEP),
    ENDS(PAUSING, TARGET, NONE, STOPPING, COMPLETE, KEEP),
    ENDS(PAUSING, STOP, NONE, STOPPING, STOPPED, KEEP),
    ENDS(PAUSING, ERROR, NONE, STOPPING, FAILED, STOP),
    ENDS(PAUSING, LOST, NONE, STOPPING, LOST, FENCE),

    ROW(PAUSED, CONTINUE, NOT_HELD, QUEUED, NOTHING),
    ROW(PAUSED, RESUME, NONE, QUEUED, NOTHING),
    ROW(PAUSED, HOLD, NONE, PAUSED, NOTHING),
    ENDS(PAUSED, DISCARD, NOT_HELD, PRUNED, PRUNED, NOTHING),
    ENDS(PAUSED, STOP, NONE, STOPPED, STOPPED, NOTHING),
    ENDS(PAUSED, TARGET, NONE, COMPLETE, COMPLETE, NOTHING),

    ROW(STOPPING, GRACE_OVER, NONE, STOPPING, KILL),
    STOPPED(COMPLETE, NONE, COMPLETE, COMPLETE),
    STOPPED(PRUNED, NONE, PRUNED, PRUNED),
    STOPPED(DIVERGED, NONE, PRUNED, DIVERGED),
    STOPPED(STOPPED, NONE, STOPPED, STOPPED),
    STOPPED(FAILED, NONE, FAILED, FAILED),
    STOPPED(LOST, FRUITLESS, FAILED, FAILED),
    STOPPED(LOST, NONE, QUEUED, LOST),

    ROW(COMPLETE, RESUME, CHECKPOINT, QUEUED, NOTHING),
    ROW(PRUNED, CONTINUE, DISCARDED, QUEUED, NOTHING),
    ROW(PRUNED, RESUME, CHECKPOINT, QUEUED, NOTHING),
    ROW(STOPPED, RESUME, CHECKPOINT, QUEUED, NOTHING),
};

const size_t esp_trial_row_count = sizeof esp_trial_rows / sizeof esp_trial_rows[0];

const struct esp_trial_row *esp_trial_row_find(enum esp_trial_state state,
                                               enum esp_cause cause,
                                               enum esp_trigger trigger,
                                               unsigned guards)
{
    assert((unsigned)state < ESP_TRIAL_STATE_COUNT && (unsigned)trigger < ESP_TRIGGER_COUNT);
    for (size_t i = 0; i < esp_trial_row_count; i++) {
        const struct esp_trial_row *row = &esp_trial_rows[i];
        if (row->from != state || row->trigger != trigger) {
            continue;
        }
        if (row->while_stopping != ESP_CAUSE_NONE && row->while_stopping != cause) {
            continue;
        }
        if (row->guard == ESP_GUARD_NONE || (guards & (1u << row->guard))) {
            return row;
        }
    }
    return NULL;
}

const char *esp_guard_text(enum esp_guard guard)
{
    static const char *const texts[] = {
        [ESP_GUARD_NONE] = "–",
        [ESP_GUARD_SAVED] = "its checkpoint is saved",
        [ESP_GUARD_NOT_HELD] = "not held by the user",
        [ESP_GUARD_FRUITLESS] = "three fruitless attempts in a row",
        [ESP_GUARD_CHECKPOINT] = "it has a checkpoint",
        [ESP_GUARD_DISCARDED] = "discarded at the stated risk",
    };
    assert((size_t)guard < sizeof texts / sizeof texts[0]);
    return texts[guard];
}

const char *esp_transition_effect_text(enum esp_transition_effect effect)
{
    static const char *const texts[] = {
        [ESP_TRANSITION_NOTHING] = "–",
        [ESP_TRANSITION_ASSIGN] = "send the assignment, attempt n + 1",
        [ESP_TRANSITION_PAUSE] = "ask to save and release",
        [ESP_TRANSITION_STOP] = "ask to stop",
        [ESP_TRANSITION_KEEP] = "ask to save and stop",
        [ESP_TRANSITION_FENCE] = "fence the attempt",
        [ESP_TRANSITION_KILL] = "end the process",
        [ESP_TRANSITION_FREE] = "the slot is free",
    };
    assert((size_t)effect < sizeof texts / sizeof texts[0]);
    return texts[effect];
}
