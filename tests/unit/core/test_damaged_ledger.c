/* A ledger with altered or missing events: folding it either succeeds or is refused, and never
 * fails an assertion. */
#include "driver.h"

#include <errno.h>
#include <espalier/random.h>
#include <math.h>

#define ROUNDS 3000
/* One event in so many is altered, and one in so many is left out. */
#define ALTERED_EVERY 30
#define OMITTED_EVERY 200

static uint64_t drawn;

static uint32_t draw(uint32_t below)
{
    return esp_random_at(3, 1, ESP_RANDOM_SIMULATION, drawn++).word[0] % below;
}

static int64_t odd_integer(void)
{
    static const int64_t odd[] = {0, -1, INT64_C(1) << 20, INT64_C(1) << 40, -77};
    uint32_t pick = draw(10);
    return pick < 5 ? odd[pick] : draw(5000);
}

static double odd_real(void)
{
    static const double odd[] = {NAN, INFINITY, -1, 0};
    uint32_t pick = draw(6);
    return pick < 4 ? odd[pick] : draw(1000) / 10.0;
}

static void alter_moved(struct esp_event_moved *m)
{
    switch (draw(6)) {
    case 0:
        m->trigger = (enum esp_trigger)draw(ESP_TRIGGER_COUNT + 1);
        break;
    case 1:
        m->from = (enum esp_trial_state)draw(ESP_TRIAL_STATE_COUNT + 1);
        break;
    case 2:
        m->to = (enum esp_trial_state)draw(ESP_TRIAL_STATE_COUNT + 1);
        break;
    case 3:
        m->cause = (enum esp_cause)draw(ESP_CAUSE_COUNT + 1);
        break;
    case 4:
        m->until = odd_integer();
        break;
    default:
        m->resumed_from = odd_integer();
        break;
    }
}

static void alter_report(struct esp_point *p)
{
    switch (draw(4)) {
    case 0:
        p->step = odd_integer();
        break;
    case 1:
        p->tokens = odd_integer();
        break;
    case 2:
        p->value = odd_real();
        break;
    default:
        p->device_seconds = odd_real();
        break;
    }
}

static void alter_verdict(struct esp_verdict *v)
{
    switch (draw(4)) {
    case 0:
        v->action = (enum esp_verdict_action)draw(ESP_VERDICT_SPARE + 1);
        break;
    case 1:
        v->trial = odd_integer();
        break;
    case 2:
        v->until = odd_integer();
        break;
    default:
        v->reason.rule = (enum esp_rule)draw(ESP_RULE_COUNT);
        break;
    }
}

/* Members of the event's kind. */
static void alter_content(struct esp_event *e)
{
    switch (e->kind) {
    case ESP_EVENT_CREATED:
        *(draw(2) ? &e->created.horizon : &e->created.repeats) = odd_integer();
        break;
    case ESP_EVENT_VERDICT:
        alter_verdict(&e->verdict);
        break;
    case ESP_EVENT_MOVED:
        alter_moved(&e->moved);
        break;
    case ESP_EVENT_STARTED_AT:
        *(draw(2) ? &e->started.tokens : &e->started.horizon) = odd_integer();
        break;
    case ESP_EVENT_REPORT:
        alter_report(&e->report.point);
        break;
    case ESP_EVENT_SAVED:
        e->saved.tokens = odd_integer();
        e->saved.step = odd_integer();
        break;
    case ESP_EVENT_DROPPED:
        e->dropped.checkpoint = draw(300);
        break;
    case ESP_EVENT_DIRECTED:
        e->directive.action = (enum esp_directive_action)draw(4);
        e->directive.until = odd_integer();
        break;
    case ESP_EVENT_AGENT:
        e->agent.slots = (uint32_t)odd_integer();
        break;
    case ESP_EVENT_SPAWNED:
        e->spawned.process += draw(3);
        e->spawned.agent = draw(10);
        break;
    case ESP_EVENT_EXITED:
        e->exited.process += draw(2);
        e->exited.asked = draw(2);
        break;
    default:
        break;
    }
}

static void alter(struct esp_event *e)
{
    switch (draw(5)) {
    case 0:
        e->trial = (int64_t)draw(10) - 1;
        break;
    case 1:
        e->attempt = draw(4);
        break;
    case 2:
        e->sequence = draw(20);
        break;
    default:
        alter_content(e);
        break;
    }
}

/* Six trials: some are paused and continued, some crash, some complete. */
static void record_study(struct driver *d)
{
    struct esp_study study;
    driver_study(&study, 6);
    study.workers = 2;
    driver_begin(d, &study);
    driver_open(d, 2);
    for (uint32_t t = 0; t < esp_core_trial_count(d->core); t++) {
        driver_started(d, t, 0);
        driver_report(d, t, 0, 5, false);
        driver_report(d, t, 50, 3, false);
        driver_saved(d, t, 50);
        if (t % 3 == 0) {
            driver_command(d, 100 + t, ESP_VERB_PAUSE, t);
            driver_saved(d, t, 60);
            driver_released(d, t);
            driver_command(d, 200 + t, ESP_VERB_CONTINUE, t);
        } else if (t % 3 == 1) {
            driver_exited(d, driver_trial(d, t).process, -1, 9);
            driver_greet(d);
        } else {
            driver_report(d, t, 100, 2, true);
            driver_saved(d, t, 100);
            driver_released(d, t);
        }
    }
}

/* Folds the log with alterations; false: it was refused. */
static bool fold_altered(const struct driver *d)
{
    struct esp_core *core;
    struct esp_error error;
    int rc = esp_core_create(&d->study, &d->options, &core, &error);
    uint64_t seq = 0;
    for (size_t i = 0; rc == 0 && i < d->logged; i++) {
        struct esp_event e = d->log[i];
        if (draw(ALTERED_EVERY) == 0) {
            alter(&e);
        }
        if (draw(OMITTED_EVERY) > 0) {
            e.seq = ++seq;
            rc = esp_core_apply(core, &e, &error);
        }
    }
    assert_true(rc == 0 || rc == -EPROTO);
    esp_core_digest(core);
    esp_core_totals(core);
    esp_core_destroy(core);
    return rc == 0;
}

static void a_damaged_ledger_is_folded_or_refused(void **state)
{
    (void)state;
    static struct driver d;
    int folded = 0, refused = 0;
    record_study(&d);
    assert_true(d.logged > 40);
    for (int i = 0; i < ROUNDS; i++) {
        bool success = fold_altered(&d);
        folded += success;
        refused += !success;
    }
    assert_true(folded > ROUNDS / 10 && refused > ROUNDS / 20);
    driver_end(&d);
}

/* A value that a later version may write is refused, not taken for one that is known. */
static void unknown_values_of_an_enumeration_are_refused(void **state)
{
    (void)state;
    static struct driver d;
    const struct esp_event events[] = {
        {.seq = 1, .kind = ESP_EVENT_FIT, .fit.which = (enum esp_fitted)2},
        {.seq = 1, .kind = ESP_EVENT_ENDED, .ended.state = ESP_STUDY_STATE_COUNT},
        {.seq = 1, .kind = ESP_EVENT_KIND_COUNT},
    };
    record_study(&d);
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
        struct esp_core *core;
        struct esp_error error;
        assert_int_equal(esp_core_create(&d.study, &d.options, &core, &error), 0);
        assert_int_equal(esp_core_apply(core, &events[i], &error), -EPROTO);
        esp_core_destroy(core);
    }
    driver_end(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_values_of_an_enumeration_are_refused),
        cmocka_unit_test(a_damaged_ledger_is_folded_or_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
