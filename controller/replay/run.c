#include "cost_unit.h"
#include "run_state.h"

#include <assert.h>
#include <errno.h>
#include <espalier/clock.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static double now_us(void)
{
    return 1e-3 * (double)esp_clock_ns();
}

static void record_decision(struct run *run, double since_us)
{
    struct esp_replay_result *r = run->result;
    if (r->decisions == r->decision_capacity) {
        r->decision_capacity = r->decision_capacity ? r->decision_capacity * 2 : 256;
        r->decision_us = realloc(r->decision_us, r->decision_capacity * sizeof *r->decision_us);
        assert(r->decision_us);
    }
    r->decision_us[r->decisions++] = now_us() - since_us;
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

static void begin_training(struct run *run, uint32_t trial, int64_t until)
{
    struct run_trial *t = &run->trials[trial];
    t->state = RUN_TRAINING;
    t->until = until;
    t->clock = run->now;
    run->training[run->training_count++] = trial;
}

static void stop_training(struct run *run, uint32_t trial)
{
    for (uint32_t i = 0; i < run->training_count; i++) {
        if (run->training[i] == trial) {
            run->training[i] = run->training[--run->training_count];
            return;
        }
    }
}

static void end_trial(struct run *run,
                      uint32_t trial,
                      enum run_trial_state state,
                      enum esp_trial_end end,
                      enum esp_cause cause)
{
    struct run_trial *t = &run->trials[trial];
    stop_training(run, trial);
    t->state = state;
    esp_sampler_ended(run->sampler, trial, end);
    esp_scheduler_ended(run->scheduler, trial, cause);
    struct esp_replay_result *r = run->result;
    r->complete += state == RUN_COMPLETE;
    r->discarded += cause == ESP_CAUSE_PRUNED && !t->discarded;
    r->diverged += cause == ESP_CAUSE_DIVERGED;
    r->best_killed |= state == RUN_ENDED && t->row == run->table->best;
}

/* Ends a trial as its record ends. */
static void end_as_recorded(struct run *run, uint32_t trial)
{
    switch (run->table->ends[run->trials[trial].row]) {
    case ESP_TABLE_COMPLETE:
        end_trial(run, trial, RUN_COMPLETE, ESP_END_COMPLETE, ESP_CAUSE_COMPLETE);
        break;
    case ESP_TABLE_DIVERGED:
        end_trial(run, trial, RUN_ENDED, ESP_END_DIVERGED, ESP_CAUSE_DIVERGED);
        break;
    case ESP_TABLE_FAILED:
        end_trial(run, trial, RUN_ENDED, ESP_END_FAILED, ESP_CAUSE_FAILED);
        break;
    case ESP_TABLE_CENSORED:
        end_trial(run, trial, RUN_ENDED, ESP_END_STOPPED, ESP_CAUSE_STOPPED);
        break;
    }
}

/* Creates the trial of a START verdict, unless the sampler is exhausted. */
static void create_trial(struct run *run, const struct esp_verdict *verdict)
{
    const struct esp_table *table = run->table;
    double values[ESP_PARAMS_MAX];
    struct esp_reason reason;
    int rc = esp_sampler_propose(run->sampler, run->count, values, &reason);
    if (rc == ESP_SAMPLER_EXHAUSTED) {
        run->exhausted = true;
        return;
    }
    assert(rc == 0);
    int64_t row = esp_table_nearest(table, values, run->taken);
    assert(row >= 0);
    uint32_t trial = run->count++;
    const double *drawn = &table->drawn[(size_t)row * (size_t)table->param_count];
    run->taken[row] = true;
    run->trials[trial] = (struct run_trial){
        .row = (uint32_t)row,
        .next = table->first[row],
        .unseen = table->first[row],
        .last = NAN,
    };
    esp_sampler_created(run->sampler, trial, drawn);
    esp_scheduler_decided(run->scheduler, verdict);
    esp_scheduler_created(run->scheduler, trial, table->horizons[row], drawn);
    esp_discard_created(&run->hindsight, trial, table->horizons[row]);
    begin_training(run, trial, verdict->until);
}

static struct esp_slot_view slot_view(const struct run *run)
{
    return (struct esp_slot_view){
        .may_create = !run->exhausted && run->count < run->table->trial_count,
        .next_trial = run->count,
        .live = run->training_count,
    };
}

/* Asks the scheduler about free slots, until all are used or there is nothing to do. */
static void fill_slots(struct run *run)
{
    while (!run->ended && run->training_count < run->workers) {
        struct esp_slot_view view = slot_view(run);
        double since = now_us();
        struct esp_verdict verdict = esp_scheduler_slot(run->scheduler, &view);
        if (verdict.action == ESP_VERDICT_START) {
            create_trial(run, &verdict);
            record_decision(run, since);
            continue;
        }
        record_decision(run, since);
        if (verdict.action == ESP_VERDICT_NONE) {
            run->ended = run->training_count == 0;
            return;
        }
        esp_scheduler_decided(run->scheduler, &verdict);
        if (verdict.action == ESP_VERDICT_END) {
            run->ended = true;
            return;
        }
        assert(verdict.action == ESP_VERDICT_CONTINUE);
        begin_training(run, (uint32_t)verdict.trial, verdict.until);
    }
}

/* Deletes the checkpoint of a paused trial. The sampler is not told, and the scheduler may
 * still choose the trial (stop/discard.h). */
static void discard_checkpoint(struct run *run, uint32_t trial)
{
    struct run_trial *t = &run->trials[trial];
    struct esp_replay_result *r = run->result;
    t->state = RUN_DISCARDED;
    t->next = run->table->first[t->row];
    t->tokens = t->paid = 0;
    r->discarded += !t->discarded;
    t->discarded = true;
    r->best_killed |= t->row == run->table->best;
    esp_scheduler_ended(run->scheduler, trial, ESP_CAUSE_PRUNED);
}

/* Asks the scheduler which paused trials to discard. */
static void discard_trials(struct run *run)
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
            discard_checkpoint(run, trial);
        } else {
            end_trial(run, trial, RUN_ENDED, ESP_END_PRUNED, ESP_CAUSE_PRUNED);
        }
    }
}

static void apply_verdict(struct run *run, uint32_t trial, const struct esp_verdict *verdict)
{
    struct run_trial *t = &run->trials[trial];
    switch (verdict->action) {
    case ESP_VERDICT_CONTINUE:
        t->until = verdict->until;
        break;
    case ESP_VERDICT_PAUSE:
        stop_training(run, trial);
        t->state = RUN_PAUSED;
        esp_scheduler_paused(run->scheduler, trial, false);
        break;
    case ESP_VERDICT_PRUNE:
        end_trial(run, trial, RUN_ENDED, ESP_END_PRUNED, ESP_CAUSE_PRUNED);
        break;
    case ESP_VERDICT_END:
        run->ended = true;
        break;
    default:
        break;
    }
}

/* Asks the scheduler about the point that was just reported. */
static void decide_on_report(struct run *run, uint32_t trial)
{
    struct run_trial *t = &run->trials[trial];
    bool over = !esp_replay_has_point(run, t) && run->table->ends[t->row] != ESP_TABLE_CENSORED;
    bool waiting = t->tokens >= t->until && !over;
    struct esp_slot_view view = slot_view(run);
    double since = now_us();
    struct esp_verdict verdict = esp_scheduler_report(run->scheduler, trial, waiting, &view);
    record_decision(run, since);
    if (verdict.action != ESP_VERDICT_NONE) {
        esp_scheduler_decided(run->scheduler, &verdict);
    }
    if (over) {
        end_as_recorded(run, trial);
        run->ended |= verdict.action == ESP_VERDICT_END;
    } else {
        assert(verdict.action != ESP_VERDICT_NONE || t->tokens < t->until);
        apply_verdict(run, trial, &verdict);
    }
    discard_trials(run);
}

/* Reports a new point. The scheduler gets its cost in place of device seconds. */
static void report(struct run *run, uint32_t trial, const struct esp_table_point *point)
{
    double seconds = esp_cost_number(run->table->unit, point->cost);
    esp_sampler_observed(run->sampler, trial, point->tokens, point->loss);
    esp_scheduler_observed(run->scheduler, trial, point->tokens, point->loss, seconds);
    esp_discard_observed(&run->hindsight, trial, point->tokens, point->loss);
}

/* Trains a trial to its next recorded point, which it reaches at `at`. */
static void train_to_next_point(struct run *run, uint32_t trial, int64_t at)
{
    struct run_trial *t = &run->trials[trial];
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
    bool again = t->next++ < t->unseen;
    if (again && t->tokens < t->until) {
        return;
    }
    if (!again) {
        t->unseen = t->next;
        report(run, trial, point);
    }
    bool diverged =
        !esp_replay_has_point(run, t) && run->table->ends[t->row] == ESP_TABLE_DIVERGED;
    if (!isfinite(t->last) || diverged) {
        end_trial(run, trial, RUN_ENDED, ESP_END_DIVERGED, ESP_CAUSE_DIVERGED);
    } else {
        decide_on_report(run, trial);
    }
    esp_replay_trace_add(run, trial);
    refit(run);
}

/* Runs until the next point of a trial, or the end of one that went beyond its record. */
static void advance(struct run *run)
{
    int64_t at;
    if (!esp_replay_pay_beyond(run)) {
        run->ended = true;
        return;
    }
    uint32_t trial = esp_replay_next_trial(run, &at);
    if (!run->trials[trial].beyond) {
        train_to_next_point(run, trial, at);
        return;
    }
    run->now = at;
    end_as_recorded(run, trial);
    discard_trials(run);
    esp_replay_trace_add(run, trial);
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
        .budget = (int64_t)floor(options->budget * (double)table->full + 1e-6),
        .best = {.trial = -1},
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
    run.training = calloc(options->workers, sizeof *run.training);
    if (!run.trials || !run.taken || !run.training) {
        rc = esp_error_set(error, -ENOMEM, "out of memory");
        goto out;
    }
    while (!run.ended) {
        fill_slots(&run);
        if (run.training_count > 0 && !run.ended) {
            advance(&run);
        }
    }
    if (result->unknown_at < 0) {
        result->exact = result->trace_count;
    }
    result->trials = run.count;
    result->spent = run.spent;
    result->score = esp_scheduler_score(run.scheduler);
    result->best_score = esp_replay_hindsight_score(&run);
out:
    esp_sampler_destroy(run.sampler);
    esp_scheduler_destroy(run.scheduler);
    esp_discard_release(&run.hindsight);
    free(run.trials);
    free(run.taken);
    free(run.training);
    return rc;
}

void esp_replay_result_release(struct esp_replay_result *result)
{
    free(result->trace);
    free(result->decision_us);
    memset(result, 0, sizeof *result);
}
