/* Beginning and leaving.
 *
 *   RUN ─┬─ INTERRUPT  everything live is paused and saved ─────────────┐
 *        ├─ BUDGET     the same; the study's state is budget            ├─▶ DEPART ─▶ DONE
 *        └─ END        what runs is pruned, what waits is discarded ────┘
 *
 * DEPART ends the processes, waits for their exits, and sends agents home. */
#include "state.h"

#include <espalier/exit.h>
#include <espalier/plant.h>

/* After the second signal: SIGKILL is quick, and its confirmation is not waited for longer. */
#define TERMINATE_WAIT_MS 10000

static void end_study(struct esp_core *core, enum esp_study_state state, int exit_code)
{
    struct esp_event event = esp_event_of(ESP_EVENT_ENDED);
    event.ended = (struct esp_event_ended){.state = state, .exit_code = exit_code};
    double score = state != ESP_STUDY_RUNNING ? esp_scheduler_score(core->scheduler) : NAN;
    if (isfinite(score)) {
        event.ended.scored = true;
        event.ended.scored_by = ESP_SCORED_SEEDS;
        event.ended.score = score;
    }
    esp_record(core, &event);
}

static void change(struct esp_core *core, const char *name, double value)
{
    struct esp_event event = esp_event_of(ESP_EVENT_CHANGED);
    event.changed = (struct esp_event_changed){name, value};
    esp_record(core, &event);
}

/* A study that had ended has work again: a raised run_cap or budget, a trial continued. */
static bool goes_on(struct esp_core *core)
{
    if (core->state == ESP_STUDY_RUNNING || core->queue.count > 0) {
        return true;
    }
    if (esp_budget_spent(core) || esp_budget_committed(core)) {
        return false;
    }
    struct esp_verdict verdict = esp_ask_slot(core);
    double values[ESP_PARAMS_MAX];
    struct esp_reason reason;
    return verdict.action == ESP_VERDICT_CONTINUE || verdict.action == ESP_VERDICT_REPEAT ||
           (verdict.action == ESP_VERDICT_START && esp_propose(core, values, &reason));
}

/* Processes of an earlier incarnation have a lease to say Hello. */
static void await_processes(struct esp_core *core)
{
    for (uint32_t i = core->alive.first; i != ESP_NOWHERE;
         i = esp_list_next(core, ESP_LIST_ALIVE, i)) {
        struct esp_trial_process *p = &core->processes[i];
        esp_process_classify(core, p, ESP_PROCESS_UP);
        p->heard = core->now;
        esp_process_watch(core, p);
        for (uint32_t k = p->hosted.first;
             k != ESP_NOWHERE && ESP_PLANT("forgets-directive-on-resume");
             k = esp_list_next(core, ESP_LIST_TRIALS, k)) {
            core->trials[k].directive = (struct esp_directive){.until = core->trials[k].until};
        }
    }
}

static bool interrupted(const struct esp_trial *t)
{
    bool ours = t->pause_rule == ESP_RULE_INTERRUPT || t->pause_rule == ESP_RULE_BUDGET ||
                t->pause_rule == ESP_RULE_RESTART;
    /* At its `until` the scheduler has the next word. */
    return t->state == ESP_TRIAL_PAUSED && !t->held && ours && t->tokens < t->until;
}

void esp_begin(struct esp_core *core, const char *version)
{
    struct esp_event event = esp_event_of(ESP_EVENT_OPENED);
    event.opened = (struct esp_event_opened){core->incarnation + 1, version};
    esp_record(core, &event);
    if (core->options.workers > 0 && core->options.workers != core->workers) {
        change(core, "workers", (double)core->options.workers);
    }
    await_processes(core);
    if (!goes_on(core)) {
        core->mode = ESP_MODE_DEPART;
        core->leave_code = core->exit_code;
        return;
    }
    if (core->state != ESP_STUDY_RUNNING) {
        end_study(core, ESP_STUDY_RUNNING, 0);
    }
    core->mode = ESP_MODE_RUN;
    for (uint32_t i = 0; i < core->trial_count && !esp_budget_spent(core); i++) {
        if (interrupted(&core->trials[i])) {
            esp_trial_restart(core, &core->trials[i]);
        }
    }
}

bool esp_leave_trial(struct esp_core *core, struct esp_trial *t)
{
    bool leaving = core->mode == ESP_MODE_INTERRUPT || core->mode == ESP_MODE_BUDGET ||
                   core->mode == ESP_MODE_END;
    if (!leaving || t->state != ESP_TRIAL_RUNNING) {
        return leaving;
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

static void leave_all(struct esp_core *core)
{
    for (uint32_t i = core->alive.first; i != ESP_NOWHERE;
         i = esp_list_next(core, ESP_LIST_ALIVE, i)) {
        for (uint32_t k = core->processes[i].hosted.first; k != ESP_NOWHERE;) {
            uint32_t next = esp_list_next(core, ESP_LIST_TRIALS, k);
            esp_leave_trial(core, &core->trials[k]);
            k = next;
        }
    }
}

void esp_interrupt(struct esp_core *core, enum esp_mode mode, int exit_code)
{
    if (core->mode != ESP_MODE_RUN && core->mode != ESP_MODE_LOADED) {
        return; /* it is leaving already */
    }
    bool loaded = core->mode == ESP_MODE_LOADED;
    core->mode = loaded ? ESP_MODE_DEPART : mode;
    core->leave_code = exit_code;
    leave_all(core);
}

/* Why the search is over: the words of the trial that failed last. */
static void note_failure(struct esp_core *core)
{
    struct esp_event event = esp_event_of(ESP_EVENT_NOTE);
    event.note.text =
        core->complaint[0]
            ? esp_outcome_text(core->outcome, core->complaint, ESP_MESSAGE_TEXT_MAX)
            : "every trial has failed, and none has ever reported";
    esp_record(core, &event);
}

void esp_end(struct esp_core *core, const struct esp_verdict *verdict)
{
    if (core->mode != ESP_MODE_RUN) {
        return;
    }
    core->mode = ESP_MODE_END;
    if (esp_all_fail(core)) {
        note_failure(core);
    }
    esp_record_verdict(core, verdict);
    leave_all(core);
}

static void end_processes(struct esp_core *core, bool now)
{
    for (uint32_t i = core->alive.first; i != ESP_NOWHERE;
         i = esp_list_next(core, ESP_LIST_ALIVE, i)) {
        esp_process_kill(core, &core->processes[i], now);
    }
}

void esp_terminate(struct esp_core *core)
{
    if (core->mode == ESP_MODE_DONE) {
        return;
    }
    core->mode = ESP_MODE_DEPART;
    core->leave_code = ESP_EXIT_KILLED;
    core->kills_sent = true;
    core->leave_due = core->now + TERMINATE_WAIT_MS;
    end_processes(core, true);
}

/* A host that is lost cannot confirm anything; its processes have left with their lease. */
static bool may_still_live(const struct esp_core *core, const struct esp_trial_process *p)
{
    const struct esp_agent *agent = esp_agent_find(core, p->agent);
    return p->class != ESP_PROCESS_LOST || (agent && agent->connected);
}

static void depart(struct esp_core *core)
{
    const struct esp_core_options *o = &core->options;
    if (!core->kills_sent) {
        core->kills_sent = true;
        core->leave_due = core->now + o->quarantine_ms + o->lease_ms + o->margin_ms;
        end_processes(core, false);
    }
    if (core->now < core->leave_due) {
        for (uint32_t i = core->alive.first; i != ESP_NOWHERE;
             i = esp_list_next(core, ESP_LIST_ALIVE, i)) {
            if (may_still_live(core, &core->processes[i])) {
                esp_timer_sooner(core, ESP_TIMER_CORE, 0, core->leave_due);
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
    struct esp_effect finish = {.kind = ESP_EFFECT_FINISH, .exit_code = core->leave_code};
    int rc = esp_outcome_effect(core->outcome, &finish);
    if (rc) {
        core->failure = rc;
    }
}

/* What waits will not be continued; what the user holds stays the user's. */
static void discard_waiting(struct esp_core *core)
{
    for (uint32_t i = 0; i < core->trial_count; i++) {
        struct esp_trial *t = &core->trials[i];
        if (t->state == ESP_TRIAL_QUEUED || (t->state == ESP_TRIAL_PAUSED && !t->held)) {
            struct esp_verdict verdict = {.action = ESP_VERDICT_DISCARD,
                                          .trial = i,
                                          .reason = esp_reason_none(ESP_RULE_STUDY_END)};
            esp_record_verdict(core, &verdict);
            esp_trial_trigger(core, t, ESP_TRIGGER_DISCARD);
        }
    }
}

void esp_leave_settle(struct esp_core *core)
{
    bool saving = core->mode == ESP_MODE_INTERRUPT || core->mode == ESP_MODE_BUDGET ||
                  core->mode == ESP_MODE_END;
    if (saving && esp_core_live(core) == 0) {
        if (core->mode == ESP_MODE_BUDGET) {
            end_study(core, ESP_STUDY_BUDGET, ESP_EXIT_BUDGET);
        } else if (core->mode == ESP_MODE_END) {
            discard_waiting(core);
            core->leave_code = core->finite_trials > 0 ? ESP_EXIT_DONE : ESP_EXIT_NO_TRIAL;
            end_study(core, ESP_STUDY_COMPLETE, core->leave_code);
        }
        core->mode = ESP_MODE_DEPART;
    }
    if (core->mode == ESP_MODE_DEPART) {
        depart(core);
    }
}
