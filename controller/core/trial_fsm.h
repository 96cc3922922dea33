/* A trial's states and transitions as one static table. ARCHITECTURE.md shows it row by row;
 * tests/unit/core/test_trial_fsm.c fails when the two differ. */
#ifndef ESPALIER_CORE_TRIAL_FSM_H
#define ESPALIER_CORE_TRIAL_FSM_H

#include <espalier/event.h>

/* A condition besides state and trigger. */
enum esp_guard {
    ESP_GUARD_NONE,
    ESP_GUARD_SAVED,      /* the pause's checkpoint is recorded, or the trainer cannot save */
    ESP_GUARD_NOT_HELD,   /* the user has not paused it */
    ESP_GUARD_FRUITLESS,  /* ESP_FRUITLESS_ATTEMPTS_MAX attempts in a row without a report */
    ESP_GUARD_CHECKPOINT, /* it has a checkpoint to resume from */
    ESP_GUARD_DISCARDED,  /* discarded by the calibrated rule (controller/stop/discard.h) */
    ESP_GUARD_COUNT
};

/* What follows from a transition besides the new state. */
enum esp_transition_effect {
    ESP_TRANSITION_NOTHING,
    ESP_TRANSITION_ASSIGN, /* send the assignment: attempt n + 1 */
    ESP_TRANSITION_PAUSE,  /* ask to save and release */
    ESP_TRANSITION_STOP,   /* ask to stop */
    ESP_TRANSITION_KEEP,   /* ask to save the final checkpoint and to stop */
    ESP_TRANSITION_FENCE,  /* tell the process that the attempt is over */
    ESP_TRANSITION_KILL,   /* end the process */
    ESP_TRANSITION_FREE,   /* the slot is free */
    ESP_TRANSITION_EFFECT_COUNT
};

/* Rows with the same state and trigger are tried in order; the first true guard applies. */
struct esp_trial_row {
    enum esp_trial_state from;
    enum esp_cause while_stopping; /* from STOPPING: with this cause; NONE: with any */
    enum esp_trigger trigger;
    enum esp_guard guard;
    enum esp_trial_state to;
    enum esp_cause
        cause; /* the trial's new cause; NONE: unchanged while the state is the same */
    enum esp_transition_effect effect;
};

extern const struct esp_trial_row esp_trial_rows[];
extern const size_t esp_trial_row_count;

/* The row that applies, or NULL: the trigger changes nothing. `guards` has a bit (1 << guard)
 * for each guard that holds. */
const struct esp_trial_row *esp_trial_row_find(enum esp_trial_state state,
                                               enum esp_cause cause,
                                               enum esp_trigger trigger,
                                               unsigned guards);

/* The texts of ARCHITECTURE.md. */
const char *esp_guard_text(enum esp_guard guard);
const char *esp_transition_effect_text(enum esp_transition_effect effect);

/* A process holds the trial. */
static inline bool esp_trial_state_live(enum esp_trial_state state)
{
    return state == ESP_TRIAL_ASSIGNED || state == ESP_TRIAL_RUNNING ||
           state == ESP_TRIAL_PAUSING || state == ESP_TRIAL_STOPPING;
}

static inline bool esp_trial_state_ended(enum esp_trial_state state)
{
    return state >= ESP_TRIAL_COMPLETE;
}

#endif
