#include "drive.h"

#include <espalier/random.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct esp_study *drive_study(enum esp_scheduler_type type, int64_t horizon)
{
    static struct esp_study study;
    memset(&study, 0, sizeof study);
    study.abilities = esp_abilities_builtin();
    study.trainer.tokens = horizon;
    study.trainer.report_every = 1;
    study.stopping.type = type;
    study.prior.kind = ESP_PRIOR_NONE;
    study.param_count = 1;
    study.params[0] =
        (struct esp_param){.name = "p", .distribution = ESP_UNIFORM, .min = 0, .max = 1};
    return &study;
}

void drive_open(struct drive *drive, const struct esp_study *study)
{
    struct esp_error error;
    memset(drive, 0, sizeof *drive);
    drive->workers = 1;
    drive->horizon = study->trainer.tokens;
    if (esp_scheduler_create(study, &drive->scheduler, &error) < 0) {
        fail_msg("%s", error.text);
    }
}

void drive_close(struct drive *drive)
{
    esp_scheduler_destroy(drive->scheduler);
}

__attribute__((format(printf, 2, 3))) static void
note(struct drive *drive, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    drive->log_size += (size_t)vsnprintf(
        drive->log + drive->log_size, sizeof drive->log - drive->log_size, format, args);
    va_end(args);
    assert_true(drive->log_size < sizeof drive->log);
}

static void same(const struct esp_verdict *a, const struct esp_verdict *b)
{
    assert_int_equal(a->action, b->action);
    assert_int_equal(a->trial, b->trial);
    assert_int_equal(a->until, b->until);
}

static int64_t within(const struct drive *drive, int64_t until)
{
    return until < drive->horizon ? until : drive->horizon;
}

static void leave(struct drive *drive, uint32_t trial, int state, enum esp_cause cause)
{
    drive->trials[trial].state = state;
    drive->live--;
    esp_scheduler_ended(drive->scheduler, trial, cause);
}

static struct esp_slot_view slot_view(const struct drive *drive)
{
    bool more = drive->count < drive->run_cap;
    return (struct esp_slot_view){.may_create = more,
                                  .may_repeat = more,
                                  .run_cap = drive->run_cap,
                                  .next_trial = drive->count,
                                  .live = drive->live};
}

/* False when the scheduler has nothing to do for a slot. */
static bool fill(struct drive *drive)
{
    struct esp_slot_view view = slot_view(drive);
    struct esp_verdict verdict = esp_scheduler_slot(drive->scheduler, &view);
    struct esp_verdict again = esp_scheduler_slot(drive->scheduler, &view);
    same(&verdict, &again);
    if (verdict.action == ESP_VERDICT_NONE) {
        assert_true(drive->live > 0); /* else the study would wait forever */
        return false;
    }
    drive->last = verdict;
    esp_scheduler_decided(drive->scheduler, &verdict);
    if (verdict.action == ESP_VERDICT_END) {
        note(drive, "END");
        drive->ended = true;
        return false;
    }
    uint32_t trial = (uint32_t)verdict.trial;
    if (verdict.action == ESP_VERDICT_START) {
        assert_int_equal(trial, drive->count);
        assert_true(view.may_create);
        drive->count++;
        struct esp_random_block draw = esp_random_at(1, trial, ESP_RANDOM_SIMULATION, 1u << 30);
        double value = esp_random_unit(draw.word[0], draw.word[1]);
        esp_scheduler_created(drive->scheduler, trial, drive->horizon, &value);
        drive->trials[trial].repeats = -1;
    } else if (verdict.action == ESP_VERDICT_REPEAT) {
        assert_true(view.may_repeat && drive->trials[trial].repeats < 0);
        note(drive, "R%u=%u ", drive->count, trial);
        esp_scheduler_repeated(drive->scheduler, drive->count, trial, drive->horizon);
        drive->trials[drive->count].repeats = trial;
        trial = drive->count++;
    } else {
        assert_int_equal(verdict.action, ESP_VERDICT_CONTINUE);
        if (drive->trials[trial]
                .discarded) { /* begins again: the scheduler does not see retrained reports */
            drive->spent += drive->trials[trial].tokens;
            drive->trials[trial].discarded = false;
            drive->restarted++;
        } else {
            assert_int_equal(drive->trials[trial].state, DRIVE_PAUSED);
            assert_false(drive->trials[trial].held);
        }
    }
    if (verdict.reason.rule == ESP_RULE_CALIBRATED) {
        note(drive, "audit ");
    }
    drive->trials[trial].state = DRIVE_LIVE;
    drive->trials[trial].until = within(drive, verdict.until);
    assert_true(drive->trials[trial].until > drive->trials[trial].tokens);
    drive->live++;
    note(drive,
         "%c%u>%lld ",
         verdict.action == ESP_VERDICT_START ? 'S' : 'C',
         trial,
         (long long)drive->trials[trial].until);
    return true;
}

double drive_loss(const struct drive *drive, uint32_t trial, int64_t tokens)
{
    int64_t of = drive->trials[trial].repeats;
    double more = of >= 0 && drive->another ? drive->another(trial, drive->context) : 0;
    return drive->loss(of >= 0 ? (uint32_t)of : trial, tokens, drive->context) + more;
}

static void advance(struct drive *drive, uint32_t trial)
{
    struct drive_trial *t = &drive->trials[trial];
    t->tokens++;
    drive->spent++;
    double loss = drive_loss(drive, trial, t->tokens);
    esp_scheduler_observed(drive->scheduler, trial, t->tokens, loss, (double)t->tokens);
    if (!isfinite(loss)) {
        note(drive, "X%u ", trial);
        leave(drive, trial, DRIVE_PRUNED, ESP_CAUSE_DIVERGED);
        return;
    }
    bool waiting = t->tokens >= t->until;
    struct esp_slot_view view = slot_view(drive);
    struct esp_verdict verdict = esp_scheduler_report(drive->scheduler, trial, waiting, &view);
    struct esp_verdict again = esp_scheduler_report(drive->scheduler, trial, waiting, &view);
    same(&verdict, &again);
    if (verdict.action != ESP_VERDICT_NONE) {
        drive->last = verdict;
        esp_scheduler_decided(drive->scheduler, &verdict);
    }
    if (t->tokens >= drive->horizon) {
        note(drive, "=%u ", trial);
        leave(drive, trial, DRIVE_COMPLETE, ESP_CAUSE_COMPLETE);
        drive->ended = drive->ended || verdict.action == ESP_VERDICT_END;
        return;
    }
    switch (verdict.action) {
    case ESP_VERDICT_NONE:
        assert_false(waiting);
        break;
    case ESP_VERDICT_CONTINUE:
        t->until = within(drive, verdict.until);
        assert_true(t->until > t->tokens);
        note(drive, "C%u>%lld ", trial, (long long)t->until);
        break;
    case ESP_VERDICT_PAUSE:
        note(drive, "P%u ", trial);
        t->state = DRIVE_PAUSED;
        drive->live--;
        esp_scheduler_paused(drive->scheduler, trial, false);
        break;
    case ESP_VERDICT_PRUNE:
        note(drive, "X%u ", trial);
        leave(drive, trial, DRIVE_PRUNED, ESP_CAUSE_PRUNED);
        break;
    case ESP_VERDICT_END:
        note(drive, "END");
        drive->ended = true;
        break;
    default:
        fail_msg("a report was answered with action %d", verdict.action);
    }
}

void drive_run(struct drive *drive, int64_t limit)
{
    int64_t stop = limit > 0 ? drive->spent + limit : INT64_MAX;
    while (!drive->ended && drive->spent < stop) {
        while (!drive->ended && drive->live < drive->workers && fill(drive)) {
        }
        for (uint32_t i = 0; i < drive->count && !drive->ended && drive->spent < stop; i++) {
            if (drive->trials[i].state == DRIVE_LIVE) {
                advance(drive, i);
            }
        }
        for (;;) {
            struct esp_verdict verdict = esp_scheduler_discard(drive->scheduler);
            if (verdict.action == ESP_VERDICT_NONE) {
                break;
            }
            uint32_t trial = (uint32_t)verdict.trial;
            assert_int_equal(drive->trials[trial].state, DRIVE_PAUSED);
            esp_scheduler_decided(drive->scheduler, &verdict);
            if (verdict.action == ESP_VERDICT_SPARE) {
                drive->trials[trial].spared = true;
                note(drive, "A%u ", trial);
                continue;
            }
            assert_int_equal(verdict.action, ESP_VERDICT_DISCARD);
            drive->trials[trial].discarded = true;
            drive->discarded++;
            drive->trials[trial].state = DRIVE_PRUNED;
            note(drive, "D%u ", trial);
            esp_scheduler_ended(drive->scheduler, trial, ESP_CAUSE_PRUNED);
        }
    }
}

void drive_interrupt(struct drive *drive)
{
    for (uint32_t i = 0; i < drive->count; i++) {
        if (drive->trials[i].state == DRIVE_LIVE) {
            drive->trials[i].state = DRIVE_PAUSED;
            drive->live--;
            esp_scheduler_paused(drive->scheduler, i, false);
        }
    }
}
