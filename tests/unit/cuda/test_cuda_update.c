/* The optimizers compared with the CPU's double build, the rounded copy of the parameters, and
 * fp16's loss scale, which the device adjusts. */
#include "harness.h"

#define COUNT 5003
#define DECAYED 3001

struct slabs {
    struct run r;
    int param, grad, m, v, narrow;
    struct esp_loss_sum *loss;
    struct esp_update_result *result;
    struct esp_loss_scale *scale;
    double *scratch;
};

static void set_control(struct esp_control *c, int member)
{
    c->update = 1;
    c->updates = 3 + member;
    c->learning_rate = 1e-2 * (member + 1);
    c->beta1 = 0.9;
    c->beta2 = 0.95;
    c->epsilon = 1e-8;
    c->momentum = 0.8;
    c->weight_decay = 0.1;
    c->clip = member == 1 ? 0 : 0.05;
}

static struct slabs make_slabs(const struct esp_kernels *k, enum esp_precision p, int members)
{
    struct slabs s = {
        .r = start_run(
            k, p, (struct extents){.members = members, .sequences = 1, .context = 1})};
    const struct esp_loss_sum loss[3] = {{4.5, 7}, {40, 9}, {3, 2}};
    for (int m = 0; m < members; m++) {
        set_control(&s.r.control[m], m);
    }
    s.param = s.r.count;
    add_slot(&s.r, REAL, SUM, COUNT, 1, 0);
    s.grad = s.r.count;
    add_slot(&s.r, REAL, SUM, COUNT, 1, 0);
    s.m = s.r.count;
    add_slot(&s.r, REAL, SUM, COUNT, 0.1, 0);
    s.v = s.r.count;
    add_slot(&s.r, REAL, SUM, COUNT, 0.1, 0.2);
    s.narrow = s.r.count;
    add_slot(&s.r, ACTIVATION, OUTPUT, COUNT, 0, 0);
    s.loss = k->allocate(k, sizeof loss);
    s.result = k->allocate(k, 3 * sizeof *s.result);
    s.scratch = k->allocate(k, 3 * ESP_OPTIMIZE_SCRATCH * sizeof(double));
    assert_int_equal(k->upload(k, s.loss, loss, sizeof loss), 0);
    return s;
}

static void free_slabs(struct slabs *s)
{
    const struct esp_kernels *k = s->r.k;
    k->release(k, s->loss);
    k->release(k, s->result);
    k->release(k, s->scratch);
    k->release(k, s->scale);
    end_run(&s->r);
}

static void update(struct slabs *s, bool adamw)
{
    const struct esp_kernels *k = s->r.k;
    const struct esp_optimize op = {.param = s->r.slots[s->param].view,
                                    .grad = s->r.slots[s->grad].view,
                                    .m = s->r.slots[s->m].view,
                                    .v = adamw ? s->r.slots[s->v].view : (struct esp_view){0},
                                    .loss = s->loss,
                                    .result = s->result,
                                    .scratch = s->scratch,
                                    .count = COUNT,
                                    .decayed = DECAYED,
                                    .narrow = k->narrow ? s->r.slots[s->narrow].view
                                                        : (struct esp_view){0},
                                    .scale = s->scale};
    (adamw ? k->adamw : k->sgd)(k, &s->r.batch, &op);
}

static void get_results(const struct slabs *s, struct esp_update_result out[3])
{
    const struct esp_kernels *k = s->r.k;
    assert_int_equal(k->download(k, out, s->result, 3 * sizeof *out), 0);
}

static void compare(const struct slabs *a, const struct slabs *b, int slot, int member)
{
    double *x = values_of(&a->r, slot, member), *y = values_of(&b->r, slot, member);
    double difference = 0, norm = 0;
    for (int i = 0; i < COUNT; i++) {
        difference += (x[i] - y[i]) * (x[i] - y[i]);
        norm += y[i] * y[i];
    }
    assert_true(sqrt(difference) <= 1e-6 * sqrt(norm) + 1e-12);
    free(x);
    free(y);
}

static void optimizers_agree_with_double(void **state)
{
    (void)state;
    struct esp_kernels *k = open_backend(ESP_PRECISION_BF16), *wide = open_reference();
    for (int adamw = 0; adamw < 2; adamw++) {
        struct slabs a = make_slabs(k, ESP_PRECISION_BF16, 3);
        struct slabs b = make_slabs(wide, ESP_PRECISION_BF16, 3);
        struct esp_update_result x[3], y[3];
        a.r.control[2].update = b.r.control[2].update = 0;
        send_control(&a.r);
        send_control(&b.r);
        update(&a, adamw);
        update(&b, adamw);
        get_results(&a, x);
        get_results(&b, y);
        for (int m = 0; m < 3; m++) {
            for (int slot = a.param; slot <= a.v; slot++) {
                compare(&a, &b, slot, m);
            }
            assert_true(fabs(x[m].grad_norm - y[m].grad_norm) <= 1e-6 * y[m].grad_norm);
            assert_true(x[m].loss_sum == y[m].loss_sum && x[m].count == y[m].count);
            assert_int_equal(x[m].updates, m < 2);
            assert_int_equal(x[m].skipped, 0);
        }
        free_slabs(&a);
        free_slabs(&b);
    }
    esp_kernels_close(k);
    esp_kernels_close(wide);
}

static void the_rounded_copy_follows_the_parameters(void **state)
{
    (void)state;
    const enum esp_precision both[] = {ESP_PRECISION_BF16, ESP_PRECISION_FP16};
    for (int i = 0; i < 2; i++) {
        struct esp_kernels *k = open_backend(both[i]);
        struct slabs s = make_slabs(k, both[i], 2);
        send_control(&s.r);
        update(&s, true);
        for (int again = 0; again < 2; again++) {
            double *p = values_of(&s.r, s.param, 1), *n = values_of(&s.r, s.narrow, 1);
            for (int e = 0; e < COUNT; e++) {
                assert_true(n[e] == rounded(p[e], both[i]));
            }
            free(p);
            free(n);
            /* also by the call for uploads, onto poison */
            const struct slot *from = &s.r.slots[s.param], *to = &s.r.slots[s.narrow];
            char *place = (char *)to->view.data + to->view.stride * 2;
            const size_t bytes = COUNT * k->activation_bytes;
            void *poison = malloc(bytes);
            memset(poison, 0xff, bytes);
            assert_int_equal(k->upload(k, place, poison, bytes), 0);
            free(poison);
            k->narrow(k, place, (float *)from->view.data + from->view.stride, COUNT);
        }
        free_slabs(&s);
        esp_kernels_close(k);
    }
}

/* Sets one element of a member's gradient. */
static void spoil(struct slabs *s, int member, float value)
{
    const struct slot *g = &s->r.slots[s->grad];
    float *place = (float *)g->view.data + member * g->view.stride + 17;
    assert_int_equal(s->r.k->upload(s->r.k, place, &value, sizeof value), 0);
}

static void a_gradient_that_is_not_finite_changes_no_weight(void **state)
{
    (void)state;
    struct esp_kernels *k = open_backend(ESP_PRECISION_FP32);
    for (int adamw = 0; adamw < 2; adamw++) {
        struct slabs a = make_slabs(k, ESP_PRECISION_FP32, 3);
        struct slabs b = make_slabs(k, ESP_PRECISION_FP32, 3);
        struct esp_update_result x[3];
        send_control(&a.r);
        send_control(&b.r);
        spoil(&a, 1, NAN);
        double *before = values_of(&a.r, a.param, 1);
        update(&a, adamw);
        update(&b, adamw);
        get_results(&a, x);
        double *after = values_of(&a.r, a.param, 1), *grad = values_of(&a.r, a.grad, 1);
        for (int i = 0; i < COUNT; i++) {
            assert_true(after[i] == before[i] && grad[i] == 0);
        }
        assert_int_equal(x[1].skipped, 1);
        assert_int_equal(x[1].updates, 0);
        /* members 0 and 2 are not affected */
        for (int m = 0; m < 3; m += 2) {
            double *p = values_of(&a.r, a.param, m), *q = values_of(&b.r, b.param, m);
            assert_memory_equal(p, q, COUNT * sizeof *p);
            assert_int_equal(x[m].updates, 1);
            free(p);
            free(q);
        }
        free(before);
        free(after);
        free(grad);
        free_slabs(&a);
        free_slabs(&b);
    }
    esp_kernels_close(k);
}

/* Member 0 overflows, member 1 has its 2000th update without overflow, member 2 has a scale of
 * 1. */
static void the_device_decides_the_loss_scale(void **state)
{
    (void)state;
    struct esp_kernels *k = open_backend(ESP_PRECISION_FP16);
    struct slabs s = make_slabs(k, ESP_PRECISION_FP16, 3);
    struct esp_loss_scale scale[3] = {{ESP_LOSS_SCALE_START, 5, 0}, {1024, 1999, 0}, {1, 3, 0}};
    struct esp_update_result x[3];
    s.scale = k->allocate(k, sizeof scale);
    assert_int_equal(k->upload(k, s.scale, scale, sizeof scale), 0);
    send_control(&s.r);
    spoil(&s, 0, INFINITY);
    spoil(&s, 2, INFINITY);
    double *before = values_of(&s.r, s.param, 0), *other = values_of(&s.r, s.param, 1);
    update(&s, true);
    get_results(&s, x);
    assert_int_equal(k->download(k, scale, s.scale, sizeof scale), 0);
    assert_true(scale[0].scale == ESP_LOSS_SCALE_START / 2 && scale[0].clean == 0);
    assert_true(scale[1].scale == 2048 && scale[1].clean == 0);
    assert_true(scale[2].scale == 1);
    assert_int_equal(x[0].overflowed, 1);
    assert_int_equal(x[0].skipped, 0);
    assert_int_equal(x[1].updates, 1);
    assert_int_equal(x[2].overflowed, 0);
    assert_int_equal(x[2].skipped, 1);
    double *after = values_of(&s.r, s.param, 0), *moved = values_of(&s.r, s.param, 1);
    assert_memory_equal(before, after, COUNT * sizeof *before);
    assert_memory_not_equal(other, moved, COUNT * sizeof *other);
    free(before);
    free(after);
    free(other);
    free(moved);
    free_slabs(&s);
    esp_kernels_close(k);
}

/* The next batch's gradients and losses. */
static void refill(struct slabs *s, const struct slabs *from)
{
    const struct esp_kernels *k = s->r.k;
    const struct esp_loss_sum loss[3] = {{4.5, 7}, {40, 9}, {3, 2}};
    const struct slot *g = &s->r.slots[s->grad];
    for (int m = 0; m < 3; m++) {
        double *wide = values_of(&from->r, from->grad, m);
        float narrow[COUNT];
        for (int i = 0; i < COUNT; i++) {
            narrow[i] = (float)wide[i];
        }
        const bool is_float = k->real_bytes == sizeof(float);
        char *place = (char *)g->view.data + (size_t)(m * g->view.stride) * k->real_bytes;
        const void *values = is_float ? (const void *)narrow : (const void *)wide;
        assert_int_equal(k->upload(k, place, values, COUNT * k->real_bytes), 0);
        free(wide);
    }
    assert_int_equal(k->upload(k, s->loss, loss, sizeof loss), 0);
}

/* Member 0 overflows at its first update, the others do not. Its second update is its first
 * completed one, and is corrected as such; that of the others is corrected as a second one. */
static void an_overflowed_update_is_not_in_the_bias_correction(void **state)
{
    (void)state;
    struct esp_kernels *k = open_backend(ESP_PRECISION_FP16), *wide = open_reference();
    struct slabs a = make_slabs(k, ESP_PRECISION_FP16, 3);
    struct slabs b = make_slabs(wide, ESP_PRECISION_FP16, 3);
    struct slabs fresh = make_slabs(wide, ESP_PRECISION_FP16, 3);
    struct esp_loss_scale scale[3] = {{2, 0, 0}, {1, 0, 0}, {1, 0, 0}};
    struct esp_update_result x[3];
    a.scale = k->allocate(k, sizeof scale);
    assert_int_equal(k->upload(k, a.scale, scale, sizeof scale), 0);
    for (int at = 1; at <= 2; at++) {
        for (int m = 0; m < 3; m++) {
            a.r.control[m].updates = at;
            b.r.control[m].updates = m == 0 ? 1 : at;
        }
        b.r.control[0].update = at == 2;
        send_control(&a.r);
        send_control(&b.r);
        refill(&a, &fresh);
        refill(&b, &fresh);
        if (at == 1) {
            spoil(&a, 0, INFINITY);
        }
        update(&a, true);
        update(&b, true);
    }
    get_results(&a, x);
    assert_int_equal(k->download(k, scale, a.scale, sizeof scale), 0);
    for (int m = 0; m < 3; m++) {
        assert_int_equal(x[m].overflowed, m == 0);
        assert_int_equal(scale[m].overflowed, m == 0);
        for (int slot = a.param; slot <= a.v; slot++) {
            compare(&a, &b, slot, m);
        }
    }
    free_slabs(&a);
    free_slabs(&b);
    free_slabs(&fresh);
    esp_kernels_close(k);
    esp_kernels_close(wide);
}

/* The optimizer divides by the scale that multiplied the logits' gradient. */
static void the_loss_scale_multiplies_the_logits_gradient(void **state)
{
    (void)state;
    struct esp_kernels *k = open_backend(ESP_PRECISION_FP16);
    struct run r = start_run(
        k, ESP_PRECISION_FP16, (struct extents){.members = 2, .sequences = 1, .context = 8});
    const struct esp_loss_scale scale[2] = {{256, 0, 0}, {1, 0, 0}};
    void *scales = k->allocate(k, sizeof scale), *loss = k->allocate(k, 64);
    r.place[1] = 0;
    send_control(&r);
    assert_int_equal(k->upload(k, scales, scale, sizeof scale), 0);
    const struct esp_cross_entropy op = {.logits = input(&r, ACTIVATION, 8 * 16),
                                         .targets = add_tokens(&r, 8, 16, false),
                                         .loss = loss,
                                         .rows = {.count = 8},
                                         .vocabulary = 16,
                                         .vocabulary_padded = 16,
                                         .gradient = true,
                                         .scale = scales};
    k->cross_entropy(k, &r.batch, &op);
    double *scaled = values_of(&r, 0, 0), *plain = values_of(&r, 0, 1);
    for (int i = 0; i < 8 * 16; i++) {
        assert_true(fabs(scaled[i] / 256 - plain[i]) <= 2e-3 * fabs(plain[i]) + 1e-6);
    }
    free(scaled);
    free(plain);
    k->release(k, scales);
    k->release(k, loss);
    end_run(&r);
    esp_kernels_close(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(optimizers_agree_with_double),
        cmocka_unit_test(the_rounded_copy_follows_the_parameters),
        cmocka_unit_test(a_gradient_that_is_not_finite_changes_no_weight),
        cmocka_unit_test(the_device_decides_the_loss_scale),
        cmocka_unit_test(an_overflowed_update_is_not_in_the_bias_correction),
        cmocka_unit_test(the_loss_scale_multiplies_the_logits_gradient),
    };
    cmocka_set_test_filter(getenv("ESPALIER_TEST_FILTER"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
