/* A random walk over inputs of a core, valid or not. After each step the fold of the recorded
 * events equals the live state, and the invariants of trials hold. */
#include "driver.h"

#include <errno.h>
#include <espalier/random.h>
#include <math.h>
#include <string.h>

#define WALKS 40
#define STEPS 1500

struct walk {
    struct driver d;
    uint64_t seed, drawn;
    uint64_t keys[512]; /* processes that exist */
    uint32_t key_count;
    uint32_t attempts[64];        /* highest seen of each trial */
    uint32_t counted_attempt[64]; /* attempt that d.sequence counts for */
    bool finished;
};

static uint32_t draw(struct walk *w, uint32_t below)
{
    struct esp_random_block b = esp_random_at(w->seed, 1, ESP_RANDOM_SIMULATION, w->drawn++);
    return b.word[0] % below;
}

static void check(struct walk *w)
{
    struct driver *d = &w->d;
    for (size_t i = 0; i < d->outcome.effect_count; i++) {
        const struct esp_effect *e = &d->outcome.effects[i];
        if (e->kind == ESP_EFFECT_FINISH) {
            w->finished = true;
        } else if (e->kind == ESP_EFFECT_SEND && e->message.kind == ESP_MESSAGE_SPAWN &&
                   w->key_count < 512) {
            bool known = false;
            for (uint32_t k = 0; k < w->key_count; k++) {
                known = known || w->keys[k] == e->message.spawn.key;
            }
            if (!known) {
                w->keys[w->key_count++] = e->message.spawn.key;
            }
        }
    }
    struct esp_core_totals totals = esp_core_totals(d->core);
    uint32_t sum = 0, count = esp_core_trial_count(d->core);
    for (int i = 0; i < ESP_TRIAL_STATE_COUNT; i++) {
        sum += totals.by_state[i];
    }
    assert_int_equal(sum, count);
    assert_true(totals.run_cap == 0 || count <= (uint32_t)totals.run_cap);
    for (uint32_t i = 0; i < count && i < 64; i++) {
        struct esp_trial_view t = driver_trial(d, i);
        bool live = t.state >= ESP_TRIAL_ASSIGNED && t.state <= ESP_TRIAL_PAUSING;
        assert_true(t.attempt >= w->attempts[i]);
        assert_true(!live || t.process != 0);
        w->attempts[i] = t.attempt;
    }
}

static struct esp_attempt_key some_attempt(struct walk *w, uint64_t *process)
{
    struct driver *d = &w->d;
    uint32_t count = esp_core_trial_count(d->core);
    uint32_t trial = count ? draw(w, count) : 0;
    struct esp_attempt_key at = {.trial = trial, .attempt = 1, .sequence = 1};
    *process = w->key_count ? w->keys[draw(w, w->key_count)] : 1;
    if (count && trial < 64) {
        struct esp_trial_view t = driver_trial(d, trial);
        if (t.attempt != w->counted_attempt[trial]) {
            w->counted_attempt[trial] = t.attempt;
            d->sequence[trial] = 0;
        }
        at.attempt = t.attempt;
        at.sequence = d->sequence[trial] + 1;
        if (t.process) {
            *process = t.process;
        }
        if (draw(w, 10) == 0) {
            at.sequence = draw(w, 6);
        } else {
            d->sequence[trial]++;
        }
        if (draw(w, 30) == 0) {
            at.attempt += draw(w, 3) - 1;
        }
        if (draw(w, 30) == 0) {
            at.trial = draw(w, 2) ? 4000000000u : count;
        }
    }
    return at;
}

/* Answers most of the Fenced messages. */
static void answer_fences(struct walk *w)
{
    struct {
        uint64_t process;
        struct esp_fenced fenced;
    } due[16];
    uint32_t count = 0;
    for (size_t i = 0; i < w->d.outcome.effect_count && count < 16; i++) {
        const struct esp_effect *e = &w->d.outcome.effects[i];
        if (e->kind == ESP_EFFECT_SEND && e->message.kind == ESP_MESSAGE_FENCED &&
            draw(w, 8) > 0) {
            due[count].process = e->peer.key;
            due[count++].fenced = e->message.fenced;
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        struct esp_message m = {.kind = ESP_MESSAGE_RELEASED};
        m.released.at.trial = due[i].fenced.trial;
        m.released.at.attempt = due[i].fenced.attempt;
        driver_message(&w->d, (struct esp_peer){ESP_ROLE_TRIAL, due[i].process}, &m);
        check(w);
    }
}

static void send_something(struct walk *w)
{
    struct driver *d = &w->d;
    uint64_t process;
    struct esp_attempt_key at = some_attempt(w, &process);
    uint32_t trial = at.trial < esp_core_trial_count(d->core) ? at.trial : 0;
    int64_t step = 1;
    bool assigned = false;
    if (esp_core_trial_count(d->core)) {
        assigned = driver_trial(d, trial).state == ESP_TRIAL_ASSIGNED;
        step = driver_trial(d, trial).step + (int64_t)draw(w, 12) - 1;
    }
    struct esp_point point = {.step = step,
                              .tokens = step * 40,
                              .device_seconds = (double)step,
                              .value = draw(w, 40)  ? 3
                                       : draw(w, 2) ? NAN
                                                    : 1e9,
                              .train_loss = NAN};
    static const char *const paths[] = {"checkpoints/a", "checkpoints/b", "c", "../d"};
    struct esp_message m = {0};
    switch (assigned && draw(w, 4) ? 0 : 1 + draw(w, 8)) {
    case 0:
        m.kind = ESP_MESSAGE_STARTED;
        m.started = (struct esp_started){.at = at,
                                         .can_save = draw(w, 4) > 0,
                                         .tokens = 40 * (int64_t)draw(w, 4),
                                         .horizon = 4000,
                                         .fell_back = draw(w, 5) ? NULL : "damaged"};
        break;
    case 1:
    case 2:
    case 3:
    case 4:
    case 5:
        m.kind = ESP_MESSAGE_REPORT;
        m.report = (struct esp_report){
            .at = at, .points = &point, .point_count = 1, .waiting = draw(w, 4) == 0};
        break;
    case 6:
        m.kind = ESP_MESSAGE_SAVED;
        m.saved = (struct esp_saved){
            .at = at, .path = paths[draw(w, 4)], .step = step, .tokens = step * 40};
        break;
    case 7:
        m.kind = ESP_MESSAGE_FAILED;
        m.failed = (struct esp_failed){.at = at,
                                       .code = draw(w, 2) ? -ENOSPC : -EIO,
                                       .save_failed = draw(w, 4) > 0,
                                       .text = "text"};
        break;
    default:
        m.kind = ESP_MESSAGE_RELEASED;
        m.released.at = at;
        m.released.at.sequence = draw(w, 3) ? at.sequence : 0;
        break;
    }
    driver_message(d, (struct esp_peer){ESP_ROLE_TRIAL, process}, &m);
}

static void send_hello(struct walk *w)
{
    struct driver *d = &w->d;
    if (draw(w, 3) == 0) {
        uint64_t listed[512];
        uint32_t count = 0;
        for (uint32_t i = 0; i < w->key_count; i++) {
            if (draw(w, 10)) {
                listed[count++] = w->keys[i];
            }
        }
        driver_agent(d, 1 + draw(w, 4), listed, count);
        return;
    }
    if (w->key_count == 0) {
        return;
    }
    struct esp_held held[64];
    uint32_t count = 0, trials = esp_core_trial_count(d->core);
    uint64_t key = w->keys[w->key_count - 1 - draw(w, w->key_count < 4 ? w->key_count : 4)];
    for (uint32_t i = 0; i < trials && i < 64; i++) {
        struct esp_trial_view t = driver_trial(d, i);
        if (t.process == key ? draw(w, 8) > 0 : draw(w, 40) == 0) {
            held[count++] = (struct esp_held){
                i, t.attempt - (draw(w, 20) == 0), d->sequence[i], draw(w, 9)};
        }
    }
    driver_hello(d, key, held, count);
}

static void exit_something(struct walk *w)
{
    if (w->key_count > 0) {
        uint32_t k = draw(w, w->key_count);
        driver_exited(&w->d, w->keys[k], (int32_t)draw(w, 2), draw(w, 2) ? 9 : 0);
    }
}

static void restart(struct walk *w)
{
    driver_reload(&w->d);
    w->finished = false;
    driver_input(&w->d, ESP_INPUT_START);
}

static void one_step(struct walk *w)
{
    struct driver *d = &w->d;
    uint32_t what = draw(w, 100);
    if (what < 60) {
        send_something(w);
    } else if (what < 75) {
        send_hello(w);
    } else if (what < 79) {
        exit_something(w);
    } else if (what < 88) {
        d->now += draw(w, 2) ? draw(w, 2000) : draw(w, 40000);
        driver_input(d, ESP_INPUT_TICK);
    } else if (what < 95) {
        enum esp_command_verb verb = (enum esp_command_verb)draw(w, ESP_VERB_EXTEND + 1);
        driver_command(d, draw(w, 100000) + 1, verb, draw(w, 8));
    } else if (what < 97) {
        driver_input(d, draw(w, 4) ? ESP_INPUT_STORE_ROOM : ESP_INPUT_STORE_FULL);
    } else if (what == 97 && draw(w, 5) == 0) {
        driver_input(d, draw(w, 2) ? ESP_INPUT_INTERRUPT : ESP_INPUT_TERMINATE);
    } else if (w->key_count > 0) {
        struct esp_input gone = {.kind = ESP_INPUT_GONE,
                                 .peer = {draw(w, 2) ? ESP_ROLE_TRIAL : ESP_ROLE_AGENT,
                                          draw(w, 2) ? AGENT : w->keys[draw(w, w->key_count)]}};
        esp_outcome_reset(&d->outcome);
        assert_int_equal(esp_core_step(d->core, &gone, d->now, &d->outcome), 0);
        assert_int_equal(d->outcome.event_count, 0);
    }
    check(w);
    answer_fences(w);
    if (w->finished || draw(w, 400) == 0) {
        restart(w);
        check(w);
    }
}

static void after_any_input_live_state_equals_replayed_state(void **state)
{
    (void)state;
    static struct walk w;
    static const enum esp_scheduler_type types[] = {
        ESP_SCHEDULER_NONE, ESP_SCHEDULER_ASHA, ESP_SCHEDULER_MEDIAN};
    size_t moves = 0, reports = 0, ended = 0;
    for (uint64_t seed = 1; seed <= WALKS; seed++) {
        struct esp_study study;
        memset(&w, 0, sizeof w);
        w.seed = seed;
        driver_study(&study, seed % 4 ? 8 : 0);
        study.stopping.type = types[seed % 3];
        study.maximize = seed % 5 == 0;
        study.budget.tokens = seed % 7 == 0 ? 9000 : 0;
        driver_begin(&w.d, &study);
        driver_open(&w.d, 2);
        check(&w);
        for (int i = 0; i < STEPS && esp_core_trial_count(w.d.core) < 64; i++) {
            one_step(&w);
        }
        moves += driver_logged(&w.d, ESP_EVENT_MOVED);
        reports += driver_logged(&w.d, ESP_EVENT_REPORT);
        ended += driver_logged(&w.d, ESP_EVENT_ENDED);
        driver_end(&w.d);
    }
    /* The walks covered enough. */
    assert_true(moves > 100 * WALKS && reports > 20 * WALKS && ended > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(after_any_input_live_state_equals_replayed_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
