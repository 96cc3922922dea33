/* Commands of clients, and peers that repeat messages or send invalid ones. */
#include "driver.h"

#include <errno.h>
#include <espalier/live_setting.h>
#include <math.h>
#include <string.h>

static struct driver d;

static void set_up(int64_t run_cap)
{
    struct esp_study study;
    driver_study(&study, run_cap);
    driver_begin(&d, &study);
    driver_open(&d, 1);
}

static int32_t answer(void)
{
    return driver_find(&d, ESP_MESSAGE_REPLY)->reply.code;
}

static void a_repeated_command_gets_the_recorded_answer(void **state)
{
    (void)state;
    set_up(2);
    driver_started(&d, 0, 0);
    driver_command(&d, 77, ESP_VERB_STOP, 0);
    assert_int_equal(answer(), 0);
    driver_reload(&d);
    driver_command(&d, 77, ESP_VERB_STOP, 0);
    assert_int_equal(answer(), 0);
    assert_int_equal(d.outcome.event_count, 0);
    driver_command(&d, 78, ESP_VERB_STOP, 0);
    assert_int_equal(answer(), -EINVAL);
    driver_command(&d, 78, ESP_VERB_STOP, 0);
    assert_int_equal(answer(), -EINVAL);
    assert_string_equal(driver_find(&d, ESP_MESSAGE_REPLY)->reply.text,
                        "it is being stopped already");
    driver_end(&d);
}

static void a_command_on_several_trials_reports_the_first_refusal(void **state)
{
    (void)state;
    set_up(2);
    uint32_t trials[] = {5, 0, 6};
    struct esp_message m = {.kind = ESP_MESSAGE_COMMAND};
    m.command = (struct esp_command){
        .id = 1, .verb = ESP_VERB_STOP, .trials = trials, .trial_count = 3};
    driver_message(&d, (struct esp_peer){ESP_ROLE_CLIENT, 1}, &m);
    assert_int_equal(answer(), -ENOENT);
    assert_int_equal(driver_find(&d, ESP_MESSAGE_REPLY)->reply.trial, 5);
    driver_expect(&d, 0, ESP_TRIAL_STOPPING);
    driver_end(&d);
}

static void a_trial_paused_before_it_starts_is_held_once_it_has(void **state)
{
    (void)state;
    set_up(1);
    driver_command(&d, 1, ESP_VERB_PAUSE, 0);
    assert_int_equal(answer(), 0);
    driver_expect(&d, 0, ESP_TRIAL_ASSIGNED);
    driver_started(&d, 0, 0);
    driver_expect(&d, 0, ESP_TRIAL_PAUSING);
    driver_saved(&d, 0, 0);
    driver_released(&d, 0);
    assert_true(driver_trial(&d, 0).held);
    driver_end(&d);
}

static void a_stopped_trial_with_a_checkpoint_can_be_continued(void **state)
{
    (void)state;
    set_up(2);
    driver_started(&d, 0, 0);
    driver_report(&d, 0, 10, 4, false);
    driver_command(&d, 1, ESP_VERB_STOP, 0);
    assert_true(driver_find(&d, ESP_MESSAGE_DIRECT)->direct.directive.keep);
    driver_saved(&d, 0, 10);
    driver_released(&d, 0);
    driver_expect(&d, 0, ESP_TRIAL_STOPPED);
    driver_command(&d, 2, ESP_VERB_CONTINUE, 0);
    assert_int_equal(answer(), 0);
    driver_expect(&d, 0, ESP_TRIAL_QUEUED);
    driver_end(&d);
}

static void an_added_trial_has_the_values_it_was_given(void **state)
{
    (void)state;
    set_up(2);
    struct esp_setting setting = {"learning_rate", {.type = ESP_VALUE_REAL, .real = 3e-3}};
    struct esp_message m = {.kind = ESP_MESSAGE_COMMAND};
    m.command = (struct esp_command){
        .id = 1, .verb = ESP_VERB_ADD, .settings = &setting, .setting_count = 1};
    driver_message(&d, (struct esp_peer){ESP_ROLE_CLIENT, 1}, &m);
    assert_int_equal(answer(), 0);
    assert_int_equal(driver_find(&d, ESP_MESSAGE_REPLY)->reply.trial, 1);
    assert_true(driver_trial(&d, 1).values[0] == 3e-3);
    m.command.id = 2;
    driver_message(&d, (struct esp_peer){ESP_ROLE_CLIENT, 1}, &m);
    assert_int_equal(answer(), -EDQUOT);
    setting.name = "lr";
    m.command.id = 3;
    driver_message(&d, (struct esp_peer){ESP_ROLE_CLIENT, 1}, &m);
    assert_int_not_equal(answer(), 0);
    driver_end(&d);
}

static void settings_out_of_range_change_nothing(void **state)
{
    (void)state;
    for (int i = 0; i < ESP_LIVE_COUNT; i++) { /* the list in words has every row */
        assert_non_null(strstr(ESP_LIVE_SETTING_NAMES, esp_live_settings[i].name));
    }
    set_up(2);
    struct {
        const char *name;
        double value;
    } bad[] = {{"run_cap", -1},
               {"run_cap", 1.5},
               {"workers", NAN},
               {"colour", 3},
               {"budget.usd", 5},
               {"budget.tokens", INFINITY}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct esp_setting setting = {bad[i].name,
                                      {.type = ESP_VALUE_REAL, .real = bad[i].value}};
        struct esp_message m = {.kind = ESP_MESSAGE_COMMAND};
        m.command = (struct esp_command){
            .id = i + 1, .verb = ESP_VERB_SET, .settings = &setting, .setting_count = 1};
        driver_message(&d, (struct esp_peer){ESP_ROLE_CLIENT, 1}, &m);
        assert_int_equal(answer(), -EINVAL);
        /* The answer names the setting, or those that there are. */
        const char *known = i == 3 ? "budget.hours" : bad[i].name;
        assert_non_null(strstr(driver_find(&d, ESP_MESSAGE_REPLY)->reply.text, known));
        assert_int_equal(driver_recorded(&d, ESP_EVENT_CHANGED), 0);
    }
    driver_end(&d);
}

static void extend_is_refused_with_a_reason(void **state)
{
    (void)state;
    set_up(1);
    driver_command(&d, 1, ESP_VERB_EXTEND, 0);
    assert_int_equal(answer(), -ENOTSUP);
    assert_non_null(strstr(driver_find(&d, ESP_MESSAGE_REPLY)->reply.text,
                           "raise trainer.tokens in a copy of the study file"));
    driver_end(&d);
}

static void a_peer_of_another_study_or_version_is_refused(void **state)
{
    (void)state;
    set_up(1);
    struct esp_message m = {.kind = ESP_MESSAGE_HELLO};
    m.hello = (struct esp_hello){.role = ESP_ROLE_AGENT,
                                 .protocol = ESP_PROTOCOL_VERSION,
                                 .key = 99,
                                 .study = NONCE + 1,
                                 .slots = 4};
    struct esp_peer peer = {ESP_ROLE_AGENT, 99};
    driver_message(&d, peer, &m);
    assert_non_null(driver_find(&d, ESP_MESSAGE_WELCOME)->welcome.refused);
    assert_int_equal(d.outcome.event_count, 0);
    m.hello.study = NONCE;
    m.hello.protocol = ESP_PROTOCOL_VERSION + 1;
    driver_message(&d, peer, &m);
    assert_non_null(driver_find(&d, ESP_MESSAGE_WELCOME)->welcome.refused);
    m.hello.protocol = ESP_PROTOCOL_VERSION;
    m.hello.key = 98;
    driver_message(&d, peer, &m);
    assert_non_null(driver_find(&d, ESP_MESSAGE_WELCOME)->welcome.refused);
    driver_end(&d);
}

static void an_unknown_peer_is_asked_to_introduce_itself(void **state)
{
    (void)state;
    set_up(1);
    struct esp_message beat = {.kind = ESP_MESSAGE_HEARTBEAT};
    driver_message(&d, (struct esp_peer){ESP_ROLE_TRIAL, 12345}, &beat);
    assert_int_equal(driver_sent(&d, ESP_MESSAGE_INTRODUCE), 1);
    assert_int_equal(d.outcome.event_count, 0);
    driver_end(&d);
}

static void invalid_reports_are_recorded_as_faults_only(void **state)
{
    (void)state;
    set_up(1);
    driver_started(&d, 0, 0);
    driver_report(&d, 0, 10, 4, false);
    static const struct esp_measure nameless = {"", 1};
    const struct esp_point bad[] = {
        {.step = -1, .tokens = 800, .value = 1},
        {.step = 20, .tokens = -5, .value = 1},
        {.step = INT64_MAX, .tokens = 800, .value = 1},
        {.step = 20, .tokens = INT64_MAX, .value = 1},
        {.step = 20, .tokens = 399, .value = 1}, /* backwards */
        {.step = 20, .tokens = 800, .device_seconds = NAN, .value = 1},
        {.step = 20, .tokens = 800, .device_seconds = -1, .value = 1},
        {.step = 20, .tokens = 800, .value = 1, .measures = &nameless, .measure_count = 1},
        {.step = 20, .tokens = 800, .value = 1, .measures = &nameless, .measure_count = 4000},
    };
    uint64_t process = driver_trial(&d, 0).process;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct esp_message m = {.kind = ESP_MESSAGE_REPORT};
        m.report = (struct esp_report){
            .at = {0, 1, ++d.sequence[0]}, .points = &bad[i], .point_count = 1};
        driver_message(&d, (struct esp_peer){ESP_ROLE_TRIAL, process}, &m);
        assert_int_equal(driver_recorded(&d, ESP_EVENT_PROTOCOL), 1);
        assert_int_equal(driver_recorded(&d, ESP_EVENT_REPORT), 0);
        /* Without an Ack it would be sent again. */
        assert_int_equal(driver_find(&d, ESP_MESSAGE_ACK)->ack.sequence, d.sequence[0]);
    }
    driver_report(&d, 0, 20, 3, false);
    assert_int_equal(driver_trial(&d, 0).step, 20);
    driver_end(&d);
}

static void a_checkpoint_outside_the_study_is_refused(void **state)
{
    (void)state;
    set_up(1);
    driver_started(&d, 0, 0);
    const char *const paths[] = {
        "/etc/passwd", "../x", "checkpoints/../../x", "", NULL, "a/.."};
    uint64_t process = driver_trial(&d, 0).process;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        struct esp_message m = {.kind = ESP_MESSAGE_SAVED};
        m.saved = (struct esp_saved){.at = {0, 1, ++d.sequence[0]}, .path = paths[i]};
        driver_message(&d, (struct esp_peer){ESP_ROLE_TRIAL, process}, &m);
        assert_int_equal(driver_recorded(&d, ESP_EVENT_SAVED), 0);
        assert_int_equal(driver_recorded(&d, ESP_EVENT_PROTOCOL), 1);
    }
    driver_end(&d);
}

static void invalid_messages_cannot_fill_the_ledger(void **state)
{
    (void)state;
    set_up(1);
    struct esp_input input = {
        .kind = ESP_INPUT_MALFORMED, .peer = {ESP_ROLE_TRIAL, 5}, .text = "not protobuf"};
    struct esp_message spawn = {.kind = ESP_MESSAGE_SPAWN};
    size_t events = 0;
    for (int i = 0; i < 1000; i++) {
        esp_outcome_reset(&d.outcome);
        assert_int_equal(esp_core_step(d.core, &input, d.now, &d.outcome), 0);
        events += d.outcome.event_count;
        esp_outcome_reset(&d.outcome);
        struct esp_input message = {
            .kind = ESP_INPUT_MESSAGE, .peer = {ESP_ROLE_AGENT, AGENT}, .message = &spawn};
        assert_int_equal(esp_core_step(d.core, &message, d.now, &d.outcome), 0);
        events += d.outcome.event_count;
    }
    assert_int_equal(events, 100);
    driver_end(&d);
}

static void a_repeated_exit_is_recorded_once_and_acknowledged_twice(void **state)
{
    (void)state;
    set_up(1);
    uint64_t key = driver_trial(&d, 0).process;
    driver_exited(&d, key, 1, 0);
    assert_int_equal(driver_recorded(&d, ESP_EVENT_EXITED), 1);
    driver_exited(&d, key, 1, 0);
    assert_int_equal(driver_recorded(&d, ESP_EVENT_EXITED), 0);
    assert_int_equal(driver_sent(&d, ESP_MESSAGE_EXITED_ACK), 1);
    driver_end(&d);
}

static void spawns_and_kills_are_sent_again_when_the_agent_returns(void **state)
{
    (void)state;
    struct esp_study study;
    driver_study(&study, 1);
    driver_begin(&d, &study);
    driver_input(&d, ESP_INPUT_START);
    driver_agent(&d, 1, NULL, 0);
    uint64_t key = driver_find(&d, ESP_MESSAGE_SPAWN)->spawn.key;
    driver_agent(&d, 1, NULL, 0);
    assert_int_equal(driver_find(&d, ESP_MESSAGE_SPAWN)->spawn.key, key);
    assert_int_equal(driver_sent(&d, ESP_MESSAGE_INTRODUCE), 0);
    assert_int_equal(d.outcome.event_count, 0);
    driver_hello(&d, key, NULL, 0);
    driver_input(&d, ESP_INPUT_TERMINATE);
    driver_agent(&d, 1, &key, 1);
    assert_int_equal(driver_find(&d, ESP_MESSAGE_KILL)->kill.key, key);
    driver_end(&d);
}

static void an_unknown_process_is_killed(void **state)
{
    (void)state;
    set_up(1);
    uint64_t keys[] = {driver_trial(&d, 0).process, 4711};
    driver_agent(&d, 1, keys, 2);
    assert_int_equal(driver_sent(&d, ESP_MESSAGE_KILL), 1);
    assert_int_equal(driver_find(&d, ESP_MESSAGE_KILL)->kill.key, 4711);
    driver_end(&d);
}

static void a_ledger_that_contradicts_itself_is_refused(void **state)
{
    (void)state;
    set_up(1);
    struct esp_core *core;
    assert_int_equal(esp_core_create(&d.study, &d.options, &core, NULL), 0);
    struct esp_error error;
    struct esp_event e = d.log[1];
    assert_int_equal(esp_core_apply(core, &e, &error), -EPROTO);
    for (size_t i = 0; i < d.logged; i++) {
        e = d.log[i];
        if (e.kind == ESP_EVENT_MOVED) {
            e.moved.from = ESP_TRIAL_RUNNING;
            assert_int_equal(esp_core_apply(core, &e, &error), -EPROTO);
            assert_true(strlen(error.text) > 0);
        }
        assert_int_equal(esp_core_apply(core, &d.log[i], &error), 0);
    }
    esp_core_destroy(core);
    driver_end(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_repeated_command_gets_the_recorded_answer),
        cmocka_unit_test(a_command_on_several_trials_reports_the_first_refusal),
        cmocka_unit_test(a_trial_paused_before_it_starts_is_held_once_it_has),
        cmocka_unit_test(a_stopped_trial_with_a_checkpoint_can_be_continued),
        cmocka_unit_test(an_added_trial_has_the_values_it_was_given),
        cmocka_unit_test(settings_out_of_range_change_nothing),
        cmocka_unit_test(extend_is_refused_with_a_reason),
        cmocka_unit_test(a_peer_of_another_study_or_version_is_refused),
        cmocka_unit_test(an_unknown_peer_is_asked_to_introduce_itself),
        cmocka_unit_test(invalid_reports_are_recorded_as_faults_only),
        cmocka_unit_test(a_checkpoint_outside_the_study_is_refused),
        cmocka_unit_test(invalid_messages_cannot_fill_the_ledger),
        cmocka_unit_test(a_repeated_exit_is_recorded_once_and_acknowledged_twice),
        cmocka_unit_test(spawns_and_kills_are_sent_again_when_the_agent_returns),
        cmocka_unit_test(an_unknown_process_is_killed),
        cmocka_unit_test(a_ledger_that_contradicts_itself_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
