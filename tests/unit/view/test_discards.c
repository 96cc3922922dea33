/* Counts of discards, read from ledgers. */
#include "../../../controller/view/discards.h"

#include "../scratch.h"
#include "hand_ledger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct scratch root;

/* A ledger of a study that is calibrated on three scores. */
static struct hand_ledger begin(const char *dir)
{
    double scores[] = {1, 2, 3};
    struct hand_ledger hand = hand_begin(dir);
    hand_record(&hand,
                (struct esp_event){.kind = ESP_EVENT_CALIBRATED,
                                   .trial = -1,
                                   .calibrated.scores = {scores, 3}});
    return hand;
}

static void spare(struct hand_ledger *l, int64_t trial)
{
    struct esp_verdict verdict = {
        .action = ESP_VERDICT_SPARE, .trial = trial, .reason = {.rule = ESP_RULE_CALIBRATED}};
    hand_record(
        l, (struct esp_event){.kind = ESP_EVENT_VERDICT, .trial = trial, .verdict = verdict});
}

static struct esp_discards read_back(struct hand_ledger *hand)
{
    struct esp_error error = {""};
    struct esp_ledger ledger;
    struct esp_discards discards;
    hand_open(hand, &ledger);
    if (esp_discards_read(&ledger, &discards, &error) < 0) {
        fail_msg("%s", error.text);
    }
    esp_ledger_close(&ledger);
    return discards;
}

static void an_audit_that_is_the_best_trial_counts_as_missed(void **state)
{
    const char *dir = scratch_path(&root, "missed");
    (void)state;
    struct hand_ledger l = begin(dir);
    hand_complete(&l, 0, -1, 2.0);
    hand_complete(&l, 1, -1, 2.01);
    spare(&l, 0);
    struct esp_discards discards = read_back(&l);
    assert_int_equal(discards.audits, 1);
    assert_int_equal(discards.audits_complete, 1);
    assert_int_equal(discards.audits_best, 1);
}

/* `best` ranks by the mean: 2.05 over two seeds is worse than 2.00 over two. */
static void an_audit_with_one_lucky_seed_is_not_the_best(void **state)
{
    const char *dir = scratch_path(&root, "lucky");
    (void)state;
    struct hand_ledger l = begin(dir);
    hand_complete(&l, 0, -1, 2.0);
    hand_complete(&l, 1, -1, 2.01);
    spare(&l, 0);
    hand_complete(&l, 2, 0, 2.1);
    hand_complete(&l, 3, 1, 1.99);
    struct esp_discards discards = read_back(&l);
    assert_int_equal(discards.audits_complete, 1);
    assert_int_equal(discards.audits_best, 0);
}

static void an_audit_with_the_best_mean_counts_as_missed(void **state)
{
    const char *dir = scratch_path(&root, "mean");
    (void)state;
    struct hand_ledger l = begin(dir);
    hand_complete(&l, 0, -1, 2.0);
    hand_complete(&l, 1, -1, 2.01);
    spare(&l, 1);
    hand_complete(&l, 2, 0, 2.1);
    hand_complete(&l, 3, 1, 1.99);
    struct esp_discards discards = read_back(&l);
    assert_int_equal(discards.audits_best, 1);
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
        cmocka_unit_test(an_audit_that_is_the_best_trial_counts_as_missed),
        cmocka_unit_test(an_audit_with_one_lucky_seed_is_not_the_best),
        cmocka_unit_test(an_audit_with_the_best_mean_counts_as_missed),
    };
    return cmocka_run_group_tests_name("view/discards", tests, make_root, remove_root);
}
