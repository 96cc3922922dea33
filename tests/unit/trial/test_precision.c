/* Tests of precisions on the CPU: bfloat16 trains as float32 does, and an error names what a
 * processor lacks. */
#include "training.h"

#include <errno.h>

#define SEEDS 3
#define STEPS 200

/* 200 steps of 8 sequences of 32 tokens. */
static struct esp_trainer medium_trainer(int seed)
{
    struct esp_trainer t = small_trainer();
    t.width = 48;
    t.heads = 3;
    t.context = 32;
    t.batch_size = 8;
    t.micro_batch = 8;
    t.tokens = STEPS * 8 * 32;
    t.report_every = t.tokens / 10;
    t.learning_rate = 1e-3;
    t.dropout = 0;
    t.seed = seed;
    return t;
}

static void skip_without_bf16(void)
{
    struct esp_kernels *half = NULL;
    int rc = esp_kernels_open_cpu_as(ESP_PRECISION_BF16, &half, NULL);
    esp_kernels_close(half);
    if (rc == -ENOTSUP) {
        skip();
    }
    assert_int_equal(rc, 0);
}

static struct record curve_of(const struct esp_trainer *t)
{
    struct record record = {0};
    struct esp_group *group = make_group(t, 1);
    assert_int_equal(esp_group_kernels(group)->precision,
                     t->precision == ESP_PRECISION_BF16 ? ESP_PRECISION_BF16
                                                        : ESP_PRECISION_FP32);
    join(group, 0, t, NULL);
    run_to_rest(group, &record);
    esp_group_destroy(group);
    return record;
}

/* |Δloss| ≤ 0.01 at every point of the curves. The learning rate must be small enough that
 * rounding alone does not make two trainings diverge. */
static void bf16_has_the_curves_of_fp32(void **state)
{
    (void)state;
    skip_without_bf16();
    for (int seed = 0; seed < SEEDS; seed++) {
        struct esp_trainer t = medium_trainer(seed);
        t.precision = ESP_PRECISION_FP32;
        struct record full = curve_of(&t);
        t.precision = ESP_PRECISION_BF16;
        struct record half = curve_of(&t);
        int different = 0;
        assert_int_equal(full.count, half.count);
        for (int i = 0; i < full.count; i++) {
            double a = full.points[i].val_loss, b = half.points[i].val_loss;
            if (!(fabs(a - b) <= 0.01)) {
                fail_msg("seed %d, step %d: %.4f in fp32, %.4f in bf16",
                         seed,
                         (int)full.points[i].step,
                         a,
                         b);
            }
            different += a != b;
        }
        assert_true(different > 0); /* shows that bfloat16 was used */
        assert_true(full.points[full.count - 1].val_loss < full.points[0].val_loss - 1);
    }
}

static void bf16_gives_the_same_bits_on_every_run(void **state)
{
    (void)state;
    skip_without_bf16();
    struct esp_trainer t = medium_trainer(5);
    t.precision = ESP_PRECISION_BF16;
    t.tokens = 20 * 8 * 32;
    t.report_every = 0;
    struct record first = curve_of(&t), second = curve_of(&t);
    assert_same_points(&first, 0, &second);
}

static void an_unsupported_precision_is_refused(void **state)
{
    (void)state;
    struct esp_group *group = NULL;
    struct esp_error error = {""};
    struct esp_trainer t = small_trainer();
    t.precision = ESP_PRECISION_FP16;
    assert_int_equal(esp_group_create(kernels, &t, 1, &group, &error), -ENOTSUP);
    assert_non_null(strstr(error.text, "fp32 or bf16"));
    t.precision = ESP_PRECISION_TF32; /* float32 satisfies it too */
    assert_int_equal(esp_group_create(kernels, &t, 1, &group, &error), 0);
    esp_group_destroy(group);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(bf16_has_the_curves_of_fp32),
        CLAIM(bf16_gives_the_same_bits_on_every_run),
        CLAIM(an_unsupported_precision_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
