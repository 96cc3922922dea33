/* Tests of trial/batch.h. */
#include "../scratch.h"

#include "../../../trial/batch.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <cmocka.h>

#define CONTEXT 32
#define SAMPLES 48

static struct scratch scratch;
static struct esp_data *data;

static int set_up(void **state)
{
    (void)state;
    uint8_t text[5000];
    scratch = scratch_make();
    for (int i = 0; i < 5000; i++) {
        text[i] = (uint8_t)(i * 31 + i / 7);
    }
    const char *path = scratch_write(&scratch, "t", text, sizeof text);
    return esp_data_open(path, ESP_DTYPE_AUTO, 0, CONTEXT, &data, NULL);
}

static int tear_down(void **state)
{
    (void)state;
    esp_data_close(data);
    scratch_remove(&scratch);
    return 0;
}

static void data_order_is_the_same_for_every_batch_size(void **state)
{
    (void)state;
    for (int objective = ESP_OBJECTIVE_CAUSAL; objective <= ESP_OBJECTIVE_MASKED; objective++) {
        static int32_t whole[2][SAMPLES * CONTEXT], parts[2][SAMPLES * CONTEXT];
        assert_int_equal(
            esp_batch_train(data, objective, CONTEXT, 9, 0, SAMPLES, whole[0], whole[1], NULL),
            0);
        for (int batch = 1; batch <= SAMPLES; batch *= 2) {
            memset(parts, 0x55, sizeof parts);
            for (int first = 0; first < SAMPLES; first += batch) {
                int count = SAMPLES - first < batch ? SAMPLES - first : batch;
                assert_int_equal(esp_batch_train(data,
                                                 objective,
                                                 CONTEXT,
                                                 9,
                                                 first,
                                                 count,
                                                 parts[0] + first * CONTEXT,
                                                 parts[1] + first * CONTEXT,
                                                 NULL),
                                 0);
            }
            assert_memory_equal(whole, parts, sizeof whole);
        }
    }
}

static void causal_targets_are_the_next_tokens(void **state)
{
    (void)state;
    int32_t inputs[4 * CONTEXT], targets[4 * CONTEXT];
    assert_int_equal(
        esp_batch_train(data, ESP_OBJECTIVE_CAUSAL, CONTEXT, 1, 7, 4, inputs, targets, NULL),
        0);
    for (int i = 0; i < 4 * CONTEXT; i++) {
        if (i % CONTEXT < CONTEXT - 1) {
            assert_int_equal(targets[i], inputs[i + 1]);
        }
    }
    assert_int_equal(esp_batch_vocabulary(data, ESP_OBJECTIVE_CAUSAL), 256);
}

static void masks_hide_15_percent_as_bert_does(void **state)
{
    (void)state;
    enum { COUNT = 2000 };
    int32_t *inputs = malloc(sizeof *inputs * COUNT * CONTEXT);
    int32_t *targets = malloc(sizeof *targets * COUNT * CONTEXT);
    int32_t *plain = malloc(sizeof *plain * COUNT * CONTEXT);
    int32_t *unused = malloc(sizeof *unused * COUNT * CONTEXT);
    assert_int_equal(esp_batch_vocabulary(data, ESP_OBJECTIVE_MASKED), 257);
    assert_int_equal(
        esp_batch_train(
            data, ESP_OBJECTIVE_MASKED, CONTEXT, 1, 0, COUNT, inputs, targets, NULL),
        0);
    assert_int_equal(
        esp_batch_train(data, ESP_OBJECTIVE_CAUSAL, CONTEXT, 1, 0, COUNT, plain, unused, NULL),
        0);
    double chosen = 0, hidden = 0, kept = 0;
    for (int i = 0; i < COUNT * CONTEXT; i++) {
        if (targets[i] < 0) {
            assert_int_equal(inputs[i], plain[i]);
            continue;
        }
        assert_int_equal(targets[i], plain[i]);
        assert_in_range(inputs[i], 0, 256);
        chosen++;
        hidden += inputs[i] == 256;
        kept += inputs[i] == plain[i];
    }
    /* 64,000 draws: the share of chosen tokens has σ = 0.0014, the other shares about 0.004 */
    assert_in_range((int)(1e4 * chosen / (COUNT * CONTEXT)), 1420, 1580);
    assert_in_range((int)(1e4 * hidden / chosen), 7800, 8200);
    assert_in_range((int)(1e4 * kept / chosen), 850, 1150);
    free(unused);
    free(plain);
    free(targets);
    free(inputs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            data_order_is_the_same_for_every_batch_size, set_up, tear_down),
        cmocka_unit_test_setup_teardown(causal_targets_are_the_next_tokens, set_up, tear_down),
        cmocka_unit_test_setup_teardown(masks_hide_15_percent_as_bert_does, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
