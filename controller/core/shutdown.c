/* Ending a search and shutting down.
 *
 *   RUN ─┬─ INTERRUPT  every live trial is paused and saved ─────────────────┐
 *        ├─ BUDGET     the same; the study's state is budget                 ├─▶ CLOSING
 *        └─ END        running trials are pruned, waiting ones discarded ────┘      │
 *           (HELD: trials that the user paused are left; an INTERRUPT instead)      │
 *                                                                                   ▼
 *   CLOSING ends the processes, waits for their exits, and retires the agents.    DONE */
#include "shutdown.h"

#include "budget.h"
#include "effects.h"
#include "outcome.h"
#include "process.h"
#include "process_table.h"
#include "record.h"
#include "remedy.h"
#include "transition.h"
#include "trial.h"

#include <assert.h>
#include <espalier/exit.h>
#include <math.h>

/* How long the confirmations of SIGKILL are waited for after a second signal. */
#define TERMINATE_WAIT_MS 10000

void esp_record_ended(struct esp_core *core,
                      enum esp_study_state state,
                      enum esp_end_reason reason)
{
    assert(state != ESP_STUDY_INTERRUPTED); /* readers infer it; it is never recorded */
    struct esp_event event = esp_event_of(ESP_EVENT_ENDED);
    event.ended = (struct esp_event_ended){
        .state = state, .exit_code = esp_end_reason_exit(reason), .reason = reason};
    double score = state != ESP_STUDY_RUNNING ? esp_scheduler_score(core->scheduler) : NAN;
    if (isfinite(score)) {
        event.ended.scored = true;
        event.ended.scored_by = ESP_SCORED_SEEDS;
        event.ended.score = score;
    }
    if (state == ESP_STUDY_BUDGET) {
        event.ended.remedy = esp_find_tie_remedy(core);
    }
    esp_record(core, &event);
}

/* At the end of the search, the trial that has reached the target is complete. */
static bool reached_target(const struct esp_core *core, const struct esp_trial *t)
{
    struct esp_verdict end;
    return core->mode == ESP_MODE_END && esp_scheduler_target(core->scheduler, &end) &&
           end.trial == esp_trial_index(core, t);
}

bool esp_shutdown_trial(struct esp_core *core, struct esp_trial *t)
{
    bool shutting_down = core->mode == ESP_MODE_INTERRUPT || core->mode == ESP_MODE_BUDGET ||
                         core->mode == ESP_MODE_END;
    bool trains = t->state == ESP_TRIAL_RUNNING || t->state == ESP_TRIAL_PAUSING;
    if (trains && reached_target(core, t)) {
        esp_trial_trigger(core, t, ESP_TRIGGER_TARGET);
        return true;
    }
    if (!shutting_down || t->state != ESP_TRIAL_RUNNING) {
        return shutting_down;
    }
    if (core->mode == ESP_MODE_END) {
        struct esp_verdict verdict = {.action = ESP_VERDICT_PRUNE,
                                      .trial = esp_trial_index(core, t),
                                      .until = t->until,
                                      .reason = esp_reason_none(ESP_RULE_STUDY_END)};
        esp_record_verdict(core, &verdict);
        esp_trial_trigger(core, t, ESP_TRIGGER_PRUNE);
    } else {
        esp_trial_pause(
            core, t, core->mode == ESP_MODE_BUDGET ? ESP_RULE_BUDGET : ESP_RULE_INTERRUPT);
    }
    return true;
}

/* All running trials are saved or stopped. */
static void shut_down_trials(struct esp_core *core)
{
    for (uint32_t i = core->alive.first; i != ESP_NO_INDEX;
         i = esp_list_next(core, ESP_LIST_ALIVE, i)) {
        for (uint32_t k = core->processes[i].hosted.first; k != ESP_NO_INDEX;) {
            uint32_t next = esp_list_next(core, ESP_LIST_TRIALS, k);
            esp_shutdown_trial(core, &core->trials[k]);
            k = next;
        }
    }
}

void esp_interrupt(struct esp_core *core, enum esp_mode mode, int exit_code)
{
    if (core->mode != ESP_MODE_RUN && core->mode != ESP_MODE_LOADED) {
        return; /* already shutting down */
    }
    assert(mode == ESP_MODE_INTERRUPT || mode == ESP_MODE_BUDGET);
    bool loaded = core->mode == ESP_MODE_LOADED;
    core->mode = loaded ? ESP_MODE_CLOSING : mode;
    core->pending_exit_code = exit_code;
    shut_down_trials(core);
}

/* The reason of the end: the explanation of the trial that failed last. */
static void note_failure(struct esp_core *core)
{
    struct esp_event event = esp_event_of(ESP_EVENT_NOTE);
    event.note.text =
        core->last_failure[0]
            ? esp_outcome_text(core->outcome, core->last_failure, ESP_MESSAGE_TEXT_MAX)
            : "every trial has failed, and none has ever reported";
    esp_record(core, &event);
}

static bool any_is_held(const struct esp_core *core)
{
    for (uint32_t i = 0; i < core->trial_count; i++) {
        if (core->trials[i].state == ESP_TRIAL_PAUSED && core->trials[i].held) {
            return true;
        }
    }
    return false;
}

void esp_end_search(struct esp_core *core, const struct esp_verdict *verdict)
{
    if (core->mode != ESP_MODE_RUN) {
        return;
    }
    assert(verdict->action == ESP_VERDICT_END);
    bool fails = esp_all_trials_fail(core);
    bool target = verdict->reason.rule == ESP_RULE_TARGET;
    if (!fails && !target && any_is_held(core)) {
        if (esp_live_trials(core) == 0 && core->queue.count == 0) {
            core->end_reason = ESP_END_HELD;
            esp_interrupt(core, ESP_MODE_INTERRUPT, esp_end_reason_exit(ESP_END_HELD));
        }
        return;
    }
    core->mode = ESP_MODE_END;
    if (fails) {
        note_failure(core);
    }
    struct esp_verdict end = *verdict;
    if (end.reason.rule == ESP_RULE_STUDY_END && core->exhausted_trial == core->trial_count) {
        end.reason.rule = ESP_RULE_EXHAUSTED;
    }
    core->end_reason = target                                  ? ESP_END_TARGET
                       : end.reason.rule == ESP_RULE_EXHAUSTED ? ESP_END_EXHAUSTED
                                                               : ESP_END_NONE;
    esp_record_verdict(core, &end);
    shut_down_trials(core);
}

void esp_end_if_idle(struct esp_core *core, const struct esp_verdict *verdict)
{
    if (esp_live_trials(core) > 0 || core->queue.count > 0) {
        return;
    }
    struct esp_verdict end = *verdict;
    if (end.action != ESP_VERDICT_END) {
        end = (struct esp_verdict){.action = ESP_VERDICT_END,
                                   .trial = -1,
                                   .reason = esp_reason_none(ESP_RULE_STUDY_END)};
    }
    esp_end_search(core, &end);
}

static void end_processes(struct esp_core *core, bool now)
{
    for (uint32_t i = core->alive.first; i != ESP_NO_INDEX;
         i = esp_list_next(core, ESP_LIST_ALIVE, i)) {
        esp_process_kill(core, &core->processes[i], now);
    }
}

void esp_terminate(struct esp_core *core)
{
    if (core->mode == ESP_MODE_DONE) {
        return;
    }
    core->mode = ESP_MODE_CLOSING;
    core->pending_exit_code = ESP_EXIT_KILLED;
    core->kills_sent = true;
    core->shutdown_due_ms = core->now_ms + TERMINATE_WAIT_MS;
    end_processes(core, true);
}

/* A lost host cannot confirm exits; its processes have exited when their lease ended. */
static bool may_still_live(const struct esp_core *core, const struct esp_trial_process *p)
{
    const struct esp_agent *agent = esp_agent_find(core, p->agent);
    return p->class != ESP_PROCESS_LOST || (agent && agent->connected);
}

/* Ends the processes, and when all have ended, or have been waited for long enough, the core is
 * done. */
static void close(struct esp_core *core)
{
    const struct esp_core_options *o = &core->options;
    if (!core->kills_sent) {
        core->kills_sent = true;
        core->shutdown_due_ms = core->now_ms + o->quarantine_ms + o->lease_ms + o->margin_ms;
        end_processes(core, false);
    }
    if (core->now_ms < core->shutdown_due_ms) {
        for (uint32_t i = core->alive.first; i != ESP_NO_INDEX;
             i = esp_list_next(core, ESP_LIST_ALIVE, i)) {
            if (may_still_live(core, &core->processes[i])) {
                esp_timer_set_earlier(core, ESP_TIMER_CORE, 0, core->shutdown_due_ms);
                return;
            }
        }
    }
    for (uint32_t i = 0; i < core->agent_count; i++) {
        if (core->agents[i].connected) {
            struct esp_peer peer = {ESP_ROLE_AGENT, core->agents[i].id};
            esp_send_simple(core, peer, ESP_MESSAGE_RETIRE);
        }
    }
    core->mode = ESP_MODE_DONE;
    esp_send_finish(core, core->pending_exit_code);
}

/* Waiting trials are not continued any more. Trials that the user paused stay paused. */
static void discard_waiting(struct esp_core *core)
{
    for (uint32_t i = 0; i < core->trial_count; i++) {
        struct esp_trial *t = &core->trials[i];
        bool waits = t->state == ESP_TRIAL_QUEUED || t->state == ESP_TRIAL_PAUSED;
        if (waits && reached_target(core, t)) {
            esp_trial_trigger(core, t, ESP_TRIGGER_TARGET);
        } else if (waits && !(t->state == ESP_TRIAL_PAUSED && t->held)) {
            struct esp_verdict verdict = {.action = ESP_VERDICT_DISCARD,
                                          .trial = i,
                                          .reason = esp_reason_none(ESP_RULE_STUDY_END)};
            esp_record_verdict(core, &verdict);
            esp_trial_trigger(core, t, ESP_TRIGGER_DISCARD);
        }
    }
}

/* Why a search that has come to its end did so. */
static enum esp_end_reason reason_of_end(const struct esp_core *core)
{
    if (core->finite_trials == 0) {
        return ESP_END_NO_TRIAL;
    }
    if (core->end_reason != ESP_END_NONE) {
        return core->end_reason;
    }
    bool full = core->run_cap > 0 && core->trial_count >= core->run_cap;
    return full ? ESP_END_RUN_CAP : ESP_END_SETTLED;
}

/* Every trial is saved or stopped: the end is recorded. */
static void record_end(struct esp_core *core)
{
    if (core->mode == ESP_MODE_BUDGET) {
        esp_record_ended(core, ESP_STUDY_BUDGET, esp_budget_end_reason(core));
    } else if (core->mode == ESP_MODE_END) {
        enum esp_end_reason reason = reason_of_end(core);
        discard_waiting(core);
        core->pending_exit_code = esp_end_reason_exit(reason);
        esp_record_ended(core, ESP_STUDY_COMPLETE, reason);
    } else if (core->end_reason == ESP_END_HELD) {
        esp_record_ended(core, ESP_STUDY_RUNNING, ESP_END_HELD);
    }
}

void esp_shutdown_settle(struct esp_core *core)
{
    assert(core->mode != ESP_MODE_LOADED && core->mode != ESP_MODE_RUN);
    bool saving = core->mode == ESP_MODE_INTERRUPT || core->mode == ESP_MODE_BUDGET ||
                  core->mode == ESP_MODE_END;
    if (saving && esp_live_trials(core) == 0) {
        record_end(core);
        core->mode = ESP_MODE_CLOSING;
    }
    if (core->mode == ESP_MODE_CLOSING) {
        close(core);
    }
}
