/* Devices and the cost of training on them: their classes, the rate of each class, and budgets
 * that are committed at the rate of each trial. */
#include "driver.h"

#include "core/process_table.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static struct driver d;

static void agent(uint64_t id, const char *device, uint32_t slots)
{
    struct esp_message m = {.kind = ESP_MESSAGE_HELLO};
    uint64_t keys[8];
    uint32_t count = 0;
    for (uint32_t i = 0; i < d.core->process_count && count < 8; i++) {
        if (d.core->processes[i].agent == id && !d.core->processes[i].exited) {
            keys[count++] = d.core->processes[i].key;
        }
    }
    m.hello = (struct esp_hello){.role = ESP_ROLE_AGENT,
                                 .protocol = ESP_PROTOCOL_VERSION,
                                 .key = id,
                                 .study = NONCE,
                                 .host = "here",
                                 .device = device,
                                 .slots = slots,
                                 .processes = keys,
                                 .process_count = count};
    driver_message(&d, (struct esp_peer){ESP_ROLE_AGENT, id}, &m);
    driver_greet(&d);
}

static void open_study(int64_t run_cap)
{
    struct esp_study study;
    driver_study(&study, run_cap);
    driver_begin(&d, &study);
    driver_input(&d, ESP_INPUT_START);
}

/* `count` reports after `step`, `each` steps of 40 tokens apart. */
static void
report(uint32_t trial, int64_t step, int count, int64_t each, double start, double rate)
{
    for (int i = 1; i <= count; i++) {
        int64_t tokens = (step + i * each) * 40;
        struct esp_point point = {.step = step + i * each,
                                  .tokens = tokens,
                                  .device_seconds = start + rate * (double)(tokens - step * 40),
                                  .value = 3,
                                  .train_loss = NAN};
        struct esp_message m = {.kind = ESP_MESSAGE_REPORT};
        struct esp_trial_view t = driver_trial(&d, trial);
        m.report = (struct esp_report){
            .at = {trial, t.attempt, ++d.sequence[trial]}, .points = &point, .point_count = 1};
        driver_message(&d, (struct esp_peer){ESP_ROLE_TRIAL, t.process}, &m);
    }
}

static const struct esp_cost *costs(void)
{
    return esp_scheduler_cost(d.core->scheduler);
}

static void expect_classes(const char *names)
{
    char found[512] = "";
    for (int i = 0; i < d.core->device_count; i++) {
        strcat(strcat(found, i ? " " : ""), d.core->device_names[i]);
    }
    assert_string_equal(found, names);
}

static void device_classes_are_in_order_of_appearance(void **state)
{
    (void)state;
    open_study(8);
    agent(7, "cuda:fast", 1);
    agent(8, "cpu", 1);
    agent(9, "cuda:fast", 1);
    expect_classes("cuda:fast cpu");
    assert_int_equal(esp_agent_find(d.core, 8)->device_class, 1);
    assert_int_equal(esp_agent_find(d.core, 9)->device_class, 0);
    agent(7, "cuda:other", 1); /* the host got another card */
    expect_classes("cuda:fast cpu cuda:other");
    assert_int_equal(esp_agent_find(d.core, 7)->device_class, 2);
    driver_reload(&d); /* compares digests */
    expect_classes("cuda:fast cpu cuda:other");
    assert_int_equal(esp_agent_find(d.core, 9)->device_class, 0);
    assert_int_equal(esp_agent_find(d.core, 7)->device_class, 2);
    driver_end(&d);
}

static void too_many_devices_share_the_last_class(void **state)
{
    (void)state;
    open_study(1);
    for (uint64_t i = 0; i < ESP_DEVICE_CLASSES_MAX + 3; i++) {
        char name[32];
        snprintf(name, sizeof name, "cuda:%u", (unsigned)i);
        agent(7 + i, name, 0);
    }
    assert_int_equal(d.core->device_count, ESP_DEVICE_CLASSES_MAX);
    int last = ESP_DEVICE_CLASSES_MAX - 1;
    assert_int_equal(esp_agent_find(d.core, 7 + (uint64_t)last)->device_class, last);
    assert_int_equal(esp_agent_find(d.core, 7 + (uint64_t)last + 3)->device_class, last);
    driver_reload(&d);
    driver_end(&d);
}

/* One trial on a fast device and one on the cpu: reports count for the device that the trial
 * runs on, also in a controller that is started again. */
static void the_cost_of_a_device_survives_a_reload(void **state)
{
    (void)state;
    int fast_ones = 0;
    open_study(2);
    agent(7, "cuda:fast", 1);
    agent(8, "cpu", 1);
    for (uint32_t t = 0; t < 2; t++) {
        bool fast = esp_device_of(d.core, driver_trial(&d, t).process) == 0;
        driver_started(&d, t, 0);
        report(t, 0, 4, 10, 0, fast ? 0.01 : 0.5);
        fast_ones += fast;
    }
    assert_int_equal(fast_ones, 1);
    for (int again = 0; again < 2; again++) {
        double value = 1e-3;
        assert_true(fabs(esp_cost_of_values(costs(), &value, 0) - 0.01) < 1e-9);
        assert_true(fabs(esp_cost_of_values(costs(), &value, 1) - 0.5) < 1e-9);
        driver_reload(&d);
    }
    driver_end(&d);
}

/* Trial 0 continues from its checkpoint on another device after its process was killed. Neither
 * device counts the retrained tokens or the jump of the trial's device seconds. */
static void a_trial_that_changes_its_device_distorts_no_rate(void **state)
{
    (void)state;
    double value = 1e-3;
    open_study(1);
    agent(7, "cpu", 1);
    driver_started(&d, 0, 0);
    report(0, 0, 2, 10, 0, 0.5);
    driver_saved(&d, 0, 20); /* device seconds 20 in the checkpoint, 400 in the reports */
    report(0, 20, 2, 10, 400, 0.5);
    agent(7, "cpu", 0);
    driver_exited(&d, driver_trial(&d, 0).process, -1, 9);
    agent(8, "cuda:fast", 1);
    assert_int_equal(esp_device_of(d.core, driver_trial(&d, 0).process), 1);
    driver_started(&d, 0, 800);
    report(0, 20, 4, 10, 400, 0.01); /* two retrained reports, two new ones */
    assert_true(fabs(esp_cost_of_values(costs(), &value, 0) - 0.5) < 1e-9);
    assert_true(fabs(esp_cost_of_values(costs(), &value, 1) - 0.01) < 1e-9);
    driver_reload(&d);
    driver_end(&d);
}

static void the_next_device_is_that_of_the_available_process(void **state)
{
    (void)state;
    open_study(1);
    agent(7, "cpu", 1); /* takes the only trial */
    agent(8, "cuda:fast", 1);
    assert_int_equal(esp_device_next(d.core), 1);
    assert_int_equal(esp_device_of(d.core, 12345), 0); /* an unknown process */
    driver_end(&d);
}

/* A token of trial 0 takes ten times as long as one of trial 1. 236 s are spent and about 140 s
 * are committed. At the mean rate of all tokens 101 s would be committed. */
static uint32_t trials_under_a_budget_of(double seconds)
{
    struct esp_study study;
    driver_study(&study, 8);
    study.budget.seconds = seconds;
    driver_begin(&d, &study);
    driver_open(&d, 2);
    driver_started(&d, 0, 0);
    driver_started(&d, 1, 0);
    report(0, 0, 5, 10, 0, 0.1);
    report(1, 0, 5, 18, 0, 0.01);
    driver_agent(
        &d, 3, (uint64_t[]){driver_trial(&d, 0).process, driver_trial(&d, 1).process}, 2);
    driver_greet(&d);
    uint32_t count = esp_core_trial_count(d.core);
    assert_true(fabs(esp_core_totals(d.core).device_seconds - 236) < 1e-9);
    driver_end(&d);
    return count;
}

static void a_budget_of_hours_commits_each_trial_at_its_own_rate(void **state)
{
    (void)state;
    assert_int_equal(trials_under_a_budget_of(360), 2);
    assert_int_equal(trials_under_a_budget_of(500), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(device_classes_are_in_order_of_appearance),
        cmocka_unit_test(too_many_devices_share_the_last_class),
        cmocka_unit_test(the_cost_of_a_device_survives_a_reload),
        cmocka_unit_test(a_trial_that_changes_its_device_distorts_no_rate),
        cmocka_unit_test(the_next_device_is_that_of_the_available_process),
        cmocka_unit_test(a_budget_of_hours_commits_each_trial_at_its_own_rate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
