#include "run.h"

#include "search/sampler.h"
#include "stop/scheduler.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum standing {
    STANDING_LIVE,
    STANDING_PAUSED,
    STANDING_COMPLETE,
    STANDING_GONE, /* pruned or diverged */
};

struct trial {
    uint32_t row;
    uint32_t next; /* index of its next point in the table */
    int64_t tokens, until;
    int64_t clock; /* workers train at the same pace: tokens since the search began */
    double last;
    enum standing standing;
};

struct run {
    const struct esp_table *table;
    const struct esp_study *study;
    struct esp_sampler *sampler;
    struct esp_scheduler *scheduler;
    struct esp_replay_result *result;
    struct trial *trials; /* at most one per row of the table */
    uint32_t count, live, workers;
    uint32_t *running; /* trials that are live: `live` numbers */
    bool *taken;
    bool exhausted, ended;
    int64_t spent, budget, now;
    int64_t best_complete, best_partial; /* trials; -1: none */
};

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

static void timed(struct run *run, double since)
{
    struct esp_replay_result *r = run->result;
    if (r->decisions == r->decision_capacity) {
        r->decision_capacity = r->decision_capacity ? r->decision_capacity * 2 : 256;
        r->decision_us = realloc(r->decision_us, r->decision_capacity * sizeof *r->decision_us);
        assert(r->decision_us);
    }
    r->decision_us[r->decisions++] = now_us() - since;
}

static void refit(struct run *run)
{
    double numbers[ESP_FIT_NUMBERS_MAX];
    int count = esp_sampler_refit(run->sampler, numbers, ESP_FIT_NUMBERS_MAX);
    if (count > 0) {
        esp_sampler_fitted(run->sampler, numbers, count);
    }
    count = esp_scheduler_refit(run->scheduler, numbers, ESP_FIT_NUMBERS_MAX);
    if (count > 0) {
        esp_scheduler_fitted(run->scheduler, numbers, count);
    }
}

/* As `best` ranks: trials at their horizon by the value there; before any, by the last value.
 */
static void score(struct run *run, uint32_t trial)
{
    const struct trial *t = &run->trials[trial];
    if (t->standing == STANDING_COMPLETE && isfinite(t->last) &&
        (run->best_complete < 0 || t->last < run->trials[run->best_complete].last)) {
        run->best_complete = trial;
    }
    if (run->best_complete < 0) {
        run->best_partial = -1;
        for (uint32_t i = 0; i < run->count; i++) {
            if (run->trials[i].tokens > 0 && isfinite(run->trials[i].last) &&
                (run->best_partial < 0 ||
                 run->trials[i].last < run->trials[run->best_partial].last)) {
                run->best_partial = i;
            }
        }
    }
    int64_t best = run->best_complete >= 0 ? run->best_complete : run->best_partial;
    uint32_t row = best >= 0 ? run->trials[best].row : t->row;
    struct esp_replay_result *r = run->result;
    if (r->trace_count == r->trace_capacity) {
        r->trace_capacity = r->trace_capacity ? r->trace_capacity * 2 : 256;
        r->trace = realloc(r->trace, r->trace_capacity * sizeof *r->trace);
        assert(r->trace);
    }
    r->trace[r->trace_count++] = (struct esp_replay_step){
        .spent = run->spent, .row = row, .returned = esp_table_final(run->table, row)};
}

static void stop_running(struct run *run, uint32_t trial)
{
    for (uint32_t i = 0; i < run->live; i++) {
        if (run->running[i] == trial) {
            run->running[i] = run->running[--run->live];
            return;
        }
    }
}

static void leave(struct run *run,
                  uint32_t trial,
                  enum standing standing,
                  enum esp_trial_end end,
                  enum esp_cause cause)
{
    struct trial *t = &run->trials[trial];
    stop_running(run, trial);
    t->standing = standing;
    esp_sampler_ended(run->sampler, trial, end);
    esp_scheduler_ended(run->scheduler, trial, cause);
    run->result->complete += standing == STANDING_COMPLETE;
    if (standing == STANDING_GONE) {
        run->result->diverged += cause == ESP_CAUSE_DIVERGED;
        run->result->pruned += cause != ESP_CAUSE_DIVERGED;
        run->result->best_killed |= t->row == run->table->best;
    }
}

static void go(struct run *run, uint32_t trial, int64_t until)
{
    struct trial *t = &run->trials[trial];
    t->standing = STANDING_LIVE;
    t->until = until;
    t->clock = run->now;
    run->running[run->live++] = trial;
}

/* A new trial for the scheduler's START; false when the sampler has no more to propose. */
static bool start(struct run *run, const struct esp_verdict *verdict)
{
    double values[ESP_PARAMS_MAX];
    struct esp_reason reason;
    int rc = esp_sampler_propose(run->sampler, run->count, values, &reason);
    if (rc == ESP_SAMPLER_EXHAUSTED) {
        run->exhausted = true;
        return false;
    }
    assert(rc == 0);
    int64_t row = esp_table_nearest(run->table, values, run->taken);
    assert(row >= 0);
    uint32_t trial = run->count++;
    const double *drawn = &run->table->drawn[(size_t)row * (size_t)run->table->param_count];
    run->taken[row] = true;
    run->trials[trial] =
        (struct trial){.row = (uint32_t)row, .next = run->table->first[row], .last = NAN};
    esp_sampler_created(run->sampler, trial, drawn);
    esp_scheduler_decided(run->scheduler, verdict);
    int64_t horizon = run->table->points[run->table->first[row + 1] - 1].tokens;
    esp_scheduler_created(run->scheduler, trial, horizon, drawn);
    go(run, trial, verdict->until);
    return true;
}

/* Asks for every free slot until it has nothing. */
static void fill_slots(struct run *run)
{
    while (!run->ended && run->live < run->workers) {
        struct esp_slot_view view = {
            .may_create = !run->exhausted && run->count < run->table->trial_count,
            .next_trial = run->count,
            .live = run->live,
        };
        double since = now_us();
        struct esp_verdict verdict = esp_scheduler_slot(run->scheduler, &view);
        if (verdict.action == ESP_VERDICT_START) {
            start(run, &verdict);
            timed(run, since);
            continue;
        }
        timed(run, since);
        if (verdict.action == ESP_VERDICT_NONE) {
            run->ended = run->live == 0;
            return;
        }
        esp_scheduler_decided(run->scheduler, &verdict);
        if (verdict.action == ESP_VERDICT_END) {
            run->ended = true;
            return;
        }
        assert(verdict.action == ESP_VERDICT_CONTINUE);
        go(run, (uint32_t)verdict.trial, verdict.until);
    }
}

static void discard(struct run *run)
{
    for (;;) {
        struct esp_verdict verdict = esp_scheduler_discard(run->scheduler);
        if (verdict.action != ESP_VERDICT_DISCARD) {
            return;
        }
        esp_scheduler_decided(run->scheduler, &verdict);
        leave(run, (uint32_t)verdict.trial, STANDING_GONE, ESP_END_PRUNED, ESP_CAUSE_PRUNED);
    }
}

static void obey(struct run *run, uint32_t trial, const struct esp_verdict *verdict)
{
    struct trial *t = &run->trials[trial];
    switch (verdict->action) {
    case ESP_VERDICT_CONTINUE:
        t->until = verdict->until;
        break;
    case ESP_VERDICT_PAUSE:
        stop_running(run, trial);
        t->standing = STANDING_PAUSED;
        esp_scheduler_paused(run->scheduler, trial, false);
        break;
    case ESP_VERDICT_PRUNE:
        leave(run, trial, STANDING_GONE, ESP_END_PRUNED, ESP_CAUSE_PRUNED);
        break;
    case ESP_VERDICT_END:
        run->ended = true;
        break;
    default:
        break;
    }
}

/* One recorded point of the trial that reaches its next one first. */
static void advance(struct run *run)
{
    uint32_t trial = run->running[0];
    int64_t soonest = INT64_MAX;
    for (uint32_t i = 0; i < run->live; i++) {
        const struct trial *t = &run->trials[run->running[i]];
        int64_t at = t->clock + run->table->points[t->next].tokens - t->tokens;
        if (at < soonest || (at == soonest && run->running[i] < trial)) {
            soonest = at;
            trial = run->running[i];
        }
    }
    struct trial *t = &run->trials[trial];
    const struct esp_table_point *point = &run->table->points[t->next];
    int64_t cost = point->tokens - t->tokens;
    if (run->spent + cost > run->budget) {
        run->ended = true;
        return;
    }
    run->spent += cost;
    run->now = t->clock = soonest;
    t->tokens = point->tokens;
    t->last = point->loss;
    t->next++;
    bool last = t->next == run->table->first[t->row + 1];
    esp_sampler_observed(run->sampler, trial, t->tokens, t->last);
    esp_scheduler_observed(run->scheduler,
                           trial,
                           t->tokens,
                           t->last,
                           isnan(point->seconds) ? (double)t->tokens : point->seconds);
    if (!isfinite(t->last)) {
        leave(run, trial, STANDING_GONE, ESP_END_DIVERGED, ESP_CAUSE_DIVERGED);
        score(run, trial);
        refit(run);
        return;
    }
    double since = now_us();
    struct esp_verdict verdict =
        esp_scheduler_report(run->scheduler, trial, t->tokens >= t->until && !last);
    timed(run, since);
    if (verdict.action != ESP_VERDICT_NONE) {
        esp_scheduler_decided(run->scheduler, &verdict);
    }
    if (last) {
        leave(run, trial, STANDING_COMPLETE, ESP_END_COMPLETE, ESP_CAUSE_COMPLETE);
        run->ended |= verdict.action == ESP_VERDICT_END;
    } else {
        assert(verdict.action != ESP_VERDICT_NONE || t->tokens < t->until);
        obey(run, trial, &verdict);
    }
    discard(run);
    score(run, trial);
    refit(run);
}

int esp_replay_run(const struct esp_table *table,
                   const struct esp_study *study,
                   const struct esp_replay_options *options,
                   struct esp_replay_result *result,
                   struct esp_error *error)
{
    struct run run = {
        .table = table,
        .study = study,
        .result = result,
        .workers = options->workers,
        .budget = (int64_t)floor(options->budget * (double)table->horizon + 1e-6),
        .best_complete = -1,
        .best_partial = -1,
    };
    memset(result, 0, sizeof *result);
    int rc = esp_sampler_create(study, &run.sampler, error);
    if (rc == 0) {
        rc = esp_scheduler_create(study, &run.scheduler, error);
    }
    if (rc < 0) {
        goto out;
    }
    run.trials = calloc(table->trial_count, sizeof *run.trials);
    run.taken = calloc(table->trial_count, sizeof *run.taken);
    run.running = calloc(options->workers, sizeof *run.running);
    if (!run.trials || !run.taken || !run.running) {
        rc = esp_error_set(error, -ENOMEM, "out of memory");
        goto out;
    }
    while (!run.ended) {
        fill_slots(&run);
        if (run.live > 0 && !run.ended) {
            advance(&run);
        }
    }
    result->trials = run.count;
out:
    esp_sampler_destroy(run.sampler);
    esp_scheduler_destroy(run.scheduler);
    free(run.trials);
    free(run.taken);
    free(run.running);
    return rc;
}

void esp_replay_result_release(struct esp_replay_result *result)
{
    free(result->trace);
    free(result->decision_us);
    memset(result, 0, sizeof *result);
}
