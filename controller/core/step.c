/* Handles one input, expires deadlines at a TICK, then settles the consequences: free slots get
 * the trial that has waited longest or the one that the scheduler names, and the search ends
 * when nothing is left to do. */
#include "ask.h"
#include "budget.h"
#include "create.h"
#include "deadlines.h"
#include "message.h"
#include "process_table.h"
#include "record.h"
#include "shutdown.h"
#include "spawn.h"
#include "startup.h"
#include "transition.h"
#include "trial.h"

#include <assert.h>
#include <espalier/exit.h>

/* Trials at the head of the queue that are tried on the free places; beyond them a trial of
 * another group waits for its turn. */
#define QUEUE_LOOKAHEAD 64
/* Discards that are followed per input; the rest comes with the next. */
#define DISCARDS_PER_STEP 64

static void grant(struct esp_core *core, struct esp_trial *t, struct esp_trial_process *p)
{
    struct esp_transition transition = {.trigger = ESP_TRIGGER_GRANT, .process = p->key};
    bool granted = esp_trial_transition(core, t, &transition);
    assert(granted && (core->failure || t->process == p->key));
}

/* Grants one free place; false: no queued trial fits one. */
static bool grant_queued(struct esp_core *core)
{
    uint32_t looked = 0;
    for (uint32_t i = core->queue.first; i != ESP_NO_INDEX && looked < QUEUE_LOOKAHEAD;
         i = esp_list_next(core, ESP_LIST_TRIALS, i), looked++) {
        for (uint32_t k = core->available.first; k != ESP_NO_INDEX;
             k = esp_list_next(core, ESP_LIST_AVAILABLE, k)) {
            if (esp_process_fits(core, &core->processes[k], &core->trials[i])) {
                grant(core, &core->trials[i], &core->processes[k]);
                return true;
            }
        }
        if (core->trials[i].isolated) {
            break; /* later trials wait until a process is free for this one */
        }
    }
    return false;
}

/* Follows the scheduler's verdict on a free slot. True: something has changed, and the
 * scheduler can be asked again. */
static bool follow_slot(struct esp_core *core, struct esp_verdict *verdict)
{
    switch (verdict->action) {
    case ESP_VERDICT_START: {
        if (!esp_may_create(core, esp_budget_committed(core))) {
            return false;
        }
        double values[ESP_PARAMS_MAX];
        struct esp_reason reason = esp_reason_none(ESP_RULE_NEW);
        if (esp_propose(core, values, &reason)) {
            esp_create_trial(core, values, &reason, verdict);
        }
        return true;
    }
    case ESP_VERDICT_REPEAT:
        if (!esp_may_repeat(core) || verdict->trial < 0 ||
            verdict->trial >= core->trial_count ||
            core->trials[verdict->trial].repeats != ESP_NO_INDEX) {
            return false;
        }
        esp_repeat_trial(core, verdict);
        return true;
    case ESP_VERDICT_CONTINUE: {
        if (verdict->trial < 0 || verdict->trial >= core->trial_count) {
            return false;
        }
        struct esp_trial *t = &core->trials[verdict->trial];
        bool waits = t->state == ESP_TRIAL_PAUSED && !t->held;
        bool starts_afresh = t->state == ESP_TRIAL_PRUNED && t->discarded_at_risk;
        if (!waits && !starts_afresh) {
            return false;
        }
        if (verdict->until > t->horizon) {
            verdict->until = t->horizon;
        }
        esp_record_verdict(core, verdict);
        return esp_trial_trigger(core, t, ESP_TRIGGER_CONTINUE);
    }
    case ESP_VERDICT_END:
        esp_end_search(core, verdict);
        return false;
    default:
        esp_end_if_idle(core, verdict);
        return false;
    }
}

/* Free places get queued trials, then what the scheduler names. */
static void fill_places(struct esp_core *core)
{
    esp_end_surplus(core);
    if (esp_processes_surplus(core) > 0) {
        return;
    }
    while (core->mode == ESP_MODE_RUN && core->available.count > 0 && core->failure == 0) {
        if (esp_budget_committed(core)) {
            return;
        }
        if (core->queue.count > 0) {
            if (!grant_queued(core)) {
                return;
            }
            continue;
        }
        if (core->idle_seq == core->seq) {
            return;
        }
        struct esp_verdict verdict = esp_ask_slot(core);
        if (!follow_slot(core, &verdict)) {
            core->idle_seq = core->seq;
            return;
        }
    }
}

/* Gives up paused trials that the scheduler names. */
static void discard(struct esp_core *core)
{
    for (int i = 0; i < DISCARDS_PER_STEP && core->no_discard_seq != core->seq; i++) {
        struct esp_verdict verdict = esp_scheduler_discard(core->scheduler);
        struct esp_trial *t = NULL;
        if (verdict.trial >= 0 && verdict.trial < core->trial_count) {
            t = &core->trials[verdict.trial];
        }
        bool decided =
            verdict.action == ESP_VERDICT_DISCARD || verdict.action == ESP_VERDICT_SPARE;
        if (!decided || !t || t->state != ESP_TRIAL_PAUSED || t->held) {
            core->no_discard_seq = core->seq;
            return;
        }
        esp_record_verdict(core, &verdict);
        if (verdict.action == ESP_VERDICT_DISCARD) {
            esp_trial_trigger(core, t, ESP_TRIGGER_DISCARD);
        }
    }
}

static void search(struct esp_core *core)
{
    if (core->store_full) {
        return;
    }
    if (esp_budget_spent(core) || (esp_live_trials(core) == 0 && esp_budget_committed(core))) {
        esp_interrupt(core, ESP_MODE_BUDGET, ESP_EXIT_BUDGET);
        return;
    }
    discard(core);
    if (core->now_ms < core->disk_due_ms) {
        esp_timer_set_earlier(core, ESP_TIMER_CORE, 0, core->disk_due_ms);
        return;
    }
    fill_places(core);
    if (core->mode == ESP_MODE_RUN) {
        esp_spawn_needed(core);
    }
}

static void settle(struct esp_core *core)
{
    if (core->mode == ESP_MODE_RUN) {
        search(core);
    }
    if (core->mode != ESP_MODE_RUN && core->mode != ESP_MODE_LOADED) {
        esp_shutdown_settle(core);
    }
}

/* Recorded once: later changes of the studies that the scores came from have no effect. */
static void calibrate(struct esp_core *core, const struct esp_input *input)
{
    if (core->mode != ESP_MODE_LOADED || core->incarnation > 0 || core->calibrated) {
        return;
    }
    struct esp_event event = esp_event_of(ESP_EVENT_CALIBRATED);
    event.calibrated = (struct esp_event_calibrated){
        .examined_count = input->examined_count,
        .scores = {input->scores,
                   input->score_count < ESP_CALIBRATION_MAX ? input->score_count
                                                            : ESP_CALIBRATION_MAX}};
    esp_record(core, &event);
}

static void handle_input(struct esp_core *core, const struct esp_input *input)
{
    switch (input->kind) {
    case ESP_INPUT_START:
        if (core->mode == ESP_MODE_LOADED) {
            esp_startup(core, input->text);
        }
        break;
    case ESP_INPUT_TICK:
        break;
    case ESP_INPUT_MESSAGE:
        esp_message_take(core, input->peer, input->message);
        break;
    case ESP_INPUT_MALFORMED:
        if (core->mode != ESP_MODE_LOADED && core->mode != ESP_MODE_DONE) {
            esp_record_protocol(core, input->peer, -1, 0, 0, input->text);
        }
        break;
    case ESP_INPUT_GONE:
        esp_peer_disconnected(core, input->peer);
        break;
    case ESP_INPUT_INTERRUPT:
        esp_interrupt(core, ESP_MODE_INTERRUPT, ESP_EXIT_PAUSED);
        break;
    case ESP_INPUT_TERMINATE:
        esp_terminate(core);
        break;
    case ESP_INPUT_STORE_FULL:
        core->store_full = true;
        break;
    case ESP_INPUT_STORE_ROOM:
        core->store_full = false;
        break;
    case ESP_INPUT_CALIBRATION:
        calibrate(core, input);
        break;
    }
}

/* What holds between steps. */
static void check_invariants(const struct esp_core *core)
{
    uint32_t trials = 0, processes = 0;
    for (int i = 0; i < ESP_TRIAL_STATE_COUNT; i++) {
        trials += core->by_state[i];
    }
    for (int i = 0; i < ESP_PROCESS_CLASS_COUNT; i++) {
        processes += core->class_count[i];
    }
    assert(trials == core->trial_count && processes == core->process_count);
    assert(core->by_state[ESP_TRIAL_QUEUED] == core->queue.count);
    assert(core->alive.count == processes - core->class_count[ESP_PROCESS_EXITED]);
    assert(core->available.count <= core->alive.count);
    assert(core->answering_trial == ESP_NO_INDEX);
}

int esp_core_step(struct esp_core *core,
                  const struct esp_input *input,
                  int64_t now_ms,
                  struct esp_outcome *outcome)
{
    assert(!core->outcome && core->answering_trial == ESP_NO_INDEX);
    core->now_ms = now_ms;
    core->time_ms = input->time_ms;
    core->outcome = outcome;
    handle_input(core, input);
    if (core->mode != ESP_MODE_LOADED && input->kind == ESP_INPUT_TICK) {
        esp_deadlines_expire(core);
    }
    settle(core);
    check_invariants(core);
    core->outcome = NULL;
    return core->failure;
}
