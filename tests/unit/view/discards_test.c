/* What status says of discards, from ledgers as the controller writes them. */
#include "../../../controller/view/discards.h"

#include "../../../controller/store/store.h"
#include "../../../controller/study/study.h"
#include "../scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define HORIZON 400

static struct scratch root;

static const char source[] =
    "name: hand\nmethod: random\nrun_cap: 9\nmetric: {name: val_loss, goal: minimize}\n"
    "parameters:\n"
    "  learning_rate: {distribution: log_uniform_values, min: 1e-4, max: 1e-2}\n"
    "early_terminate: {type: asha, eta: 2, risk: 0.5, repeats: 1}\n"
    "trainer: {data: text.txt, tokens: 400, model: {layers: 1, width: 16, heads: 2, "
    "context: 8}}\n";

struct ledger {
    struct esp_study *study;
    struct esp_store *store;
    uint64_t seq;
};

static void record(struct ledger *l, struct esp_event event)
{
    struct esp_error error = {""};
    event.seq = ++l->seq;
    event.time_ms = 1000 + (int64_t)l->seq;
    event.attempt = 1;
    if (esp_store_append(l->store, &event, 1, &error) < 0) {
        fail_msg("%s", error.text);
    }
}

static struct ledger begin(const char *dir)
{
    struct ledger l = {0};
    struct esp_error error = {""};
    const struct esp_store_origin origin = {
        .file = "hand.yaml", .base = "/studies", .nonce = 7, .time_ms = 5};
    const struct esp_store_options unsafe = {.unsafe = true};
    double scores[] = {1, 2, 3};
    int fd;
    if (esp_study_read_text(source, "hand.yaml", "/studies", &l.study, NULL, &error) < 0 ||
        esp_store_lock(dir, &fd, &error) < 0 ||
        esp_store_create(dir, l.study, &origin, &unsafe, &l.store, &error) < 0) {
        fail_msg("%s", error.text);
    }
    close(fd);
    record(&l,
           (struct esp_event){
               .kind = ESP_EVENT_CALIBRATED, .trial = -1, .calibrated.scores = {scores, 3}});
    return l;
}

/* A trial that is complete with a loss; `of` -1, or the trial whose settings it repeats. */
static void complete(struct ledger *l, int64_t trial, int64_t of, double loss)
{
    double learning_rate = 1e-3;
    record(l,
           (struct esp_event){.kind = ESP_EVENT_CREATED,
                              .trial = trial,
                              .created = {.horizon = HORIZON,
                                          .seed = of < 0 ? 0 : 1,
                                          .repeats = of,
                                          .values = {&learning_rate, 1}}});
    record(l,
           (struct esp_event){.kind = ESP_EVENT_REPORT,
                              .trial = trial,
                              .sequence = 1,
                              .report.point = {.step = 4,
                                               .tokens = HORIZON,
                                               .device_seconds = 1,
                                               .value = loss,
                                               .train_loss = loss}});
    record(l,
           (struct esp_event){.kind = ESP_EVENT_MOVED,
                              .trial = trial,
                              .moved = {.trigger = ESP_TRIGGER_RELEASED,
                                        .from = ESP_TRIAL_STOPPING,
                                        .to = ESP_TRIAL_COMPLETE,
                                        .cause = ESP_CAUSE_COMPLETE}});
}

static void spare(struct ledger *l, int64_t trial)
{
    struct esp_verdict verdict = {
        .action = ESP_VERDICT_SPARE, .trial = trial, .reason = {.rule = ESP_RULE_CALIBRATED}};
    record(l,
           (struct esp_event){.kind = ESP_EVENT_VERDICT, .trial = trial, .verdict = verdict});
}

static struct esp_discards read_back(struct ledger *l, const char *dir)
{
    struct esp_error error = {""};
    struct esp_ledger ledger;
    struct esp_discards discards;
    if (esp_store_commit(l->store, &error) < 0) {
        fail_msg("%s", error.text);
    }
    esp_store_close(l->store);
    esp_study_destroy(l->study);
    if (esp_ledger_open(dir, &ledger, &error) < 0 ||
        esp_discards_read(&ledger, &discards, &error) < 0) {
        fail_msg("%s", error.text);
    }
    esp_ledger_close(&ledger);
    return discards;
}

static void an_audit_that_is_the_best_of_all_shows_the_rule_wrong(void **state)
{
    const char *dir = scratch_path(&root, "missed");
    (void)state;
    struct ledger l = begin(dir);
    complete(&l, 0, -1, 2.0);
    complete(&l, 1, -1, 2.01);
    spare(&l, 0);
    struct esp_discards discards = read_back(&l, dir);
    assert_int_equal(discards.audits, 1);
    assert_int_equal(discards.audits_tested, 1);
    assert_int_equal(discards.missed, 1);
}

/* As `best` ranks them: 2.05 over two seeds is behind 2.00 over two. */
static void an_audit_that_led_by_a_lucky_seed_is_not_the_best(void **state)
{
    const char *dir = scratch_path(&root, "lucky");
    (void)state;
    struct ledger l = begin(dir);
    complete(&l, 0, -1, 2.0);
    complete(&l, 1, -1, 2.01);
    spare(&l, 0);
    complete(&l, 2, 0, 2.1);
    complete(&l, 3, 1, 1.99);
    struct esp_discards discards = read_back(&l, dir);
    assert_int_equal(discards.audits_tested, 1);
    assert_int_equal(discards.missed, 0);
}

static void an_audit_whose_mean_is_the_best_shows_the_rule_wrong(void **state)
{
    const char *dir = scratch_path(&root, "mean");
    (void)state;
    struct ledger l = begin(dir);
    complete(&l, 0, -1, 2.0);
    complete(&l, 1, -1, 2.01);
    spare(&l, 1);
    complete(&l, 2, 0, 2.1);
    complete(&l, 3, 1, 1.99);
    struct esp_discards discards = read_back(&l, dir);
    assert_int_equal(discards.missed, 1);
}

static int make_root(void **state)
{
    (void)state;
    root = scratch_make();
    return 0;
}

static int remove_root(void **state)
{
    (void)state;
    scratch_remove(&root);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_audit_that_is_the_best_of_all_shows_the_rule_wrong),
        cmocka_unit_test(an_audit_that_led_by_a_lucky_seed_is_not_the_best),
        cmocka_unit_test(an_audit_whose_mean_is_the_best_shows_the_rule_wrong),
    };
    return cmocka_run_group_tests_name("view/discards", tests, make_root, remove_root);
}
