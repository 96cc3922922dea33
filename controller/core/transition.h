/* Transitions of trials: a trigger is looked up in the table (trial_fsm.c), the transition is
 * recorded and its effect follows. */
#ifndef ESPALIER_CORE_TRANSITION_H
#define ESPALIER_CORE_TRANSITION_H

#include "state.h"

struct esp_transition {
    enum esp_trigger trigger;
    uint64_t sequence; /* of the message that caused it; 0: none */
    uint64_t process;  /* GRANT */
    const char *text;  /* the peer's explanation, or NULL */
    bool excused;      /* LOST, NO_ANSWER, SAVE_FAILED: does not count as fruitless */
};

/* False: the table has no row for the trigger, and nothing has changed. */
bool esp_trial_transition(struct esp_core *core,
                          struct esp_trial *trial,
                          const struct esp_transition *transition);

/* The same with the trigger alone. */
bool esp_trial_trigger(struct esp_core *core,
                       struct esp_trial *trial,
                       enum esp_trigger trigger);

/* Records the attempt's next directive and sends it, or leaves it to the Ack of the message
 * that is being handled. */
void esp_trial_direct(struct esp_core *core,
                      struct esp_trial *trial,
                      enum esp_directive_action action,
                      int64_t until,
                      bool keep);

/* Starts the wait that the trial's state allows, counted from now. */
void esp_trial_watch(struct esp_core *core, struct esp_trial *trial);
/* Sets the trial's timer to its due_ms. */
void esp_trial_set_timer(struct esp_core *core, struct esp_trial *trial);

/* Verdicts of the core itself: continue what was interrupted; pause (USER: hold). */
void esp_trial_restart(struct esp_core *core, struct esp_trial *trial);
void esp_trial_pause(struct esp_core *core, struct esp_trial *trial, enum esp_rule rule);

#endif
