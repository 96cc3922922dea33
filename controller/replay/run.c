#include "run.h"

#include "price.h"
#include "search/sampler.h"
#include "stop/discard.h"
#include "stop/scheduler.h"

#include <assert.h>
#include <errno.h>
#include <espalier/clock.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum standing {
    STANDING_LIVE,
    STANDING_PAUSED,
    STANDING_GIVEN_UP, /* at the stated risk: begins anew if it is chosen again */
    STANDING_COMPLETE,
    STANDING_GONE, /* pruned, diverged, failed, or beyond its record */
};

struct trial {
    uint32_t row;
    uint32_t next; /* index of its next point in the table */
    uint32_t seen; /* the first that nobody was told of: what is trained again is only paid */
    int64_t tokens, until;
    int64_t paid;
    int64_t clock; /* workers pay at the same pace: cost since the search began */
    bool beyond;   /* its record; paid for, and busy until `clock` */
    bool discarded;
    double last;
    enum standing standing;
};

struct run {
    const struct esp_table *table;
    const struct esp_study *study;
    struct esp_sampler *sampler;
    struct esp_scheduler *scheduler;
    struct esp_replay_result *result;
    struct esp_discard hindsight; /* knows which trial is the table's best */
    struct trial *trials;         /* at most one per row of the table */
    uint32_t count, live, workers;
    uint32_t *running; /* trials that are live: `live` numbers */
    bool *taken;
    bool exhausted, ended;
    int64_t spent, budget, now;
    int64_t best_complete, best_partial; /* trials; -1: none */
};

static double now_us(void)
{
    return 1e-3 * (double)esp_clock_ns();
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
 * One that was paid for to its horizon counts with the loss that it last had. */
static void score(struct run *run, uint32_t trial)
{
    const struct trial *t = &run->trials[trial];
    bool paid = t->standing == STANDING_COMPLETE || (t->standing == STANDING_GONE && t->beyond);
    if (paid && isfinite(t->last) &&
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
    r->trace[r->trace_count++] =
        (struct esp_replay_step){.spent = run->spent,
                                 .row = row,
                                 .returned = esp_table_promised(run->table, row),
                                 .complete = run->best_complete >= 0};
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
    struct esp_replay_result *r = run->result;
    r->complete += standing == STANDING_COMPLETE;
    r->discarded += cause == ESP_CAUSE_PRUNED && !t->discarded;
    r->diverged += cause == ESP_CAUSE_DIVERGED;
    r->best_killed |= standing == STANDING_GONE && t->row == run->table->best;
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
    run->trials[trial] = (struct trial){.row = (uint32_t)row,
                                        .next = run->table->first[row],
                                        .seen = run->table->first[row],
                                        .last = NAN};
    esp_sampler_created(run->sampler, trial, drawn);
    esp_scheduler_decided(run->scheduler, verdict);
    esp_scheduler_created(run->scheduler, trial, run->table->horizons[row], drawn);
    esp_discard_created(&run->hindsight, trial, run->table->horizons[row]);
    go(run, trial, verdict->until);
    return true;
}

static struct esp_slot_view slot_view(const struct run *run)
{
    return (struct esp_slot_view){
        .may_create = !run->exhausted && run->count < run->table->trial_count,
        .next_trial = run->count,
        .live = run->live,
    };
}

/* Asks for every free slot until it has nothing. */
static void fill_slots(struct run *run)
{
    while (!run->ended && run->live < run->workers) {
        struct esp_slot_view view = slot_view(run);
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

/* Its checkpoint is deleted; whoever decides is not told (stop/discard.h). */
static void give_up(struct run *run, uint32_t trial)
{
    struct trial *t = &run->trials[trial];
    struct esp_replay_result *r = run->result;
    t->standing = STANDING_GIVEN_UP;
    t->next = run->table->first[t->row];
    t->tokens = t->paid = 0;
    r->discarded += !t->discarded;
    t->discarded = true;
    r->best_killed |= t->row == run->table->best;
    esp_scheduler_ended(run->scheduler, trial, ESP_CAUSE_PRUNED);
}

static void discard(struct run *run)
{
    for (;;) {
        struct esp_verdict verdict = esp_scheduler_discard(run->scheduler);
        uint32_t trial = (uint32_t)verdict.trial;
        if (verdict.action == ESP_VERDICT_NONE) {
            return;
        }
        esp_scheduler_decided(run->scheduler, &verdict);
        if (verdict.action != ESP_VERDICT_DISCARD) {
            assert(verdict.action == ESP_VERDICT_SPARE);
        } else if (verdict.reason.rule == ESP_RULE_CALIBRATED) {
            give_up(run, trial);
        } else {
            leave(run, trial, STANDING_GONE, ESP_END_PRUNED, ESP_CAUSE_PRUNED);
        }
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

static bool has_point(const struct run *run, const struct trial *t)
{
    return t->next < run->table->first[t->row + 1];
}

/* The least that must be paid from now on before any trial can be complete that might be better
 * than the one returned now. */
static int64_t least_rest(const struct run *run)
{
    const struct esp_table *table = run->table;
    double best = run->best_complete >= 0 ? run->trials[run->best_complete].last : INFINITY;
    int64_t least = INT64_MAX;
    for (uint32_t i = 0; i < run->count; i++) {
        const struct trial *t = &run->trials[i];
        bool open = t->standing == STANDING_LIVE || t->standing == STANDING_PAUSED ||
                    t->standing == STANDING_GIVEN_UP;
        if (open && (table->ends[t->row] == ESP_TABLE_CENSORED ||
                     esp_table_final(table, t->row) < best)) {
            int64_t rest = esp_table_rest(table, t->row, t->next);
            least = rest < least ? rest : least;
        }
    }
    for (uint32_t row = 0; row < table->trial_count; row++) {
        if (!run->taken[row] &&
            (table->ends[row] == ESP_TABLE_CENSORED || esp_table_final(table, row) < best)) {
            int64_t rest = esp_table_rest(table, row, table->first[row]);
            least = rest < least ? rest : least;
        }
    }
    return least;
}

/* Live trials whose record is over: nobody knows what they would report. Pays for them; false
 * when the budget does not allow it. */
static bool pay_beyond(struct run *run)
{
    struct esp_replay_result *r = run->result;
    for (uint32_t i = 0; i < run->live; i++) {
        struct trial *t = &run->trials[run->running[i]];
        if (t->beyond || has_point(run, t)) {
            continue;
        }
        int64_t rest = esp_table_rest(run->table, t->row, t->next);
        if (r->unknown_at < 0) {
            int64_t least = least_rest(run);
            r->unknown_at = run->spent;
            r->exact = r->trace_count;
            r->soonest = run->spent + (least > 0 ? least : 1);
        }
        r->beyond++;
        if (run->spent + rest > run->budget) {
            return false;
        }
        run->spent += rest;
        r->beyond_spent += rest;
        t->beyond = true;
        t->clock += rest;
    }
    return true;
}

/* The live trial whose next point, or end, comes first. */
static uint32_t soonest(const struct run *run, int64_t *at)
{
    uint32_t trial = run->running[0];
    *at = INT64_MAX;
    for (uint32_t i = 0; i < run->live; i++) {
        const struct trial *t = &run->trials[run->running[i]];
        int64_t when = t->clock + (t->beyond ? 0 : run->table->points[t->next].cost - t->paid);
        if (when < *at || (when == *at && run->running[i] < trial)) {
            *at = when;
            trial = run->running[i];
        }
    }
    return trial;
}

/* The trial's record is over, and the record says how. */
static void finish(struct run *run, uint32_t trial)
{
    switch (run->table->ends[run->trials[trial].row]) {
    case ESP_TABLE_COMPLETE:
        leave(run, trial, STANDING_COMPLETE, ESP_END_COMPLETE, ESP_CAUSE_COMPLETE);
        break;
    case ESP_TABLE_DIVERGED:
        leave(run, trial, STANDING_GONE, ESP_END_DIVERGED, ESP_CAUSE_DIVERGED);
        break;
    case ESP_TABLE_FAILED:
        leave(run, trial, STANDING_GONE, ESP_END_FAILED, ESP_CAUSE_FAILED);
        break;
    case ESP_TABLE_CENSORED:
        leave(run, trial, STANDING_GONE, ESP_END_STOPPED, ESP_CAUSE_STOPPED);
        break;
    }
}

/* Asks about the point that was just observed, and does as told. */
static void judge(struct run *run, uint32_t trial)
{
    struct trial *t = &run->trials[trial];
    bool over = !has_point(run, t) && run->table->ends[t->row] != ESP_TABLE_CENSORED;
    bool waiting = t->tokens >= t->until && !over;
    struct esp_slot_view view = slot_view(run);
    double since = now_us();
    struct esp_verdict verdict = esp_scheduler_report(run->scheduler, trial, waiting, &view);
    timed(run, since);
    if (verdict.action != ESP_VERDICT_NONE) {
        esp_scheduler_decided(run->scheduler, &verdict);
    }
    if (over) {
        finish(run, trial);
        run->ended |= verdict.action == ESP_VERDICT_END;
    } else {
        assert(verdict.action != ESP_VERDICT_NONE || t->tokens < t->until);
        obey(run, trial, &verdict);
    }
    discard(run);
}

/* What the scheduler is told as device seconds: in the unit that is paid. */
static double told_seconds(const struct run *run, const struct esp_table_point *point)
{
    return esp_price_number(run->table->unit, point->cost);
}

/* One recorded point of the trial that reaches its next one first. */
static void observe(struct run *run, uint32_t trial, int64_t at)
{
    struct trial *t = &run->trials[trial];
    const struct esp_table_point *point = &run->table->points[t->next];
    int64_t cost = point->cost - t->paid;
    if (run->spent + cost > run->budget) {
        run->ended = true;
        return;
    }
    run->spent += cost;
    run->now = t->clock = at;
    t->tokens = point->tokens;
    t->paid = point->cost;
    t->last = point->loss;
    bool again = t->next++ < t->seen;
    if (again && t->tokens < t->until) {
        return;
    }
    if (!again) {
        t->seen = t->next;
        esp_sampler_observed(run->sampler, trial, t->tokens, t->last);
        esp_scheduler_observed(
            run->scheduler, trial, t->tokens, t->last, told_seconds(run, point));
        esp_discard_observed(&run->hindsight, trial, t->tokens, t->last);
    }
    bool diverged = !has_point(run, t) && run->table->ends[t->row] == ESP_TABLE_DIVERGED;
    if (!isfinite(t->last) || diverged) {
        leave(run, trial, STANDING_GONE, ESP_END_DIVERGED, ESP_CAUSE_DIVERGED);
    } else {
        judge(run, trial);
    }
    score(run, trial);
    refit(run);
}

static void advance(struct run *run)
{
    int64_t at;
    if (!pay_beyond(run)) {
        run->ended = true;
        return;
    }
    uint32_t trial = soonest(run, &at);
    if (!run->trials[trial].beyond) {
        observe(run, trial, at);
        return;
    }
    run->now = at;
    finish(run, trial);
    discard(run);
    score(run, trial);
    refit(run);
}

/* The score that this search would have if it knew which of its trials is the table's best,
 * also when that one was paused and forgotten; a search that never had it cannot lose it. */
static double hindsight_score(struct run *run)
{
    for (uint32_t i = 0; i < run->count; i++) {
        const struct trial *t = &run->trials[i];
        if (t->row == run->table->best && t->seen > run->table->first[t->row]) {
            esp_discard_leads(&run->hindsight, i);
            return esp_discard_score(&run->hindsight);
        }
    }
    return 0;
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
        .budget = (int64_t)floor(options->budget * (double)table->full + 1e-6),
        .best_complete = -1,
        .best_partial = -1,
    };
    *result = (struct esp_replay_result){.unknown_at = -1, .score = NAN};
    esp_discard_init(&run.hindsight, study);
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
    if (result->unknown_at < 0) {
        result->exact = result->trace_count;
    }
    result->trials = run.count;
    result->spent = run.spent;
    result->score = esp_scheduler_score(run.scheduler);
    result->best_score = hindsight_score(&run);
out:
    esp_sampler_destroy(run.sampler);
    esp_scheduler_destroy(run.scheduler);
    esp_discard_release(&run.hindsight);
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
