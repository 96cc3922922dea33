/* Every operation in every precision against the CPU's double build; the same bits whatever the
 * order of threads, the number of members and their place; nothing of an inactive member. */
#include "cases.h"

static double tolerance_of(enum esp_precision precision)
{
    switch (precision) {
    case ESP_PRECISION_BF16:
        return 1e-2;
    case ESP_PRECISION_FP16:
        return 2e-3;
    case ESP_PRECISION_TF32:
        return 1e-3;
    default:
        return 1e-5;
    }
}

static struct run
finished(const struct esp_kernels *k, enum esp_precision precision, const struct trial_case *c)
{
    struct run r = start_run(k, precision, c->e);
    send_control(&r);
    c->op(&r);
    settle(k);
    return r;
}

/* ‖a − b‖ / ‖b‖ */
static double distance_of(const double *a, const double *b, int64_t count)
{
    double difference = 0, norm = 0;
    for (int64_t i = 0; i < count; i++) {
        difference += (a[i] - b[i]) * (a[i] - b[i]);
        norm += b[i] * b[i];
    }
    /* a layer norm over one element has a gradient of exactly zero */
    return norm > 0 ? sqrt(difference / norm) : sqrt(difference);
}

/* Elements that the member uses: rows of sequences it does not have may hold anything. */
static int64_t used_of(const struct run *r, const struct slot *s, int member)
{
    const int64_t used = (int64_t)r->control[member].sequences * r->e.context;
    if (s->role == SUM && s->kind == ACTIVATION) { /* the logits of a chunk */
        const int64_t first = rows_in(r) / 4;
        return used > first ? s->count / (rows_in(r) - first) * (used - first) : 0;
    }
    return s->role == OUTPUT && s->count % rows_in(r) == 0
               ? s->count / r->e.sequences * r->control[member].sequences
               : s->count;
}

static void compare_case(const struct trial_case *c,
                         const struct esp_kernels *narrow,
                         const struct esp_kernels *wide,
                         enum esp_precision precision)
{
    struct run a = finished(narrow, precision, c), b = finished(wide, precision, c);
    for (int i = 0; i < a.count; i++) {
        for (int m = 0; m < c->e.members && a.slots[i].role != INPUT; m++) {
            double *x = values_of(&a, i, m), *y = values_of(&b, i, m);
            const double off = distance_of(x, y, used_of(&a, &a.slots[i], m));
            if (!(off <= tolerance_of(precision))) {
                fail_msg("%s: tensor %d of member %d is off by %g", c->name, i, m, off);
            }
            free(x);
            free(y);
        }
    }
    end_run(&a);
    end_run(&b);
}

static void hold_precision(enum esp_precision precision)
{
    struct esp_kernels *narrow = open_backend(precision), *wide = open_reference();
    for (int i = 0; i < CASES; i++) {
        compare_case(&cases[i], narrow, wide, precision);
    }
    esp_kernels_close(narrow);
    esp_kernels_close(wide);
}

static void fp32_agrees_with_double(void **state)
{
    (void)state;
    hold_precision(ESP_PRECISION_FP32);
}

static void tf32_agrees_with_double(void **state)
{
    (void)state;
    hold_precision(ESP_PRECISION_TF32);
}

static void bf16_agrees_with_double(void **state)
{
    (void)state;
    hold_precision(ESP_PRECISION_BF16);
}

static void fp16_agrees_with_double(void **state)
{
    (void)state;
    hold_precision(ESP_PRECISION_FP16);
}

/* The plain form of attention where the tensor cores would have been taken. */
static void plain_attention_agrees_with_double(void **state)
{
    (void)state;
    setenv("ESPALIER_CUDA_ATTENTION", "plain", 1);
    struct esp_kernels *narrow = open_backend(ESP_PRECISION_BF16), *wide = open_reference();
    for (int i = 0; i < CASES; i++) {
        if (cases[i].op == run_attention) {
            compare_case(&cases[i], narrow, wide, ESP_PRECISION_BF16);
        }
    }
    esp_kernels_close(narrow);
    esp_kernels_close(wide);
    unsetenv("ESPALIER_CUDA_ATTENTION");
}

static void assert_same(const struct trial_case *c,
                        const struct run *a,
                        int member_a,
                        const struct run *b,
                        int member_b)
{
    for (int i = 0; i < a->count; i++) {
        const int64_t used = used_of(a, &a->slots[i], member_a);
        double *x = values_of(a, i, member_a), *y = values_of(b, i, member_b);
        if (memcmp(x, y, (size_t)used * sizeof *x) != 0) {
            fail_msg("%s: tensor %d differs", c->name, i);
        }
        free(x);
        free(y);
    }
}

static void the_order_of_threads_does_not_matter(void **state)
{
    (void)state;
    if (on_a_gpu()) {
        skip();
    }
    for (int half = 0; half < 2; half++) {
        const enum esp_precision p = half ? ESP_PRECISION_BF16 : ESP_PRECISION_FP32;
        struct esp_kernels *k = open_backend(p);
        for (int i = 0; i < CASES; i++) {
            struct run plain = finished(k, p, &cases[i]);
            for (int order = ESP_EMU_REVERSED; order <= ESP_EMU_SHUFFLED; order++) {
                esp_emu_set_order((enum esp_emu_order)order, 7);
                struct run other = finished(k, p, &cases[i]);
                esp_emu_set_order(ESP_EMU_FORWARD, 0);
                for (int m = 0; m < cases[i].e.members; m++) {
                    assert_same(&cases[i], &plain, m, &other, m);
                }
                end_run(&other);
            }
            end_run(&plain);
        }
        esp_kernels_close(k);
    }
}

static void running_again_gives_the_same_bits(void **state)
{
    (void)state;
    struct esp_kernels *k = open_backend(ESP_PRECISION_BF16);
    for (int i = 0; i < CASES; i++) {
        struct run a = finished(k, ESP_PRECISION_BF16, &cases[i]);
        struct run b = finished(k, ESP_PRECISION_BF16, &cases[i]);
        for (int m = 0; m < cases[i].e.members; m++) {
            assert_same(&cases[i], &a, m, &b, m);
        }
        end_run(&a);
        end_run(&b);
    }
    esp_kernels_close(k);
}

/* Member 0's inputs alone in a group of one, and in the third place of three. */
static void a_member_in_a_group_equals_it_alone(void **state)
{
    (void)state;
    for (int half = 0; half < 2; half++) {
        const enum esp_precision p = half ? ESP_PRECISION_BF16 : ESP_PRECISION_FP32;
        struct esp_kernels *k = open_backend(p);
        for (int i = 0; i < CASES; i++) {
            struct extents e = cases[i].e;
            e.short_by = 0;
            e.members = 1;
            struct run alone = start_run(k, p, e);
            send_control(&alone);
            cases[i].op(&alone);
            e.members = 3;
            struct run group = start_run(k, p, e);
            for (int m = 0; m < 3; m++) {
                group.place[m] = 2 - m;
                group.control[m].seed = 100 + (uint64_t)(2 - m);
            }
            group.control[1].dropout = e.dropout;
            send_control(&group);
            cases[i].op(&group);
            assert_same(&cases[i], &alone, 0, &group, 2);
            end_run(&alone);
            end_run(&group);
        }
        esp_kernels_close(k);
    }
}

/* Members 1 and 3 of four are inactive: their outputs keep the poison, their sums stay, and the
 * others are as if they were all there. */
static void an_inactive_member_is_not_written(void **state)
{
    (void)state;
    struct esp_kernels *k = open_backend(ESP_PRECISION_BF16);
    for (int i = 0; i < CASES; i++) {
        struct trial_case c = cases[i];
        c.e.members = 4;
        struct run all = finished(k, ESP_PRECISION_BF16, &c);
        struct run some = start_run(k, ESP_PRECISION_BF16, c.e);
        some.control[1].active = some.control[3].active = 0;
        some.batch.active = 5;
        send_control(&some);
        c.op(&some);
        settle(k);
        assert_same(&c, &all, 0, &some, 0);
        assert_same(&c, &all, 2, &some, 2);
        for (int s = 0; s < some.count; s++) {
            double *x = values_of(&some, s, 1);
            for (int64_t e = 0; e < some.slots[s].count; e++) {
                const enum role role = some.slots[s].role;
                const int64_t at = some.slots[s].count + e;
                const double scale = c.op == run_loss ? 4 : 1;
                const enum esp_precision p =
                    some.slots[s].kind == REAL ? ESP_PRECISION_FP32 : ESP_PRECISION_BF16;
                const double before = rounded(scale * random_at(s, at), p);
                assert_true(role == INPUT || (role == SUM ? x[e] == before : isnan(x[e])));
            }
            free(x);
        }
        end_run(&all);
        end_run(&some);
    }
    esp_kernels_close(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fp32_agrees_with_double),
        cmocka_unit_test(tf32_agrees_with_double),
        cmocka_unit_test(bf16_agrees_with_double),
        cmocka_unit_test(fp16_agrees_with_double),
        cmocka_unit_test(plain_attention_agrees_with_double),
        cmocka_unit_test(the_order_of_threads_does_not_matter),
        cmocka_unit_test(running_again_gives_the_same_bits),
        cmocka_unit_test(a_member_in_a_group_equals_it_alone),
        cmocka_unit_test(an_inactive_member_is_not_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
