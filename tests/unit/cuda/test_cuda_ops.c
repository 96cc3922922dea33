/* Every operation in every precision compared with the CPU's double build; the same bits for
 * any order of threads, number of members and place; inactive members stay unchanged. */
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

static const char *precision_name(enum esp_precision precision)
{
    static const char *const names[] = {"auto", "fp32", "tf32", "bf16", "fp16"};
    return names[precision];
}

static struct run
finished(const struct esp_kernels *k, enum esp_precision precision, const struct trial_case *c)
{
    struct run r = start_run(k, precision, c->e);
    struct esp_error error = {""};
    send_control(&r);
    c->op(&r);
    if (k->synchronise(k, &error)) {
        fail_msg("%s in %s: %s", c->name, precision_name(precision), error.text);
    }
    return r;
}

/* Prints every failing case with the data needed to find the reason, because a machine with a
 * GPU may be available for minutes only; the test fails at its end. */
static int failures;

static void claim_begins(void)
{
    failures = 0;
}

static void claim_ends(void)
{
    if (failures) {
        fail_msg("%d tensors are not as they should be: see above", failures);
    }
}

static void print_extents(const struct extents *e)
{
    print_error("    members %d, sequences %d (member 1: %d less), context %d, width %d → %d, "
                "heads %d, vocabulary %d, causal %d, transposed %d, dropout %g\n",
                e->members,
                e->sequences,
                e->short_by,
                e->context,
                e->width,
                e->width_out,
                e->heads,
                e->vocabulary,
                e->causal,
                e->transposed,
                e->dropout);
}

/* Elements of a row, if the tensor has the batch's rows. */
static int64_t row_of(const struct run *r, const struct slot *s)
{
    return s->count % rows_in(r) == 0 ? s->count / rows_in(r) : s->count;
}

/* The element with the largest error, and the number of NaNs where there should be none. */
static void print_worst(const double *x, const double *y, int64_t count, int64_t row)
{
    int64_t worst = 0, wrong = 0;
    double most = -1;
    for (int64_t i = 0; i < count; i++) {
        const double off = fabs(x[i] - y[i]);
        wrong += !isfinite(x[i]) && isfinite(y[i]);
        if (off > most || (isnan(off) && !isnan(most))) {
            most = off;
            worst = i;
        }
    }
    print_error("    %lld elements, rows of %lld; worst at %lld (row %lld, column %lld): %.9g "
                "instead of %.9g; %lld not finite\n",
                (long long)count,
                (long long)row,
                (long long)worst,
                (long long)(worst / row),
                (long long)(worst % row),
                x[worst],
                y[worst],
                (long long)wrong);
}

/* ‖a − b‖ / ‖b‖ */
static double distance_of(const double *a, const double *b, int64_t count)
{
    double difference = 0, norm = 0;
    for (int64_t i = 0; i < count; i++) {
        difference += (a[i] - b[i]) * (a[i] - b[i]);
        norm += b[i] * b[i];
    }
    /* the gradient of a layer norm over one element is exactly zero */
    return norm > 0 ? sqrt(difference / norm) : sqrt(difference);
}

/* Elements that the member uses; rows of unused sequences may hold anything. */
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

static void compare_runs(const struct trial_case *c,
                         const struct run *a,
                         const struct run *b,
                         enum esp_precision precision)
{
    for (int i = 0; i < a->count; i++) {
        for (int m = 0; m < c->e.members && a->slots[i].role != INPUT; m++) {
            double *x = values_of(a, i, m), *y = values_of(b, i, m);
            const int64_t used = used_of(a, &a->slots[i], m);
            const double off = distance_of(x, y, used);
            if (!(off <= tolerance_of(precision))) {
                print_error("%s in %s: tensor %d (%s) of member %d is off by %g, allowed %g\n",
                            c->name,
                            precision_name(precision),
                            i,
                            a->slots[i].role == SUM ? "added to" : "written",
                            m,
                            off,
                            tolerance_of(precision));
                print_extents(&c->e);
                print_worst(x, y, used, row_of(a, &a->slots[i]));
                failures++;
            }
            free(x);
            free(y);
        }
    }
}

static void compare_case(const struct trial_case *c,
                         const struct esp_kernels *narrow,
                         const struct esp_kernels *wide,
                         enum esp_precision precision)
{
    struct run a = finished(narrow, precision, c), b = finished(wide, precision, c);
    compare_runs(c, &a, &b, precision);
    end_run(&a);
    end_run(&b);
}

static void hold_precision(enum esp_precision precision)
{
    struct esp_kernels *narrow = open_backend(precision), *wide = open_reference();
    claim_begins();
    for (int i = 0; i < CASES; i++) {
        compare_case(&cases[i], narrow, wide, precision);
    }
    claim_ends();
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

/* The plain implementation of attention, in cases that the tensor cores support. */
static void plain_attention_agrees_with_double(void **state)
{
    (void)state;
    setenv("ESPALIER_CUDA_ATTENTION", "plain", 1);
    struct esp_kernels *narrow = open_backend(ESP_PRECISION_BF16), *wide = open_reference();
    claim_begins();
    for (int i = 0; i < CASES; i++) {
        if (cases[i].op == run_attention) {
            compare_case(&cases[i], narrow, wide, ESP_PRECISION_BF16);
        }
    }
    unsetenv("ESPALIER_CUDA_ATTENTION");
    claim_ends();
    esp_kernels_close(narrow);
    esp_kernels_close(wide);
}

/* Fails the test unless both are equal bit for bit. */
static void expect_same(const struct trial_case *c,
                        const struct run *a,
                        int member_a,
                        const struct run *b,
                        int member_b)
{
    for (int i = 0; i < a->count; i++) {
        const int64_t used = used_of(a, &a->slots[i], member_a);
        double *x = values_of(a, i, member_a), *y = values_of(b, i, member_b);
        if (memcmp(x, y, (size_t)used * sizeof *x) != 0) {
            int64_t different = 0;
            for (int64_t e = 0; e < used; e++) {
                different += memcmp(&x[e], &y[e], sizeof *x) != 0;
            }
            print_error("%s in %s: tensor %d, member %d against %d: %lld elements differ\n",
                        c->name,
                        precision_name(a->precision),
                        i,
                        member_a,
                        member_b,
                        (long long)different);
            print_extents(&a->e);
            print_worst(x, y, used, row_of(a, &a->slots[i]));
            failures++;
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
    claim_begins();
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
                    expect_same(&cases[i], &plain, m, &other, m);
                }
                end_run(&other);
            }
            end_run(&plain);
        }
        esp_kernels_close(k);
    }
    claim_ends();
}

static void running_again_gives_the_same_bits(void **state)
{
    (void)state;
    struct esp_kernels *k = open_backend(ESP_PRECISION_BF16);
    claim_begins();
    for (int i = 0; i < CASES; i++) {
        struct run a = finished(k, ESP_PRECISION_BF16, &cases[i]);
        struct run b = finished(k, ESP_PRECISION_BF16, &cases[i]);
        for (int m = 0; m < cases[i].e.members; m++) {
            expect_same(&cases[i], &a, m, &b, m);
        }
        end_run(&a);
        end_run(&b);
    }
    claim_ends();
    esp_kernels_close(k);
}

/* Member 0's inputs alone in a group of one, and in the third place of three. */
static void a_member_in_a_group_equals_it_alone(void **state)
{
    (void)state;
    claim_begins();
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
            expect_same(&cases[i], &alone, 0, &group, 2);
            end_run(&alone);
            end_run(&group);
        }
        esp_kernels_close(k);
    }
    claim_ends();
}

/* Members 1 and 3 of four are inactive: their outputs keep the poison and their sums stay, and
 * the others give the same results as when all are active. */
static void an_inactive_member_is_not_written(void **state)
{
    (void)state;
    struct esp_kernels *k = open_backend(ESP_PRECISION_BF16);
    claim_begins();
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
        expect_same(&c, &all, 0, &some, 0);
        expect_same(&c, &all, 2, &some, 2);
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
    claim_ends();
    esp_kernels_close(k);
}

/* More heads of sequences than a grid's second extent allows. The members use one and two of
 * 8,192 sequences; each block zeroes its part of the others. */
static void attention_supports_more_heads_than_a_grids_height(void **state)
{
    (void)state;
    static const struct trial_case c = {
        "attention of many short sequences",
        run_attention,
        EXTENTS(.sequences = 8192, .context = 1, .width = 72, .heads = 9, .causal = true)};
    for (int half = 0; half < 2; half++) {
        const enum esp_precision p = half ? ESP_PRECISION_BF16 : ESP_PRECISION_FP32;
        struct esp_kernels *narrow = open_backend(p), *wide = open_reference();
        struct run runs[2] = {start_run(narrow, p, c.e), start_run(wide, p, c.e)};
        claim_begins();
        for (int i = 0; i < 2; i++) {
            runs[i].control[0].sequences = 2;
            runs[i].control[1].sequences = 1;
            send_control(&runs[i]);
            c.op(&runs[i]);
            settle(runs[i].k);
        }
        compare_runs(&c, &runs[0], &runs[1], p);
        double *out = values_of(&runs[0], 1, 1);
        for (int64_t e = 72; e < runs[0].slots[1].count; e++) {
            assert_true(out[e] == 0);
        }
        free(out);
        end_run(&runs[0]);
        end_run(&runs[1]);
        claim_ends();
        esp_kernels_close(narrow);
        esp_kernels_close(wide);
    }
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
        cmocka_unit_test(attention_supports_more_heads_than_a_grids_height),
    };
    cmocka_set_test_filter(getenv("ESPALIER_TEST_FILTER"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
