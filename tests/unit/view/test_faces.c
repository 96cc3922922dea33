/* A study as values and texts: status, one trial in full, reasons, exports. */
#include "../../../controller/view/change.h"
#include "../../../controller/view/detail.h"
#include "../../../controller/view/export.h"
#include "../../../controller/view/overview.h"
#include "../../../controller/view/rows.h"
#include "../../../controller/view/status.h"
#include "../../../controller/view/trials_table.h"
#include "../../../controller/view/why.h"
#include "../scratch.h"
#include "hand_ledger.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct scratch root;

static void move(struct hand_ledger *hand,
                 int64_t trial,
                 enum esp_trigger trigger,
                 enum esp_trial_state from,
                 enum esp_trial_state to)
{
    hand_record(hand,
                (struct esp_event){.kind = ESP_EVENT_MOVED,
                                   .trial = trial,
                                   .moved = {.trigger = trigger, .from = from, .to = to}});
}

static void pause_at_rung(struct hand_ledger *hand, int64_t trial)
{
    struct esp_verdict verdict = {.action = ESP_VERDICT_PAUSE,
                                  .trial = trial,
                                  .reason = {.rule = ESP_RULE_ASHA_WAIT,
                                             .rung = 1,
                                             .rank = 2,
                                             .of = 2,
                                             .at = 100,
                                             .value = 3,
                                             .threshold = 2,
                                             .expected = NAN,
                                             .cost = NAN,
                                             .cost_seconds = NAN,
                                             .rivals = {-1, -1, -1}}};
    hand_record(
        hand,
        (struct esp_event){.kind = ESP_EVENT_VERDICT, .trial = trial, .verdict = verdict});
}

/* Two complete trials, one that runs and one that waits at a rung. */
static void open_four_trials(const char *name, struct esp_ledger *ledger)
{
    struct hand_ledger hand = hand_begin(scratch_path(&root, name));
    hand_complete(&hand, 0, -1, 2.5);
    hand_complete(&hand, 1, -1, 2.25);
    hand_create(&hand, 2, -1, 0.002);
    move(&hand, 2, ESP_TRIGGER_GRANT, ESP_TRIAL_QUEUED, ESP_TRIAL_ASSIGNED);
    hand_create(&hand, 3, -1, 0.003);
    move(&hand, 3, ESP_TRIGGER_GRANT, ESP_TRIAL_QUEUED, ESP_TRIAL_ASSIGNED);
    hand_report(&hand, 3, 100, 3);
    pause_at_rung(&hand, 3);
    move(&hand, 3, ESP_TRIGGER_RELEASED, ESP_TRIAL_PAUSING, ESP_TRIAL_PAUSED);
    hand_record(
        &hand,
        (struct esp_event){.kind = ESP_EVENT_NOTE, .trial = 3, .note.text = "looks \"odd\""});
    hand_open(&hand, ledger);
}

static void assert_has(const struct esp_buffer *text, const char *words)
{
    if (!strstr(esp_buffer_get(text), words)) {
        fail_msg("\"%s\" is not in:\n%s", words, esp_buffer_get(text));
    }
}

static void status_is_a_value_with_counts_best_and_cost(void **state)
{
    (void)state;
    struct esp_ledger ledger;
    struct esp_status status;
    struct esp_error error;
    struct esp_buffer out = {0};
    open_four_trials("status", &ledger);
    assert_int_equal(esp_status_read(&ledger, &status, &error), 0);
    assert_int_equal(status.trials, 4);
    assert_int_equal(status.counts[ESP_TRIAL_STATUS_COMPLETE], 2);
    assert_int_equal(status.counts[ESP_TRIAL_STATUS_RUNNING], 1);
    assert_int_equal(status.counts[ESP_TRIAL_STATUS_PAUSED], 1);
    assert_int_equal(status.best.rows.count, 1);
    assert_int_equal(status.best.rows.trials[0].trial, 1);
    assert_int_equal(status.spent.tokens, 900);
    assert_true(isnan(status.spent.usd));
    assert_false(status.spent.final);
    esp_status_json(&status, &out);
    assert_has(&out,
               "{\"study\":\"hand\",\"state\":\"interrupted\",\"reason\":\"interrupted\","
               "\"trials\":{\"queued\":0,"
               "\"running\":1,\"paused\":1,\"complete\":2,\"pruned\":0,\"failed\":0,"
               "\"stopped\":0},\"best\":{\"trial\":1,\"value\":2.25,");
    esp_buffer_clear(&out);
    esp_status_text(&status, &out);
    assert_has(&out, "trials: 4 of 9 · 1 interrupted · 1 paused · 2 complete\n");
    esp_buffer_release(&out);
    esp_status_release(&status);
    esp_ledger_close(&ledger);
}

static void the_overview_lists_running_trials_first_and_fits_its_height(void **state)
{
    (void)state;
    struct esp_ledger ledger;
    struct esp_error error;
    struct esp_buffer out = {0};
    open_four_trials("overview", &ledger);
    assert_int_equal(esp_overview_text(&ledger, 0, 0, false, &out, &error), 0);
    const char *text = esp_buffer_get(&out);
    const char *order[] = {"\n   #2", "\n   #1", "\n   #0", "\n   #3"};
    for (size_t i = 0; i < 4; i++) {
        assert_non_null(strstr(text, order[i]));
        assert_true(i == 0 || strstr(text, order[i - 1]) < strstr(text, order[i]));
    }
    esp_buffer_clear(&out);
    assert_int_equal(esp_overview_text(&ledger, 0, 10, false, &out, &error), 0);
    assert_has(&out, "… 2 more: espalier ls ");
    esp_buffer_release(&out);
    esp_ledger_close(&ledger);
}

static void a_narrow_table_keeps_what_is_searched_and_names_the_rest(void **state)
{
    (void)state;
    struct esp_ledger ledger;
    struct esp_rows rows = {0};
    struct esp_error error;
    struct esp_buffer out = {0};
    open_four_trials("narrow", &ledger);
    assert_int_equal(esp_rows_load(ledger.reader, &rows, &error), 0);
    esp_trials_table(&ledger, &rows, NULL, 48, false, &out);
    assert_has(&out, "trial  val_loss  learning_rate  state\n");
    assert_has(&out, "\nhidden: tokens (wider terminal, or ls --json)\n");
    esp_buffer_clear(&out);
    esp_trials_table(&ledger, &rows, NULL, 32, false, &out);
    assert_has(&out, "trial  val_loss  learning_rate\n");
    esp_buffer_clear(&out);
    rows.trials[0].cause = ESP_CAUSE_DIVERGED;
    esp_trials_table(&ledger, &rows, NULL, 40, false, &out);
    assert_has(&out, "trial  val_loss  state\n");
    assert_has(&out, " (diverged)\n");
    esp_buffer_clear(&out);
    esp_trials_table(&ledger, &rows, NULL, 0, false, &out);
    assert_has(&out, "trial  val_loss  learning_rate  tokens  state\n");
    assert_null(strstr(esp_buffer_get(&out), "hidden"));
    esp_buffer_release(&out);
    esp_rows_release(&rows);
    esp_ledger_close(&ledger);
}

static void a_command_says_what_became_of_the_trial(void **state)
{
    (void)state;
    const struct esp_ledger alive = {.alive = true, .state = ESP_STUDY_RUNNING};
    const struct esp_reader_trial running = {.trial = 7, .state = ESP_TRIAL_RUNNING};
    const struct esp_reader_trial pausing = {.trial = 7, .state = ESP_TRIAL_PAUSING};
    const struct esp_reader_trial held = {.trial = 7, .state = ESP_TRIAL_PAUSED, .held = true};
    const struct esp_reader_trial queued = {
        .trial = 7, .state = ESP_TRIAL_QUEUED, .until = 20000};
    const struct {
        const struct esp_reader_trial *before, *after;
        const char *words;
    } cases[] = {
        {&running, &pausing, "#7 running → pausing"},
        {&pausing, &pausing, "#7 is pausing already"},
        {&held, &held, "#7 is paused (held) already"},
        {&held, &queued, "#7 paused (held) → queued, trains until 20k tokens"},
        {NULL, &running, "#7 is running"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct esp_buffer out = {0};
        esp_change_words(&alive, cases[i].before, cases[i].after, &out);
        assert_string_equal(esp_buffer_get(&out), cases[i].words);
        esp_buffer_release(&out);
    }
}

static void a_trial_in_full_has_its_history_and_notes(void **state)
{
    (void)state;
    struct esp_ledger ledger;
    struct esp_error error;
    struct esp_buffer out = {0};
    open_four_trials("detail", &ledger);
    assert_int_equal(esp_detail_text(&ledger, 3, &out, &error), 0);
    assert_has(&out, "trial #3: paused, may be continued by the scheduler\n");
    assert_has(&out, "  learning_rate = 0.003\n");
    assert_has(&out, "paused at rung 1: asha");
    assert_has(&out, "Notes\n");
    esp_buffer_clear(&out);
    assert_int_equal(esp_detail_json(&ledger, 3, &out, &error), 0);
    assert_has(&out, "{\"trial\":3,\"state\":\"paused\",");
    assert_has(&out, "],\"checkpoints\":[],\"processes\":[],\"notes\":[{\"time_ms\":");
    assert_has(&out, "\"text\":\"looks \\\"odd\\\"\"}]}\n");
    assert_int_equal(esp_detail_text(&ledger, 7, &out, &error), -ENOENT);
    esp_buffer_release(&out);
    esp_ledger_close(&ledger);
}

static void reasons_list_verdicts_or_say_that_there_are_none(void **state)
{
    (void)state;
    struct esp_ledger ledger;
    struct esp_error error;
    struct esp_buffer out = {0};
    open_four_trials("why", &ledger);
    assert_int_equal(esp_why_text(&ledger, 3, &out, &error), 0);
    assert_has(&out, "trial #3, now paused:\npaused at rung 1: asha");
    esp_buffer_clear(&out);
    assert_int_equal(esp_why_json(&ledger, 3, &out, &error), 0);
    assert_has(&out, "\"verdict\":{\"action\":\"pause\"");
    esp_buffer_clear(&out);
    assert_int_equal(esp_why_text(&ledger, 2, &out, &error), 0);
    assert_has(&out, "nothing has been decided about it yet.\n");
    esp_buffer_clear(&out);
    assert_int_equal(esp_why_json(&ledger, 2, &out, &error), 0);
    assert_string_equal(esp_buffer_get(&out), "[]\n");
    assert_int_equal(esp_why_text(&ledger, 7, &out, &error), -ENOENT);
    esp_buffer_release(&out);
    esp_ledger_close(&ledger);
}

static int collect(void *context, const char *bytes, size_t size)
{
    esp_buffer_add_bytes(context, bytes, size);
    return 0;
}

static int refuse(void *context, const char *bytes, size_t size)
{
    (void)context, (void)bytes, (void)size;
    return -EPIPE;
}

static void exports_write_rows_to_any_sink(void **state)
{
    (void)state;
    struct esp_ledger ledger;
    struct esp_error error;
    struct esp_buffer out = {0};
    const struct esp_export_format *csv = esp_export_format_find("csv");
    const struct esp_export_format *jsonl = esp_export_format_find("jsonl");
    assert_null(esp_export_format_find("xml"));
    open_four_trials("export", &ledger);
    assert_int_equal(esp_export_trials(&ledger, csv, collect, &out, &error), 0);
    assert_string_equal(esp_buffer_get(&out),
                        "trial,state,attempts,tokens,value,param.learning_rate,repeats,seed,"
                        "created,started,ended,device_seconds,usd\n"
                        "0,complete,1,400,2.5,0.001,,0,1970-01-01T00:00:01.001Z,,"
                        "1970-01-01T00:00:01.003Z,1,\n"
                        "1,complete,1,400,2.25,0.001,,0,1970-01-01T00:00:01.004Z,,"
                        "1970-01-01T00:00:01.006Z,1,\n"
                        "2,running,1,0,,0.002,,0,1970-01-01T00:00:01.007Z,,,0,\n"
                        "3,paused,1,100,3,0.003,,0,1970-01-01T00:00:01.009Z,,,1,\n");
    esp_buffer_clear(&out);
    ledger.study->budget.price_per_hour = 1800;
    assert_int_equal(esp_export_trials(&ledger, jsonl, collect, &out, &error), 0);
    assert_has(&out,
               "\"param.learning_rate\":0.003,\"repeats\":null,\"seed\":0,"
               "\"created\":\"1970-01-01T00:00:01.009Z\",\"started\":null,\"ended\":null,"
               "\"device_seconds\":1,\"usd\":0.5}\n");
    esp_buffer_clear(&out);
    assert_int_equal(esp_export_points(&ledger, jsonl, collect, &out, &error), 0);
    assert_has(&out,
               "{\"trial\":3,\"step\":1,\"tokens\":100,\"train_loss\":3,\"val_loss\":3,"
               "\"device_seconds\":1}\n");
    assert_int_equal(esp_export_trials(&ledger, csv, refuse, NULL, &error), -EPIPE);
    esp_buffer_release(&out);
    esp_ledger_close(&ledger);
}

static void add_number(const struct esp_budget *price,
                       const struct esp_reader_trial *trial,
                       struct esp_buffer *out)
{
    (void)price;
    esp_buffer_addf(out, "%lld;", (long long)trial->trial);
}

static void add_step(const struct esp_event *report, struct esp_buffer *out)
{
    esp_buffer_addf(out, "%lld;", (long long)report->report.point.step);
}

static void add_end(struct esp_buffer *out)
{
    esp_buffer_add(out, "end\n");
}

static void an_export_may_have_a_closing_part(void **state)
{
    (void)state;
    struct esp_ledger ledger;
    struct esp_error error;
    struct esp_buffer out = {0};
    const struct esp_export_format format = {.name = "made-up",
                                             .trial = add_number,
                                             .point = add_step,
                                             .end_trials = add_end,
                                             .end_points = add_end};
    open_four_trials("export-end", &ledger);
    assert_int_equal(esp_export_trials(&ledger, &format, collect, &out, &error), 0);
    assert_string_equal(esp_buffer_get(&out), "0;1;2;3;end\n");
    esp_buffer_clear(&out);
    assert_int_equal(esp_export_points(&ledger, &format, collect, &out, &error), 0);
    assert_has(&out, "1;end\n");
    esp_buffer_release(&out);
    esp_ledger_close(&ledger);
}

static void every_trial_state_has_one_of_seven_statuses(void **state)
{
    (void)state;
    assert_string_equal(esp_trial_state_words(ESP_TRIAL_PAUSING), "running");
    assert_string_equal(esp_trial_state_words(ESP_TRIAL_STOPPED), "stopped");
    for (int i = 0; i < ESP_TRIAL_STATE_COUNT; i++) {
        assert_string_not_equal(esp_trial_state_words((enum esp_trial_state)i), "?");
    }
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
        cmocka_unit_test(status_is_a_value_with_counts_best_and_cost),
        cmocka_unit_test(the_overview_lists_running_trials_first_and_fits_its_height),
        cmocka_unit_test(a_narrow_table_keeps_what_is_searched_and_names_the_rest),
        cmocka_unit_test(a_command_says_what_became_of_the_trial),
        cmocka_unit_test(a_trial_in_full_has_its_history_and_notes),
        cmocka_unit_test(reasons_list_verdicts_or_say_that_there_are_none),
        cmocka_unit_test(exports_write_rows_to_any_sink),
        cmocka_unit_test(an_export_may_have_a_closing_part),
        cmocka_unit_test(every_trial_state_has_one_of_seven_statuses),
    };
    return cmocka_run_group_tests_name("view/faces", tests, make_root, remove_root);
}
