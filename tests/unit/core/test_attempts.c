/* Attempts of trials: granted, trained, paused, lost, fenced. */
#include "driver.h"

#include <errno.h>
#include <math.h>
#include <string.h>

static struct driver *set_up(int64_t run_cap, uint32_t slots)
{
    static struct driver d;
    struct esp_study study;
    driver_study(&study, run_cap);
    driver_begin(&d, &study);
    driver_open(&d, slots);
    return &d;
}

static void train_to_the_horizon(struct driver *d, uint32_t trial)
{
    driver_started(d, trial, 0);
    driver_report(d, trial, 0, 5, false);
    driver_report(d, trial, 100, 2, true);
    driver_expect(d, trial, ESP_TRIAL_STOPPING);
    driver_saved(d, trial, 100);
    driver_released(d, trial);
    driver_expect(d, trial, ESP_TRIAL_COMPLETE);
}

static void a_free_slot_gets_a_complete_assignment(void **state)
{
    (void)state;
    struct driver *d = set_up(3, 1);
    const struct esp_assign *a = &driver_find(d, ESP_MESSAGE_ASSIGN)->assign;
    assert_int_equal(a->trial, 0);
    assert_int_equal(a->attempt, 1);
    assert_int_equal(a->horizon, 4000);
    assert_int_equal(a->directive.number, 0);
    assert_int_equal(a->directive.action, ESP_DIRECT_CONTINUE);
    assert_int_equal(a->directive.until, 4000);
    assert_null(a->resume);
    assert_int_equal(a->param_count, 1);
    assert_string_equal(a->params[0].name, "learning_rate");
    assert_true(a->params[0].value.real >= 1e-4 && a->params[0].value.real <= 1e-2);
    assert_ptr_equal(a->trainer, &d->study.trainer);
    driver_end(d);
}

static void a_study_ends_when_every_trial_has_reached_its_horizon(void **state)
{
    (void)state;
    struct driver *d = set_up(2, 1);
    train_to_the_horizon(d, 0);
    assert_int_equal(driver_find(d, ESP_MESSAGE_ASSIGN)->assign.trial, 1);
    train_to_the_horizon(d, 1);
    assert_int_equal(driver_recorded(d, ESP_EVENT_ENDED), 1);
    uint64_t key = driver_find(d, ESP_MESSAGE_KILL)->kill.key;
    assert_null(driver_effect(d, ESP_EFFECT_FINISH));
    driver_exited(d, key, 0, 0);
    assert_int_equal(driver_sent(d, ESP_MESSAGE_EXITED_ACK), 1);
    assert_int_equal(driver_sent(d, ESP_MESSAGE_RETIRE), 1);
    assert_int_equal(driver_effect(d, ESP_EFFECT_FINISH)->exit_code, 0);
    struct esp_core_totals totals = esp_core_totals(d->core);
    assert_int_equal(totals.state, ESP_STUDY_COMPLETE);
    assert_int_equal(totals.by_state[ESP_TRIAL_COMPLETE], 2);
    assert_int_equal(totals.spent_tokens, 8000);
    driver_end(d);
}

static void a_trial_at_its_horizon_cannot_be_continued(void **state)
{
    (void)state;
    struct driver *d = set_up(2, 1);
    train_to_the_horizon(d, 0);
    driver_command(d, 900, ESP_VERB_CONTINUE, 0);
    const struct esp_reply *reply = &driver_find(d, ESP_MESSAGE_REPLY)->reply;
    assert_int_equal(reply->code, -EINVAL);
    assert_non_null(strstr(reply->text, "it has reached its horizon"));
    driver_expect(d, 0, ESP_TRIAL_COMPLETE);
    driver_end(d);
}

static void a_trial_at_its_horizon_is_directed_to_save_and_stop(void **state)
{
    (void)state;
    struct driver *d = set_up(1, 1);
    driver_started(d, 0, 0);
    driver_report(d, 0, 100, 2, true);
    const struct esp_ack *ack = &driver_find(d, ESP_MESSAGE_ACK)->ack;
    assert_int_equal(ack->sequence, 2);
    assert_int_equal(ack->directive.action, ESP_DIRECT_STOP);
    assert_true(ack->directive.keep);
    assert_int_equal(driver_sent(d, ESP_MESSAGE_DIRECT), 0);
    driver_end(d);
}

static void a_repeated_report_is_acknowledged_and_not_recorded(void **state)
{
    (void)state;
    struct driver *d = set_up(1, 1);
    driver_started(d, 0, 0);
    driver_report(d, 0, 10, 4, false);
    assert_int_equal(driver_recorded(d, ESP_EVENT_REPORT), 1);
    d->sequence[0]--;
    driver_report(d, 0, 10, 4, false);
    assert_int_equal(d->outcome.event_count, 0);
    assert_int_equal(driver_find(d, ESP_MESSAGE_ACK)->ack.sequence, 2);
    driver_end(d);
}

static void a_gap_in_the_sequence_is_neither_recorded_nor_acknowledged(void **state)
{
    (void)state;
    struct driver *d = set_up(1, 1);
    driver_started(d, 0, 0);
    d->sequence[0]++;
    driver_report(d, 0, 10, 4, false);
    assert_int_equal(d->outcome.event_count, 0);
    assert_int_equal(d->outcome.effect_count, 0);
    driver_end(d);
}

static void retrained_steps_are_acknowledged_and_keep_their_first_value(void **state)
{
    (void)state;
    struct driver *d = set_up(1, 1);
    uint64_t key = driver_trial(d, 0).process;
    driver_started(d, 0, 0);
    driver_report(d, 0, 10, 4, false);
    driver_exited(d, key, -1, 11);
    driver_greet(d);
    driver_expect(d, 0, ESP_TRIAL_ASSIGNED);
    assert_int_equal(driver_trial(d, 0).attempt, 2);
    driver_started(d, 0, 0);
    driver_report(d, 0, 10, 3.5, false);
    assert_int_equal(driver_recorded(d, ESP_EVENT_REPORT), 0);
    assert_int_equal(driver_find(d, ESP_MESSAGE_ACK)->ack.sequence, 2);
    assert_true(driver_trial(d, 0).value == 4);
    driver_report(d, 0, 20, 3, false);
    assert_int_equal(driver_recorded(d, ESP_EVENT_REPORT), 1);
    assert_int_equal(driver_trial(d, 0).spent_tokens, 400 + 800);
    driver_end(d);
}

static void pause_waits_for_the_saved_checkpoint(void **state)
{
    (void)state;
    struct driver *d = set_up(1, 1);
    driver_started(d, 0, 0);
    driver_report(d, 0, 10, 4, false);
    driver_command(d, 1, ESP_VERB_PAUSE, 0);
    driver_expect(d, 0, ESP_TRIAL_PAUSING);
    assert_int_equal(driver_find(d, ESP_MESSAGE_DIRECT)->direct.directive.action,
                     ESP_DIRECT_PAUSE);
    driver_saved(d, 0, 12);
    driver_expect(d, 0, ESP_TRIAL_PAUSING);
    driver_released(d, 0);
    driver_expect(d, 0, ESP_TRIAL_PAUSED);
    assert_int_equal(driver_find(d, ESP_MESSAGE_ACK)->ack.sequence, 4);
    assert_int_equal(driver_trial(d, 0).checkpoint_tokens, 480);
    driver_end(d);
}

static void a_release_without_a_checkpoint_loses_the_attempt(void **state)
{
    (void)state;
    struct driver *d = set_up(1, 1);
    driver_started(d, 0, 0);
    driver_report(d, 0, 10, 4, false);
    driver_command(d, 1, ESP_VERB_PAUSE, 0);
    driver_released(d, 0);
    driver_expect(d, 0, ESP_TRIAL_PAUSED);
    assert_int_equal(driver_trial(d, 0).checkpoint_tokens, -1);
    /* It was queued, and paused there by the user's hold: it starts from the beginning. */
    assert_true(driver_trial(d, 0).held);
    assert_int_equal(driver_recorded(d, ESP_EVENT_MOVED), 3);
    driver_end(d);
}

static void a_checkpoint_before_the_last_report_does_not_complete_a_pause(void **state)
{
    (void)state;
    struct driver *d = set_up(1, 1);
    driver_started(d, 0, 0);
    driver_report(d, 0, 10, 4, false);
    driver_saved(d, 0, 10);
    driver_report(d, 0, 20, 4, false);
    driver_input(d, ESP_INPUT_INTERRUPT);
    driver_released(d, 0);
    driver_expect(d, 0, ESP_TRIAL_QUEUED);
    driver_end(d);
}

static void a_checkpoint_at_the_last_report_completes_a_pause(void **state)
{
    (void)state;
    struct driver *d = set_up(1, 1);
    driver_started(d, 0, 0);
    driver_report(d, 0, 10, 4, false);
    driver_saved(d, 0, 10);
    driver_input(d, ESP_INPUT_INTERRUPT);
    driver_released(d, 0);
    driver_expect(d, 0, ESP_TRIAL_PAUSED);
    driver_end(d);
}

static void a_save_without_room_does_not_count_against_the_trial(void **state)
{
    (void)state;
    struct driver *d = set_up(1, 1);
    static const int full[] = {-ENOSPC, -EDQUOT, -EFBIG};
    for (int i = 0; i < 6; i++) {
        driver_started(d, 0, 0);
        driver_report(d, 0, 10, 4, false);
        driver_input(d, ESP_INPUT_INTERRUPT);
        driver_failed(d, 0, full[i % 3], true);
        driver_expect(d, 0, ESP_TRIAL_STOPPING);
        assert_int_equal(driver_sent(d, ESP_MESSAGE_FENCED), 1);
        driver_fence_answered(d, 0);
        driver_expect(d, 0, ESP_TRIAL_QUEUED);
        assert_int_equal(driver_trial(d, 0).fruitless, 0);
        driver_exited(d, driver_find(d, ESP_MESSAGE_KILL)->kill.key, 0, 0);
        assert_int_equal(driver_effect(d, ESP_EFFECT_FINISH)->exit_code, 5);
        driver_reload(d);
        driver_open(d, 1);
    }
    driver_end(d);
}

static void grants_wait_after_a_save_without_room(void **state)
{
    (void)state;
    struct driver *d = set_up(2, 2);
    driver_started(d, 0, 0);
    driver_report(d, 0, 10, 4, false);
    driver_command(d, 1, ESP_VERB_PAUSE, 0);
    driver_failed(d, 0, -ENOSPC, true);
    driver_fence_answered(d, 0);
    driver_command(d, 2, ESP_VERB_CONTINUE, 0);
    driver_expect(d, 0, ESP_TRIAL_QUEUED);
    driver_wait(d, 999);
    driver_expect(d, 0, ESP_TRIAL_QUEUED);
    driver_wait(d, 1);
    driver_expect(d, 0, ESP_TRIAL_ASSIGNED);
    driver_end(d);
}

static void three_crashes_without_a_report_fail_the_trial(void **state)
{
    (void)state;
    struct driver *d = set_up(2, 1);
    for (uint32_t i = 1; i <= 3; i++) {
        driver_expect(d, 0, ESP_TRIAL_ASSIGNED);
        assert_int_equal(driver_trial(d, 0).attempt, i);
        driver_started(d, 0, 0);
        driver_exited(d, driver_trial(d, 0).process, -1, 11);
        driver_expect(d, 0, i < 3 ? ESP_TRIAL_QUEUED : ESP_TRIAL_FAILED);
        driver_greet(d);
    }
    driver_expect(d, 1, ESP_TRIAL_ASSIGNED);
    driver_end(d);
}

static void a_report_resets_the_count_of_fruitless_attempts(void **state)
{
    (void)state;
    struct driver *d = set_up(1, 1);
    for (int i = 0; i < 7; i++) {
        driver_started(d, 0, 0);
        if (i % 2 == 1) {
            driver_report(d, 0, i, 4, false);
        }
        driver_exited(d, driver_trial(d, 0).process, -1, 11);
        driver_expect(d, 0, ESP_TRIAL_QUEUED);
        driver_greet(d);
    }
    driver_end(d);
}

static void a_lost_host_does_not_count_against_the_trial(void **state)
{
    (void)state;
    struct driver *d = set_up(1, 1);
    for (int i = 0; i < 5; i++) {
        driver_started(d, 0, 0);
        driver_wait(d, ESP_LEASE_MS + ESP_LEASE_MARGIN_MS + 1); /* no peer sends anything */
        driver_expect(d, 0, ESP_TRIAL_QUEUED);
        assert_int_equal(driver_trial(d, 0).fruitless, 0);
        driver_agent(d, 1, NULL, 0);
        driver_exited(d, d->core ? driver_find(d, ESP_MESSAGE_KILL)->kill.key : 0, -1, 0);
        driver_greet(d);
    }
    driver_end(d);
}

static void a_silent_process_keeps_its_trial_for_lease_and_margin(void **state)
{
    (void)state;
    struct driver *d = set_up(1, 1);
    driver_started(d, 0, 0);
    driver_wait(d, ESP_LEASE_MS + ESP_LEASE_MARGIN_MS - 1);
    driver_expect(d, 0, ESP_TRIAL_RUNNING);
    driver_wait(d, 1);
    driver_expect(d, 0, ESP_TRIAL_QUEUED);
    driver_end(d);
}

static void a_message_to_a_process_prolongs_its_lease(void **state)
{
    (void)state;
    struct driver *d = set_up(1, 1);
    driver_started(d, 0, 0);
    driver_wait(d, 20000);
    driver_command(d, 1, ESP_VERB_PAUSE, 0); /* the Direct may renew the lease of the process */
    driver_wait(d, ESP_LEASE_MS + ESP_LEASE_MARGIN_MS - 1);
    assert_int_not_equal(driver_trial(d, 0).process, 0);
    /* The grace period of the pause has ended meanwhile, and Fenced was sent: another lease. */
    driver_wait(d, ESP_LEASE_MS + ESP_LEASE_MARGIN_MS);
    assert_int_equal(driver_trial(d, 0).process, 0);
    driver_end(d);
}

static void a_stale_attempt_is_fenced_and_changes_nothing(void **state)
{
    (void)state;
    struct driver *d = set_up(1, 2);
    driver_started(d, 0, 0);
    struct esp_trial_view old = driver_trial(d, 0);
    driver_wait(d, ESP_LEASE_MS + ESP_LEASE_MARGIN_MS);
    driver_expect(d, 0, ESP_TRIAL_QUEUED);
    driver_agent(d, 2, &old.process, 1);
    driver_greet(d);
    driver_expect(d, 0, ESP_TRIAL_ASSIGNED);
    struct esp_held held = {0, 1, 0, 5};
    driver_hello(d, old.process, &held, 1);
    assert_int_equal(driver_find(d, ESP_MESSAGE_FENCED)->fenced.attempt, 1);
    struct esp_point point = {.step = 50, .tokens = 2000, .value = 1};
    struct esp_message m = {.kind = ESP_MESSAGE_REPORT};
    m.report = (struct esp_report){.at = {0, 1, 2}, .points = &point, .point_count = 1};
    driver_message(d, (struct esp_peer){ESP_ROLE_TRIAL, old.process}, &m);
    assert_int_equal(d->outcome.event_count, 0);
    assert_int_equal(driver_sent(d, ESP_MESSAGE_ACK), 0);
    assert_int_equal(driver_sent(d, ESP_MESSAGE_FENCED), 1);
    assert_int_equal(driver_trial(d, 0).step, -1);
    driver_end(d);
}

static void an_unanswered_assignment_is_lost_and_keeps_its_slot_until_released(void **state)
{
    (void)state;
    struct driver *d = set_up(2, 1);
    uint64_t key = driver_trial(d, 0).process;
    struct esp_message beat = {.kind = ESP_MESSAGE_HEARTBEAT};
    for (int i = 0; i < 6; i++) {
        driver_wait(d, ESP_ANSWER_MS / 6);
        driver_message(d, (struct esp_peer){ESP_ROLE_TRIAL, key}, &beat);
        driver_message(d, (struct esp_peer){ESP_ROLE_AGENT, AGENT}, &beat);
    }
    driver_expect(d, 0, ESP_TRIAL_STOPPING);
    assert_int_equal(esp_core_trial_count(d->core), 1);
    driver_fence_answered(d, 0);
    assert_int_equal(driver_trial(d, 0).attempt, 2);
    driver_end(d);
}

static void a_process_that_does_not_stop_is_killed(void **state)
{
    (void)state;
    struct driver *d = set_up(1, 1);
    driver_started(d, 0, 0);
    uint64_t key = driver_trial(d, 0).process;
    struct esp_message beat = {.kind = ESP_MESSAGE_HEARTBEAT};
    driver_command(d, 1, ESP_VERB_STOP, 0);
    driver_wait(d, ESP_GRACE_MS - 1);
    driver_message(d, (struct esp_peer){ESP_ROLE_TRIAL, key}, &beat);
    driver_message(d, (struct esp_peer){ESP_ROLE_AGENT, AGENT}, &beat);
    driver_expect(d, 0, ESP_TRIAL_STOPPING);
    d->now++;
    driver_input(d, ESP_INPUT_TICK);
    assert_int_equal(driver_find(d, ESP_MESSAGE_KILL)->kill.key, key);
    assert_false(driver_find(d, ESP_MESSAGE_KILL)->kill.now);
    driver_expect(d, 0, ESP_TRIAL_STOPPING);
    driver_exited(d, key, 0, 15);
    driver_expect(d, 0, ESP_TRIAL_STOPPED);
    driver_end(d);
}

static void an_adopted_process_continues_its_attempt(void **state)
{
    (void)state;
    struct driver *d = set_up(1, 1);
    driver_started(d, 0, 0);
    driver_report(d, 0, 10, 4, false);
    uint64_t key = driver_trial(d, 0).process;
    driver_reload(d);
    driver_input(d, ESP_INPUT_START);
    driver_agent(d, 1, &key, 1);
    assert_int_equal(driver_sent(d, ESP_MESSAGE_SPAWN), 0);
    /* It has forgotten what was acknowledged, also reports that left no event. */
    struct esp_held held = {0, 1, 6, 7};
    driver_hello(d, key, &held, 1);
    assert_int_equal(driver_sent(d, ESP_MESSAGE_FENCED), 0);
    assert_int_equal(driver_find(d, ESP_MESSAGE_ACK)->ack.sequence, 6);
    d->sequence[0] = 6;
    driver_report(d, 0, 20, 3, false);
    assert_int_equal(driver_recorded(d, ESP_EVENT_REPORT), 1);
    assert_int_equal(driver_trial(d, 0).attempt, 1);
    driver_end(d);
}

static void a_resumed_controller_repeats_the_latest_directive(void **state)
{
    (void)state;
    struct driver *d = set_up(1, 1);
    driver_started(d, 0, 0);
    uint64_t key = driver_trial(d, 0).process;
    driver_command(d, 1, ESP_VERB_PAUSE, 0);
    driver_reload(d);
    driver_input(d, ESP_INPUT_START);
    driver_agent(d, 1, &key, 1);
    struct esp_held held = {0, 1, 1, 1};
    driver_hello(d, key, &held, 1);
    const struct esp_ack *ack = &driver_find(d, ESP_MESSAGE_ACK)->ack;
    assert_int_equal(ack->directive.action, ESP_DIRECT_PAUSE);
    assert_int_equal(ack->directive.number, 1);
    driver_end(d);
}

static void a_process_missing_from_two_lists_of_its_agent_frees_its_trial(void **state)
{
    (void)state;
    struct driver *d = set_up(1, 1);
    driver_started(d, 0, 0);
    driver_reload(d);
    driver_input(d, ESP_INPUT_START);
    driver_expect(d, 0, ESP_TRIAL_RUNNING);
    driver_agent(d, 1, NULL, 0);
    assert_int_equal(driver_sent(d, ESP_MESSAGE_INTRODUCE), 1);
    driver_expect(d, 0, ESP_TRIAL_RUNNING);
    driver_agent(d, 1, NULL, 0);
    driver_expect(d, 0, ESP_TRIAL_QUEUED);
    assert_int_equal(driver_sent(d, ESP_MESSAGE_SPAWN), 1);
    driver_end(d);
}

/* An agent's Hello from before the process was started reaches the next incarnation. */
static void an_outdated_list_of_processes_ends_none(void **state)
{
    (void)state;
    struct driver *d = set_up(1, 1);
    driver_started(d, 0, 0);
    uint64_t key = driver_trial(d, 0).process;
    driver_reload(d);
    driver_input(d, ESP_INPUT_START);
    driver_agent(d, 1, NULL, 0);
    driver_agent(d, 1, &key, 1);
    assert_int_equal(driver_sent(d, ESP_MESSAGE_INTRODUCE), 0);
    assert_int_equal(driver_sent(d, ESP_MESSAGE_SPAWN), 0);
    driver_agent(d, 1, NULL, 0); /* a new one: it needs an answer of its own */
    driver_expect(d, 0, ESP_TRIAL_RUNNING);
    assert_int_equal(driver_sent(d, ESP_MESSAGE_INTRODUCE), 1);
    assert_int_equal(driver_logged(d, ESP_EVENT_EXITED), 0);
    driver_end(d);
}

static void a_process_hosts_several_trials_and_a_crash_separates_them(void **state)
{
    (void)state;
    struct driver *d = set_up(3, 1);
    uint64_t key = driver_trial(d, 0).process;
    struct esp_message capacity = {.kind = ESP_MESSAGE_CAPACITY};
    capacity.capacity.members = 2;
    driver_message(d, (struct esp_peer){ESP_ROLE_TRIAL, key}, &capacity);
    driver_expect(d, 1, ESP_TRIAL_ASSIGNED);
    assert_int_equal(esp_core_trial_count(d->core), 2);
    driver_started(d, 0, 0);
    driver_started(d, 1, 0);
    driver_exited(d, key, -1, 11);
    /* The crash of a shared process says nothing about one of its trials. */
    assert_int_equal(driver_trial(d, 0).fruitless, 0);
    assert_int_equal(driver_trial(d, 1).fruitless, 0);
    driver_greet(d);
    uint64_t next = driver_trial(d, 0).process;
    driver_message(d, (struct esp_peer){ESP_ROLE_TRIAL, next}, &capacity);
    driver_expect(d, 0, ESP_TRIAL_ASSIGNED);
    driver_expect(d, 1, ESP_TRIAL_QUEUED);
    driver_started(d, 0, 0);
    driver_expect(d, 1, ESP_TRIAL_QUEUED);
    driver_report(d, 0, 1, 4, false); /* trial 0 may share a process again, trial 1 not yet */
    driver_expect(d, 1, ESP_TRIAL_QUEUED);
    driver_end(d);
}

static void a_nan_stops_the_trial_as_diverged(void **state)
{
    (void)state;
    struct driver *d = set_up(1, 1);
    driver_started(d, 0, 0);
    driver_report(d, 0, 0, 5, false);
    driver_report(d, 0, 10, NAN, false);
    driver_expect(d, 0, ESP_TRIAL_STOPPING);
    driver_released(d, 0);
    driver_expect(d, 0, ESP_TRIAL_PRUNED);
    assert_int_equal(driver_trial(d, 0).cause, ESP_CAUSE_DIVERGED);
    assert_int_equal(esp_core_totals(d->core).exit_code, 3);
    driver_end(d);
}

static void a_loss_above_ten_times_the_first_is_diverged(void **state)
{
    (void)state;
    struct driver *d = set_up(1, 1);
    driver_started(d, 0, 0);
    driver_report(d, 0, 0, 5, false);
    driver_report(d, 0, 10, 50, false);
    driver_expect(d, 0, ESP_TRIAL_RUNNING);
    driver_report(d, 0, 20, 50.1, false);
    driver_expect(d, 0, ESP_TRIAL_STOPPING);
    driver_end(d);
}

static void two_checkpoints_are_kept_and_older_ones_dropped(void **state)
{
    (void)state;
    struct driver *d = set_up(1, 1);
    driver_started(d, 0, 0);
    for (int64_t step = 10; step <= 30; step += 10) {
        driver_report(d, 0, step, 4, false);
        driver_saved(d, 0, step);
        const struct esp_effect *drop = driver_effect(d, ESP_EFFECT_DROP);
        if (step < 30) {
            assert_null(drop);
        } else {
            assert_string_equal(drop->path, "checkpoints/0/1-400");
        }
    }
    assert_int_equal(driver_trial(d, 0).checkpoint_tokens, 1200);
    driver_end(d);
}

static void a_damaged_checkpoint_is_not_resumed_from_again(void **state)
{
    (void)state;
    struct driver *d = set_up(1, 1);
    driver_started(d, 0, 0);
    driver_report(d, 0, 10, 4, false);
    driver_saved(d, 0, 10);
    driver_report(d, 0, 20, 4, false);
    driver_saved(d, 0, 20);
    driver_exited(d, driver_trial(d, 0).process, -1, 9);
    driver_greet(d);
    assert_int_equal(driver_find(d, ESP_MESSAGE_ASSIGN)->assign.resume_tokens, 800);
    struct esp_message m = {.kind = ESP_MESSAGE_STARTED};
    m.started = (struct esp_started){.at = {0, 2, 1},
                                     .can_save = true,
                                     .tokens = 400,
                                     .horizon = 4000,
                                     .fell_back = "checksum"};
    driver_message(d, (struct esp_peer){ESP_ROLE_TRIAL, driver_trial(d, 0).process}, &m);
    assert_int_equal(driver_trial(d, 0).checkpoint_tokens, 400);
    d->sequence[0] = 1;
    driver_report(d, 0, 30, 3, false);
    driver_saved(d, 0, 30);
    /* The damaged checkpoint is dropped, not the good one. */
    assert_string_equal(driver_effect(d, ESP_EFFECT_DROP)->path, "checkpoints/0/1-800");
    driver_end(d);
}

static void an_error_of_the_trainer_fails_the_trial(void **state)
{
    (void)state;
    struct driver *d = set_up(1, 1);
    driver_started(d, 0, 0);
    driver_failed(d, 0, -ENOMEM, false);
    driver_expect(d, 0, ESP_TRIAL_STOPPING);
    driver_released(d, 0);
    driver_expect(d, 0, ESP_TRIAL_FAILED);
    driver_end(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_free_slot_gets_a_complete_assignment),
        cmocka_unit_test(a_study_ends_when_every_trial_has_reached_its_horizon),
        cmocka_unit_test(a_trial_at_its_horizon_cannot_be_continued),
        cmocka_unit_test(a_trial_at_its_horizon_is_directed_to_save_and_stop),
        cmocka_unit_test(a_repeated_report_is_acknowledged_and_not_recorded),
        cmocka_unit_test(a_gap_in_the_sequence_is_neither_recorded_nor_acknowledged),
        cmocka_unit_test(retrained_steps_are_acknowledged_and_keep_their_first_value),
        cmocka_unit_test(pause_waits_for_the_saved_checkpoint),
        cmocka_unit_test(a_release_without_a_checkpoint_loses_the_attempt),
        cmocka_unit_test(a_checkpoint_before_the_last_report_does_not_complete_a_pause),
        cmocka_unit_test(a_checkpoint_at_the_last_report_completes_a_pause),
        cmocka_unit_test(a_save_without_room_does_not_count_against_the_trial),
        cmocka_unit_test(grants_wait_after_a_save_without_room),
        cmocka_unit_test(three_crashes_without_a_report_fail_the_trial),
        cmocka_unit_test(a_report_resets_the_count_of_fruitless_attempts),
        cmocka_unit_test(a_lost_host_does_not_count_against_the_trial),
        cmocka_unit_test(a_silent_process_keeps_its_trial_for_lease_and_margin),
        cmocka_unit_test(a_message_to_a_process_prolongs_its_lease),
        cmocka_unit_test(a_stale_attempt_is_fenced_and_changes_nothing),
        cmocka_unit_test(an_unanswered_assignment_is_lost_and_keeps_its_slot_until_released),
        cmocka_unit_test(a_process_that_does_not_stop_is_killed),
        cmocka_unit_test(an_adopted_process_continues_its_attempt),
        cmocka_unit_test(a_resumed_controller_repeats_the_latest_directive),
        cmocka_unit_test(a_process_missing_from_two_lists_of_its_agent_frees_its_trial),
        cmocka_unit_test(an_outdated_list_of_processes_ends_none),
        cmocka_unit_test(a_process_hosts_several_trials_and_a_crash_separates_them),
        cmocka_unit_test(a_nan_stops_the_trial_as_diverged),
        cmocka_unit_test(a_loss_above_ten_times_the_first_is_diverged),
        cmocka_unit_test(two_checkpoints_are_kept_and_older_ones_dropped),
        cmocka_unit_test(a_damaged_checkpoint_is_not_resumed_from_again),
        cmocka_unit_test(an_error_of_the_trainer_fails_the_trial),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
