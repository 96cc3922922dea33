#include "roster.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

void esp_roster_init(struct esp_roster *roster)
{
    *roster = (struct esp_roster){0};
    esp_loss_ranking_init(&roster->waiting);
}

void esp_roster_release(struct esp_roster *roster)
{
    free(roster->trials);
    esp_loss_ranking_release(&roster->waiting);
    esp_roster_init(roster);
}

static struct esp_roster_trial *at(struct esp_roster *roster, uint32_t trial)
{
    assert(trial < roster->count);
    return &roster->trials[trial];
}

const struct esp_roster_trial *esp_roster_get(const struct esp_roster *roster, uint32_t trial)
{
    assert(trial < roster->count);
    return &roster->trials[trial];
}

void esp_roster_created(struct esp_roster *roster, uint32_t trial, int64_t horizon)
{
    assert(trial == roster->count);
    if (roster->count == roster->capacity) {
        uint32_t capacity = roster->capacity ? roster->capacity * 2 : 16;
        roster->trials = realloc(roster->trials, capacity * sizeof *roster->trials);
        assert(roster->trials);
        roster->capacity = capacity;
    }
    roster->trials[roster->count++] = (struct esp_roster_trial){
        .state = ESP_ROSTER_LIVE,
        .horizon = horizon,
        .last = NAN,
        .best = INFINITY,
    };
}

void esp_roster_observed(struct esp_roster *roster,
                         uint32_t trial,
                         int64_t tokens,
                         double loss,
                         double device_seconds)
{
    struct esp_roster_trial *t = at(roster, trial);
    t->tokens = tokens > t->tokens ? tokens : t->tokens;
    t->reports++;
    t->last = loss;
    if (isfinite(loss) && loss < t->best) {
        t->best = loss;
    }
    t->device_seconds = device_seconds;
}

/* Every change of a trial's state goes through here, so that `waiting` always has the paused
 * trials that are not held. */
static void
move(struct esp_roster *roster, uint32_t trial, enum esp_roster_state state, bool held)
{
    struct esp_roster_trial *t = at(roster, trial);
    if (t->state == ESP_ROSTER_PAUSED && !t->held) {
        esp_loss_ranking_erase(&roster->waiting, 0, trial);
    }
    t->state = state;
    t->held = held;
    if (t->state == ESP_ROSTER_PAUSED && !t->held) {
        esp_loss_ranking_insert(&roster->waiting, 0, trial);
    }
}

void esp_roster_decided(struct esp_roster *roster, const struct esp_verdict *verdict)
{
    if (verdict->trial < 0 || verdict->trial >= roster->count) {
        return; /* a START precedes the trial's creation */
    }
    struct esp_roster_trial *t = at(roster, (uint32_t)verdict->trial);
    if (verdict->action == ESP_VERDICT_CONTINUE || verdict->action == ESP_VERDICT_START) {
        t->until = verdict->until;
        if (t->state == ESP_ROSTER_PAUSED) {
            move(roster, (uint32_t)verdict->trial, ESP_ROSTER_LIVE, false);
        }
    }
}

void esp_roster_paused(struct esp_roster *roster, uint32_t trial, bool held)
{
    move(roster, trial, ESP_ROSTER_PAUSED, held);
}

void esp_roster_ended(struct esp_roster *roster, uint32_t trial, enum esp_cause cause)
{
    /* The trial of a lost attempt is queued again; it has not left the search. */
    move(roster, trial, cause == ESP_CAUSE_LOST ? ESP_ROSTER_LIVE : ESP_ROSTER_ENDED, false);
}

void esp_roster_returned(struct esp_roster *roster, uint32_t trial)
{
    struct esp_roster_trial *t = at(roster, trial);
    if (t->state == ESP_ROSTER_ENDED) {
        t->continued_by_user = true;
    }
    move(roster, trial, ESP_ROSTER_LIVE, false);
}

/* The paused trial, not held, with the lowest number; -1: none. */
static int64_t first_waiting(const struct esp_roster *roster)
{
    return esp_loss_ranking_count(&roster->waiting) > 0
               ? (int64_t)esp_loss_ranking_at(&roster->waiting, 1).trial
               : -1;
}

struct esp_verdict esp_verdict_none(enum esp_rule rule)
{
    return esp_verdict_make(ESP_VERDICT_NONE, -1, 0, rule);
}

struct esp_verdict esp_verdict_make(enum esp_verdict_action action,
                                    int64_t trial,
                                    int64_t until,
                                    enum esp_rule rule)
{
    return (struct esp_verdict){
        .action = action, .trial = trial, .until = until, .reason = esp_reason_none(rule)};
}

struct esp_verdict esp_roster_slot_to_horizon(const struct esp_roster *roster,
                                              const struct esp_slot_view *view)
{
    int64_t waiting = first_waiting(roster);
    if (waiting >= 0) {
        return esp_verdict_make(
            ESP_VERDICT_CONTINUE, waiting, roster->trials[waiting].horizon, ESP_RULE_RESTART);
    }
    if (view->may_create) {
        return esp_verdict_make(
            ESP_VERDICT_START, view->next_trial, ESP_UNTIL_HORIZON, ESP_RULE_NEW);
    }
    if (view->live > 0) {
        return esp_verdict_none(ESP_RULE_NONE);
    }
    return esp_verdict_make(ESP_VERDICT_END, -1, 0, ESP_RULE_STUDY_END);
}

struct esp_verdict
esp_roster_report_to_horizon(const struct esp_roster *roster, uint32_t trial, bool waiting)
{
    const struct esp_roster_trial *t = esp_roster_get(roster, trial);
    if (t->tokens >= t->horizon) {
        return esp_verdict_none(ESP_RULE_HORIZON);
    }
    if (waiting) {
        return esp_verdict_make(ESP_VERDICT_CONTINUE, trial, t->horizon, ESP_RULE_HORIZON);
    }
    return esp_verdict_none(ESP_RULE_NONE);
}
