/* A trial's states as one static table (DESIGN 3). ARCHITECTURE.md shows it row by row, and
 * tests/unit/core/test_trial_fsm.c holds the two together. */
#ifndef ESPALIER_CORE_TRIAL_FSM_H
#define ESPALIER_CORE_TRIAL_FSM_H

#include <espalier/event.h>

/* What must hold besides state and trigger; rows of one pair are tried in order. */
enum esp_guard {
    ESP_GUARD_NONE,
    ESP_GUARD_SAVED,      /* the pause's checkpoint is recorded, or the trainer cannot save */
    ESP_GUARD_NOT_HELD,   /* only the user continues what the user paused */
    ESP_GUARD_TRIED_OUT,  /* ESP_FRUITLESS_ATTEMPTS_MAX in a row brought no new report */
    ESP_GUARD_CHECKPOINT, /* there is one to resume from */
    ESP_GUARD_GIVEN_UP,   /* under the calibrated rule (controller/stop/discard.h) */
    ESP_GUARD_COUNT
};

/* What follows from a move, beyond the state. */
enum esp_move_effect {
    ESP_MOVE_NOTHING,
    ESP_MOVE_ASSIGN, /* send the assignment: attempt n + 1 */
    ESP_MOVE_PAUSE,  /* ask to save and release */
    ESP_MOVE_STOP,   /* ask to stop */
    ESP_MOVE_KEEP,   /* ask to save the final checkpoint and to stop */
    ESP_MOVE_FENCE,  /* tell the process that the attempt is over */
    ESP_MOVE_KILL,   /* end the process */
    ESP_MOVE_FREE,   /* the slot is free */
    ESP_MOVE_EFFECT_COUNT
};

struct esp_trial_row {
    enum esp_trial_state from;
    enum esp_cause while_stopping; /* from STOPPING: of this cause; NONE: of any */
    enum esp_trigger trigger;
    enum esp_guard guard;
    enum esp_trial_state to;
    enum esp_cause cause; /* the trial's from now on; NONE: as it was */
    enum esp_move_effect effect;
};

extern const struct esp_trial_row esp_trial_rows[];
extern const size_t esp_trial_row_count;

/* The row that applies, or NULL: the pair changes nothing. `guards` has a bit (1 << guard) for
 * each one that holds. */
const struct esp_trial_row *esp_trial_row_find(enum esp_trial_state state,
                                               enum esp_cause cause,
                                               enum esp_trigger trigger,
                                               unsigned guards);

/* As ARCHITECTURE.md words them. */
const char *esp_guard_words(enum esp_guard guard);
const char *esp_move_effect_words(enum esp_move_effect effect);

/* A process has it: ASSIGNED, RUNNING, PAUSING, STOPPING. */
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
