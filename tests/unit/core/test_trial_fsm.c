/* The transition table: compared with ARCHITECTURE.md row by row, and every state and trigger
 * tried on a live core. */
#include "driver.h"

#include "core/state.h"
#include "core/transition.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEADING "## A trial's states"

static void text_of(const struct esp_trial_row *row, char out[256])
{
    char from[64], to[64];
    const char *of = row->while_stopping ? esp_cause_name(row->while_stopping) : "any";
    snprintf(from,
             sizeof from,
             row->from == ESP_TRIAL_STOPPING ? "%s(%s)" : "%s",
             esp_trial_state_name(row->from),
             of);
    snprintf(to,
             sizeof to,
             row->to == ESP_TRIAL_STOPPING && row->cause ? "%s(%s)" : "%s",
             esp_trial_state_name(row->to),
             esp_cause_name(row->cause));
    snprintf(out,
             256,
             "| %s | %s | %s | %s | %s |\n",
             from,
             esp_trigger_name(row->trigger),
             esp_guard_text(row->guard),
             to,
             esp_transition_effect_text(row->effect));
}

static void architecture_shows_the_table_row_by_row(void **state)
{
    (void)state;
    FILE *file = fopen(ARCHITECTURE, "r");
    assert_non_null(file);
    char line[512];
    bool found = false;
    while (!found && fgets(line, sizeof line, file)) {
        found = strncmp(line, HEADING, strlen(HEADING)) == 0;
    }
    assert_true(found);
    size_t rows = 0, heads = 0;
    while (fgets(line, sizeof line, file) && strncmp(line, "## ", 3) != 0) {
        if (line[0] != '|') {
            continue;
        }
        if (heads < 2) {
            heads++;
            continue;
        }
        char expected[256];
        assert_true(rows < esp_trial_row_count);
        text_of(&esp_trial_rows[rows++], expected);
        assert_string_equal(line, expected);
    }
    fclose(file);
    assert_int_equal(rows, esp_trial_row_count);
}

static const enum esp_trigger all[] = {ESP_TRIGGER_GRANT,
                                       ESP_TRIGGER_STARTED,
                                       ESP_TRIGGER_NO_ANSWER,
                                       ESP_TRIGGER_PAUSE,
                                       ESP_TRIGGER_HOLD,
                                       ESP_TRIGGER_PRUNE,
                                       ESP_TRIGGER_DIVERGED,
                                       ESP_TRIGGER_HORIZON,
                                       ESP_TRIGGER_SAVE_FAILED,
                                       ESP_TRIGGER_CONTINUE,
                                       ESP_TRIGGER_RESUME,
                                       ESP_TRIGGER_DISCARD,
                                       ESP_TRIGGER_STOP,
                                       ESP_TRIGGER_ERROR,
                                       ESP_TRIGGER_LOST,
                                       ESP_TRIGGER_GRACE_OVER,
                                       ESP_TRIGGER_RELEASED,
                                       ESP_TRIGGER_TARGET};

/* Brings a trial into a state by triggers; `saved` gives it a checkpoint. */
static void bring_to(
    struct driver *d, enum esp_trial_state state, enum esp_cause cause, bool saved, bool held)
{
    struct esp_study study;
    driver_study(&study, 1);
    driver_begin(d, &study);
    driver_open(d, 1);
    driver_expect(d, 0, ESP_TRIAL_ASSIGNED);
    if (state == ESP_TRIAL_ASSIGNED) {
        return;
    }
    driver_started(d, 0, 0);
    driver_report(d, 0, 0, 5, false);
    if (saved) {
        driver_saved(d, 0, 0);
    }
    struct esp_core *core = d->core;
    struct esp_trial *t = &core->trials[0];
    /* From here triggers are given directly, without peers. */
    esp_outcome_reset(&d->outcome);
    core->outcome = &d->outcome;
    static const enum esp_trigger stops[] = {[ESP_CAUSE_COMPLETE] = ESP_TRIGGER_HORIZON,
                                             [ESP_CAUSE_PRUNED] = ESP_TRIGGER_PRUNE,
                                             [ESP_CAUSE_DIVERGED] = ESP_TRIGGER_DIVERGED,
                                             [ESP_CAUSE_STOPPED] = ESP_TRIGGER_STOP,
                                             [ESP_CAUSE_FAILED] = ESP_TRIGGER_ERROR,
                                             [ESP_CAUSE_LOST] = ESP_TRIGGER_LOST};
    switch (state) {
    case ESP_TRIAL_RUNNING:
        break;
    case ESP_TRIAL_PAUSING:
    case ESP_TRIAL_PAUSED:
        assert_true(esp_trial_trigger(core, t, held ? ESP_TRIGGER_HOLD : ESP_TRIGGER_PAUSE));
        if (state == ESP_TRIAL_PAUSED) {
            t->saved = true;
            assert_true(esp_trial_trigger(core, t, ESP_TRIGGER_RELEASED));
        }
        break;
    case ESP_TRIAL_STOPPING:
        assert_true(esp_trial_trigger(core, t, stops[cause]));
        break;
    case ESP_TRIAL_QUEUED:
        assert_true(esp_trial_trigger(core, t, ESP_TRIGGER_LOST));
        assert_true(esp_trial_trigger(core, t, ESP_TRIGGER_RELEASED));
        break;
    default:
        assert_true(esp_trial_trigger(core,
                                      t,
                                      stops[state == ESP_TRIAL_COMPLETE  ? ESP_CAUSE_COMPLETE
                                            : state == ESP_TRIAL_PRUNED  ? ESP_CAUSE_PRUNED
                                            : state == ESP_TRIAL_STOPPED ? ESP_CAUSE_STOPPED
                                                                         : ESP_CAUSE_FAILED]));
        assert_true(esp_trial_trigger(core, t, ESP_TRIGGER_RELEASED));
        break;
    }
    assert_int_equal(t->state, state);
}

/* The table's new state, found without its own look-up function. */
static enum esp_trial_state expected_state(enum esp_trial_state from,
                                           enum esp_cause cause,
                                           enum esp_trigger trigger,
                                           bool saved,
                                           bool held,
                                           bool *moves)
{
    *moves = false;
    for (size_t i = 0; i < esp_trial_row_count; i++) {
        const struct esp_trial_row *row = &esp_trial_rows[i];
        bool applies = row->from == from && row->trigger == trigger &&
                       (!row->while_stopping || row->while_stopping == cause);
        bool holds = row->guard == ESP_GUARD_NONE || (row->guard == ESP_GUARD_SAVED && saved) ||
                     (row->guard == ESP_GUARD_NOT_HELD && !held) ||
                     (row->guard == ESP_GUARD_CHECKPOINT && saved);
        if (applies && holds && !*moves) {
            *moves = true;
            from = row->to;
            return from;
        }
    }
    return from;
}

static void check_pair(enum esp_trial_state state,
                       enum esp_cause cause,
                       enum esp_trigger trigger,
                       bool saved,
                       bool held)
{
    struct driver d;
    bring_to(&d, state, cause, saved, held);
    struct esp_core *core = d.core;
    struct esp_trial *t = &core->trials[0];
    esp_outcome_reset(&d.outcome);
    core->outcome = &d.outcome;
    uint64_t before = esp_core_digest(core), seq = core->seq;
    uint32_t attempt = t->attempt;
    bool moves;
    enum esp_trial_state to = expected_state(state, cause, trigger, saved, held, &moves);
    struct esp_transition move = {.trigger = trigger, .process = core->processes[0].key};
    assert_int_equal(esp_trial_transition(core, t, &move), moves);
    assert_int_equal(t->state, to);
    if (moves) {
        assert_true(d.outcome.event_count >= 1);
        const struct esp_event *e = &d.outcome.events[0];
        assert_int_equal(e->kind, ESP_EVENT_MOVED);
        assert_int_equal(e->moved.from, state);
        assert_int_equal(e->moved.to, to);
        assert_int_equal(e->moved.trigger, trigger);
        assert_int_equal(t->attempt, attempt + (trigger == ESP_TRIGGER_GRANT));
        assert_int_equal(core->by_state[to], 1);
    } else {
        assert_int_equal(core->seq, seq);
        assert_int_equal(esp_core_digest(core), before);
        assert_int_equal(d.outcome.effect_count, 0);
    }
    core->outcome = NULL;
    driver_end(&d);
}

static void every_state_and_trigger_does_what_the_table_says(void **state)
{
    (void)state;
    size_t pairs = 0;
    for (int s = 0; s < ESP_TRIAL_STATE_COUNT; s++) {
        for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
            for (int saved = 0; saved < 2; saved++) {
                if (s != ESP_TRIAL_STOPPING) {
                    bool needs_save = s == ESP_TRIAL_PAUSED;
                    check_pair(s, ESP_CAUSE_NONE, all[i], saved || needs_save, false);
                    pairs++;
                    continue;
                }
                for (int c = ESP_CAUSE_COMPLETE; c < ESP_CAUSE_COUNT; c++) {
                    check_pair(s, c, all[i], saved, false);
                    pairs++;
                }
            }
        }
    }
    assert_int_equal(sizeof all / sizeof all[0], ESP_TRIGGER_COUNT);
    assert_int_equal(pairs, 2 * ESP_TRIGGER_COUNT * (9 + 6));
}

static void the_scheduler_cannot_continue_or_discard_a_held_trial(void **state)
{
    (void)state;
    check_pair(ESP_TRIAL_PAUSED, ESP_CAUSE_NONE, ESP_TRIGGER_CONTINUE, true, true);
    check_pair(ESP_TRIAL_PAUSED, ESP_CAUSE_NONE, ESP_TRIGGER_DISCARD, true, true);
    check_pair(ESP_TRIAL_PAUSED, ESP_CAUSE_NONE, ESP_TRIGGER_RESUME, true, true);
}

static void the_first_cause_wins(void **state)
{
    (void)state;
    struct driver d;
    bring_to(&d, ESP_TRIAL_STOPPING, ESP_CAUSE_DIVERGED, false, false);
    struct esp_trial *t = &d.core->trials[0];
    assert_false(esp_trial_trigger(d.core, t, ESP_TRIGGER_STOP));
    assert_false(esp_trial_trigger(d.core, t, ESP_TRIGGER_LOST));
    assert_true(esp_trial_trigger(d.core, t, ESP_TRIGGER_RELEASED));
    assert_int_equal(t->state, ESP_TRIAL_PRUNED);
    assert_int_equal(t->cause, ESP_CAUSE_DIVERGED);
    d.core->outcome = NULL;
    driver_end(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(architecture_shows_the_table_row_by_row),
        cmocka_unit_test(every_state_and_trigger_does_what_the_table_says),
        cmocka_unit_test(the_scheduler_cannot_continue_or_discard_a_held_trial),
        cmocka_unit_test(the_first_cause_wins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
