#include "hand_ledger.h"

#include "../../../controller/study/study.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

static const char source[] =
    "name: hand\nmethod: random\nrun_cap: 9\nmetric: {name: val_loss, goal: minimize}\n"
    "parameters:\n"
    "  learning_rate: {distribution: log_uniform_values, min: 1e-4, max: 1e-2}\n"
    "early_terminate: {type: asha, eta: 2, risk: 0.5, repeats: 1}\n"
    "trainer: {data: text.txt, tokens: 400, model: {layers: 1, width: 16, heads: 2, "
    "context: 8}}\n";

struct hand_ledger hand_begin(const char *dir)
{
    struct hand_ledger hand = {.dir = dir};
    struct esp_error error = {""};
    const struct esp_store_origin origin = {
        .file = "hand.yaml", .base = "/studies", .nonce = 7, .time_ms = 5};
    const struct esp_store_options unsafe = {.unsafe = true};
    int fd;
    if (esp_study_read_text(source, "hand.yaml", "/studies", &hand.study, NULL, &error) < 0 ||
        esp_store_lock(dir, &fd, &error) < 0 ||
        esp_store_create(dir, hand.study, &origin, &unsafe, &hand.store, &error) < 0) {
        fail_msg("%s", error.text);
    }
    close(fd);
    return hand;
}

void hand_record(struct hand_ledger *hand, struct esp_event event)
{
    struct esp_error error = {""};
    event.seq = ++hand->seq;
    event.time_ms = 1000 + (int64_t)hand->seq;
    event.attempt = 1;
    if (esp_store_append(hand->store, &event, 1, &error) < 0) {
        fail_msg("%s", error.text);
    }
}

void hand_create(struct hand_ledger *hand, int64_t trial, int64_t of, double learning_rate)
{
    hand_record(hand,
                (struct esp_event){.kind = ESP_EVENT_CREATED,
                                   .trial = trial,
                                   .created = {.horizon = HAND_HORIZON,
                                               .seed = of < 0 ? 0 : 1,
                                               .repeats = of,
                                               .values = {&learning_rate, 1}}});
}

void hand_report(struct hand_ledger *hand, int64_t trial, int64_t tokens, double loss)
{
    hand_record(hand,
                (struct esp_event){.kind = ESP_EVENT_REPORT,
                                   .trial = trial,
                                   .sequence = (uint64_t)(tokens / 100),
                                   .report.point = {.step = tokens / 100,
                                                    .tokens = tokens,
                                                    .device_seconds = 1,
                                                    .value = loss,
                                                    .train_loss = loss}});
}

void hand_complete(struct hand_ledger *hand, int64_t trial, int64_t of, double loss)
{
    hand_create(hand, trial, of, 1e-3);
    hand_report(hand, trial, HAND_HORIZON, loss);
    hand_record(hand,
                (struct esp_event){.kind = ESP_EVENT_MOVED,
                                   .trial = trial,
                                   .moved = {.trigger = ESP_TRIGGER_RELEASED,
                                             .from = ESP_TRIAL_STOPPING,
                                             .to = ESP_TRIAL_COMPLETE,
                                             .cause = ESP_CAUSE_COMPLETE}});
}

void hand_open(struct hand_ledger *hand, struct esp_ledger *ledger)
{
    struct esp_error error = {""};
    if (esp_store_commit(hand->store, &error) < 0) {
        fail_msg("%s", error.text);
    }
    esp_store_close(hand->store);
    esp_study_destroy(hand->study);
    if (esp_ledger_open(hand->dir, ledger, &error) < 0) {
        fail_msg("%s", error.text);
    }
}
