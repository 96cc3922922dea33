/* After every input: slots that are free get the trial that waits longest, or what the
 * scheduler names; and when nothing is left to do the search is over. */
#include "state.h"

#include <assert.h>
#include <espalier/exit.h>

/* Trials at the head of the queue that are tried on the free places; beyond them a trial of
 * another group waits for its turn. */
#define QUEUE_LOOKAHEAD 64
/* Discards taken up per input: the rest comes with the next. */
#define DISCARDS_PER_STEP 64
/* The largest seed that a setting holds exactly (espalier/trainer.h). */
#define SEED_MASK ((INT64_C(1) << 53) - 1)

bool esp_all_fail(const struct esp_core *core)
{
    return !core->reported && core->failed >= ESP_FAILED_FIRST_MAX;
}

static bool may_create(const struct esp_core *core, bool committed)
{
    return (core->run_cap <= 0 || core->trial_count < core->run_cap) &&
           core->trial_count < ESP_TRIALS_MAX && core->exhausted_at != core->trial_count &&
           !committed && !esp_all_fail(core);
}

/* One more training to the horizon, whose seed alone is new. That the budget pays all of it is
 * tested where the setting is chosen (stop/scheduler.c). */
static bool may_repeat(const struct esp_core *core)
{
    return core->study->abilities.deterministic &&
           (core->run_cap <= 0 || core->trial_count < core->run_cap) &&
           core->trial_count < ESP_TRIALS_MAX && !esp_all_fail(core);
}

static void
refit(struct esp_core *core, enum esp_fitted which, const double *numbers, int count)
{
    struct esp_event event = esp_event_of(ESP_EVENT_FIT);
    event.fit = (struct esp_event_fit){which, {numbers, (uint32_t)count}};
    esp_record(core, &event);
}

struct esp_slot_view esp_slot_view(const struct esp_core *core, int device)
{
    struct esp_trainings budget = esp_budget_trainings(core);
    bool committed = budget.tokens <= 0 || budget.seconds <= 0;
    return (struct esp_slot_view){.may_create = may_create(core, committed),
                                  .next_trial = core->trial_count,
                                  .live = esp_core_live(core) + core->queue.count,
                                  .device = device,
                                  .may_repeat = may_repeat(core),
                                  .run_cap = core->run_cap > 0 ? core->run_cap : 0,
                                  .budget = budget};
}

struct esp_verdict esp_ask_slot(struct esp_core *core)
{
    double numbers[ESP_FIT_NUMBERS_MAX];
    int count = esp_scheduler_refit(core->scheduler, numbers, ESP_FIT_NUMBERS_MAX);
    if (count > 0) {
        refit(core, ESP_FITTED_SCHEDULER, numbers, count);
    }
    struct esp_slot_view view = esp_slot_view(core, esp_device_next(core));
    return esp_scheduler_slot(core->scheduler, &view);
}

bool esp_propose(struct esp_core *core, double *values, struct esp_reason *reason)
{
    double numbers[ESP_FIT_NUMBERS_MAX];
    int count = esp_sampler_refit(core->sampler, numbers, ESP_FIT_NUMBERS_MAX);
    if (count > 0) {
        refit(core, ESP_FITTED_SAMPLER, numbers, count);
    }
    if (esp_sampler_propose(core->sampler, core->trial_count, values, reason) != 0) {
        core->exhausted_at = core->trial_count;
        return false;
    }
    return true;
}

/* Common random numbers: every trial starts from the same seed unless seeds are searched. */
static int64_t seed_of(const struct esp_core *core, const struct esp_trainer *settings)
{
    return core->study->abilities.settings_known ? settings->seed
                                                 : (int64_t)(core->study->seed & INT64_MAX);
}

/* The k-th repeat of a setting has its first seed + k: again the same for every setting. Seeds
 * stay among those that a setting can hold. */
static int64_t next_seed(const struct esp_core *core, uint32_t of)
{
    int64_t further = 1;
    for (uint32_t i = of + 1; i < core->trial_count; i++) {
        further += core->trials[i].repeats == of;
    }
    return ((int64_t)core->trials[of].seed + further) & SEED_MASK;
}

/* The event, and where the trial is sent first. */
static void create(struct esp_core *core, struct esp_event *event, struct esp_verdict *start)
{
    esp_record(core, event);
    start->action = ESP_VERDICT_START;
    start->trial = event->trial;
    if (start->until <= 0 || start->until > event->created.horizon) {
        start->until = event->created.horizon;
    }
    esp_record_verdict(core, start);
}

void esp_repeat_trial(struct esp_core *core, const struct esp_verdict *verdict)
{
    uint32_t of = (uint32_t)verdict->trial;
    double values[ESP_PARAMS_MAX];
    uint32_t params = (uint32_t)core->study->param_count;
    for (uint32_t i = 0; i < params; i++) { /* the array moves as it grows */
        values[i] = core->values[of * (size_t)params + i];
    }
    struct esp_event event = esp_event_of(ESP_EVENT_CREATED);
    event.trial = core->trial_count;
    event.created = (struct esp_event_created){.horizon = core->trials[of].horizon,
                                               .seed = next_seed(core, of),
                                               .repeats = of,
                                               .values = {values, params},
                                               .reason = esp_reason_none(verdict->reason.rule)};
    struct esp_verdict start = *verdict;
    create(core, &event, &start);
}

void esp_create_trial(struct esp_core *core,
                      const double *values,
                      const struct esp_reason *reason,
                      struct esp_verdict *start)
{
    struct esp_trainer settings;
    int64_t horizon = INT64_MAX;
    esp_trial_settings(core, values, &settings);
    if (core->study->abilities.settings_known) {
        /* Settings that make no step are the trial process's to refuse. */
        int64_t tokens = esp_trainer_horizon_tokens(&settings);
        horizon = tokens > 0 ? tokens : 1;
    }
    struct esp_event event = esp_event_of(ESP_EVENT_CREATED);
    event.trial = core->trial_count;
    event.created =
        (struct esp_event_created){.horizon = horizon,
                                   .seed = seed_of(core, &settings),
                                   .repeats = -1,
                                   .values = {values, (uint32_t)core->study->param_count},
                                   .reason = *reason};
    create(core, &event, start);
}

static void grant(struct esp_core *core, struct esp_trial *t, struct esp_trial_process *p)
{
    struct esp_move move = {.trigger = ESP_TRIGGER_GRANT, .process = p->key};
    bool moved = esp_trial_move(core, t, &move);
    assert(moved);
}

static bool grant_queued(struct esp_core *core)
{
    uint32_t looked = 0;
    for (uint32_t i = core->queue.first; i != ESP_NOWHERE && looked < QUEUE_LOOKAHEAD;
         i = esp_list_next(core, ESP_LIST_TRIALS, i), looked++) {
        for (uint32_t k = core->open.first; k != ESP_NOWHERE;
             k = esp_list_next(core, ESP_LIST_OPEN, k)) {
            if (esp_process_fits(core, &core->processes[k], &core->trials[i])) {
                grant(core, &core->trials[i], &core->processes[k]);
                return true;
            }
        }
        if (core->trials[i].alone) {
            break; /* places drain until one is empty for it */
        }
    }
    return false;
}

void esp_nothing_left(struct esp_core *core, const struct esp_verdict *verdict)
{
    if (esp_core_live(core) > 0 || core->queue.count > 0) {
        return;
    }
    struct esp_verdict end = *verdict;
    if (end.action != ESP_VERDICT_END) {
        end = (struct esp_verdict){.action = ESP_VERDICT_END,
                                   .trial = -1,
                                   .reason = esp_reason_none(ESP_RULE_STUDY_END)};
    }
    esp_end(core, &end);
}

/* Whether the verdict changed anything, so that it pays to ask again. */
static bool follow_slot(struct esp_core *core, struct esp_verdict *verdict)
{
    switch (verdict->action) {
    case ESP_VERDICT_START: {
        if (!may_create(core, esp_budget_committed(core))) {
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
        if (!may_repeat(core) || verdict->trial < 0 || verdict->trial >= core->trial_count ||
            core->trials[verdict->trial].repeats != ESP_NOWHERE) {
            return false;
        }
        esp_repeat_trial(core, verdict);
        return true;
    case ESP_VERDICT_CONTINUE: {
        if (verdict->trial < 0 || verdict->trial >= core->trial_count) {
            return false;
        }
        struct esp_trial *t = &core->trials[verdict->trial];
        /* What was given up begins anew. */
        bool waits = t->state == ESP_TRIAL_PAUSED && !t->held;
        if (!waits && !(t->state == ESP_TRIAL_PRUNED && t->given_up)) {
            return false;
        }
        if (verdict->until > t->horizon) {
            verdict->until = t->horizon;
        }
        esp_record_verdict(core, verdict);
        return esp_trial_trigger(core, t, ESP_TRIGGER_CONTINUE);
    }
    case ESP_VERDICT_END:
        esp_end(core, verdict);
        return false;
    default:
        esp_nothing_left(core, verdict);
        return false;
    }
}

static void fill_places(struct esp_core *core)
{
    esp_end_surplus(core);
    if (esp_processes_surplus(core) > 0) {
        return;
    }
    while (core->mode == ESP_MODE_RUN && core->open.count > 0 && core->failure == 0) {
        if (esp_budget_committed(core)) {
            return;
        }
        if (core->queue.count > 0) {
            if (!grant_queued(core)) {
                return;
            }
            continue;
        }
        if (core->idle_at == core->seq) {
            return;
        }
        struct esp_verdict verdict = esp_ask_slot(core);
        if (!follow_slot(core, &verdict)) {
            core->idle_at = core->seq;
            return;
        }
    }
}

static void discard(struct esp_core *core)
{
    for (int i = 0; i < DISCARDS_PER_STEP && core->kept_at != core->seq; i++) {
        struct esp_verdict verdict = esp_scheduler_discard(core->scheduler);
        struct esp_trial *t = NULL;
        if (verdict.trial >= 0 && verdict.trial < core->trial_count) {
            t = &core->trials[verdict.trial];
        }
        bool ours =
            verdict.action == ESP_VERDICT_DISCARD || verdict.action == ESP_VERDICT_SPARE;
        if (!ours || !t || t->state != ESP_TRIAL_PAUSED || t->held) {
            core->kept_at = core->seq;
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
    if (esp_budget_spent(core) || (esp_core_live(core) == 0 && esp_budget_committed(core))) {
        esp_interrupt(core, ESP_MODE_BUDGET, ESP_EXIT_BUDGET);
        return;
    }
    discard(core);
    if (core->now < core->disk_due) {
        esp_timer_sooner(core, ESP_TIMER_CORE, 0, core->disk_due);
        return;
    }
    fill_places(core);
    if (core->mode == ESP_MODE_RUN) {
        esp_plan_processes(core);
    }
}

void esp_settle(struct esp_core *core)
{
    if (core->mode == ESP_MODE_RUN) {
        search(core);
    }
    if (core->mode != ESP_MODE_RUN && core->mode != ESP_MODE_LOADED) {
        esp_leave_settle(core);
    }
}
